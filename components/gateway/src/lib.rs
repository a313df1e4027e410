//! The middleware in front of every component.
//!
//! Layer: shell (L4). Moves heads to `gateway-core` and bodies past it; no decision is taken here.
//! Not here: every rule (`gateway-core`), how streams are handed on (`spin-ports`).
//! Start at [`handle`].

use bytes::Bytes;
use gateway_core::admit::{Admission, BodyError, State, admit};
use gateway_core::edits::finish;
use spin_ports::middleware::{Body, Head, Unread, next};
use spin_ports::wire::ReadError;
use spin_ports::{ErrorCode, IncomingRequest, OutgoingResponse, SpinPorts, serve};

thread_local! {
    /// What this instance remembers between requests: keys, verified tokens, counters to forget. Cheap to lose.
    static STATE: &'static State = Box::leak(Box::default());
}

#[spin_sdk::http_service]
async fn handle(request: IncomingRequest) -> Result<OutgoingResponse, ErrorCode> {
    let state = STATE.with(|state| *state);
    let (parts, body) = request.into_parts();
    let mut unread = Some(Unread::new(body));
    let read_body = async |bytes_max: usize| match unread.take() {
        None => Ok(Bytes::new()),
        Some(body) => body.read(&parts.headers, bytes_max).await.map_err(|error| match error {
            ReadError::TooLarge => BodyError::TooLarge,
            ReadError::Broken(_) => BodyError::Broken,
        }),
    };
    let forward = match admit(&SpinPorts::new(), state, &parts, read_body).await {
        Admission::Answer(response) => return serve::send(response),
        Admission::Forward(forward) => forward,
    };
    let body = match (forward.body, unread) {
        (Some(whole), _) => Body::Whole(whole),
        (None, Some(unread)) => Body::Unread(unread),
        (None, None) => Body::Whole(Bytes::new()),
    };
    let head = Head { method: &parts.method, uri: &parts.uri, headers: &forward.headers };
    // A failure of what comes next is the host's to name: it alone knows trap, deadline and memory apart.
    let mut answer = next(head, body).await?;
    finish(&forward.edits, &mut answer.headers);
    answer.send()
}
