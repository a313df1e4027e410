//! The middleware in front of every component.
//!
//! Layer: shell (L4). Moves heads to `gateway-core` and bodies past it; no decision is taken here.
//! Not here: every rule (`gateway-core`), how it is asked and how bodies are handed on (`express`).
//! Start at [`handle`].

use core::cell::RefCell;

use bytes::Bytes;
use express::{Body, Failed, Inbound, Outbound, Pass, PassForm, ReadError};
use gateway_core::admit::{Admission, BodyError, State, admit};
use gateway_core::quick;
use spin_ports::SpinPorts;

thread_local! {
    /// What this instance remembers between requests: keys, verified tokens, counters to forget. Cheap to lose.
    static STATE: &'static State = Box::leak(Box::default());

    /// Verdicts about plain requests, but for what is each request's own. As many as there are kinds: below twenty.
    static FORMS: RefCell<Vec<(quick::Kind, PassForm)>> = const { RefCell::new(Vec::new()) };
}

express::gate!(handle, at_once);

fn at_once(request: &express::Request<'_>) -> Option<Vec<u8>> {
    let express::Request { method, scheme, authority, target, fields, .. } = *request;
    let head = quick::Head { method, scheme, authority, target };
    let state = STATE.with(|state| *state);
    let passed = quick::pass(&SpinPorts::new(), state, &head, fields)?;
    let own = [passed.client.as_ref(), passed.request_id];
    Some(FORMS.with_borrow_mut(|forms| {
        if let Some((_, form)) = forms.iter().find(|(kind, _)| *kind == passed.kind) {
            return form.fill(&own);
        }
        let forward = passed.kind.forward();
        let form = express::pass_form(&forward.request, &forward.edits.list(), &quick::OWN);
        let verdict = form.fill(&own);
        forms.push((passed.kind, form));
        verdict
    }))
}

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
