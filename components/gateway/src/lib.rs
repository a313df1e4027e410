//! The middleware in front of every component.
//!
//! Layer: shell (L4). Moves heads to `gateway-core` and bodies past it; no decision is taken here.
//! Not here: every rule (`gateway-core`), how it is asked and how bodies are handed on (`express`).
//! Start at [`handle`].

use bytes::Bytes;
use express::{Body, Failed, Inbound, Outbound, Pass, ReadError};
use gateway_core::admit::{Admission, BodyError, State, admit};
use spin_ports::SpinPorts;

thread_local! {
    /// What this instance remembers between requests: keys, verified tokens, counters to forget. Cheap to lose.
    static STATE: &'static State = Box::leak(Box::default());
}

express::gate!(handle);

async fn handle(request: Inbound) -> Result<Outbound, Failed> {
    let state = STATE.with(|state| *state);
    let Inbound { head, body } = request;
    let mut unread = Some(body);
    let read_body = async |bytes_max: usize| match unread.take() {
        None => Ok(Bytes::new()),
        Some(body) => body.read(&head.headers, bytes_max).await.map_err(|error| match error {
            ReadError::TooLarge => BodyError::TooLarge,
            ReadError::Broken(_) => BodyError::Broken,
        }),
    };
    let forward = match admit(&SpinPorts::new(), state, &head, read_body).await {
        Admission::Answer(response) => return Ok(Outbound::Whole(response)),
        Admission::Forward(forward) => forward,
    };
    let body = match (forward.body, unread) {
        (Some(whole), _) => Body::Whole(whole),
        (None, Some(unread)) => Body::Unread(unread),
        (None, None) => Body::Whole(Bytes::new()),
    };
    let answer = forward.edits.list();
    Ok(Outbound::Pass(Box::new(Pass { head, request: forward.request, body, answer })))
}
