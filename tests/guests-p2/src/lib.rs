//! Plays the guest of WASI 0.2, good and bad: by path it answers, loops, hogs, traps, stalls, or says nothing.
//!
//! Layer: dev (L5). Not here: assertions; they are in `edge/node/tests/it/wasi02.rs`.
//! Start at [`Guests::handle`]; each path is one behaviour.

mod faults;

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use wasip2::{
    exports::http::incoming_handler::Guest,
    http::{
        outgoing_handler,
        types::{
            Fields, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse,
            ResponseOutparam, Scheme,
        },
    },
    io::streams::StreamError,
};

wasip2::http::proxy::export!(Guests);

struct Guests;

/// Requests that this instance has seen.
static SEEN: AtomicU32 = AtomicU32::new(0);

impl Guest for Guests {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        match path {
            "/hello" => text(answer, 200, b"hello"),
            "/seen" => text(answer, 200, SEEN.fetch_add(1, Relaxed).to_string().as_bytes()),
            "/echo" => echo(&request, answer),
            "/headers" => text(answer, 200, &headers(&request)),
            "/fetch" => fetch(&request, answer),
            "/stream" => faults::stream(answer, 64),
            "/endless" => faults::stream(answer, u64::MAX),
            "/loop" => faults::spin_forever(),
            "/hog" => faults::hog(),
            "/trap" => faults::trap(),
            "/late-trap" => faults::late_trap(answer),
            "/sleep" => faults::sleep(),
            "/silent" => drop(answer),
            "/leak" => std::mem::forget(answer),
            "/twice" => faults::twice(answer),
            "/error" => faults::error(answer),
            "/short" => faults::wrong_length(answer, 10, 4),
            "/long" => faults::wrong_length(answer, 4, 10),
            _ => text(answer, 404, b"no such behaviour"),
        }
    }
}

/// Answers `body` with `status`.
fn text(answer: ResponseOutparam, status: u16, body: &[u8]) {
    let (out, response) = begin(status, Fields::new());
    ResponseOutparam::set(answer, Ok(response));
    // A reader that left is no fault of ours.
    let _ = write(&out, body);
    let _ = OutgoingBody::finish(out, None);
}

/// Makes an answer and its body.
fn begin(status: u16, fields: Fields) -> (OutgoingBody, OutgoingResponse) {
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).expect("is a status");
    let body = response.body().expect("is taken once");
    (body, response)
}

/// Writes all of `bytes`, waiting for the reader.
fn write(body: &OutgoingBody, bytes: &[u8]) -> Result<(), StreamError> {
    let stream = body.write().expect("is taken once");
    for piece in bytes.chunks(4096) {
        stream.blocking_write_and_flush(piece)?;
    }
    Ok(())
}

/// Sends the body back as it comes, holding none of it.
fn echo(request: &IncomingRequest, answer: ResponseOutparam) {
    let incoming = request.consume().expect("is taken once");
    let input = incoming.stream().expect("is taken once");
    let (out, response) = begin(200, Fields::new());
    ResponseOutparam::set(answer, Ok(response));
    let output = out.write().expect("is taken once");
    while output.blocking_splice(&input, 64 * 1024).is_ok() {}
    drop(output);
    let _ = OutgoingBody::finish(out, None);
}

/// Every header that arrived, one `name: value` per line.
fn headers(request: &IncomingRequest) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in request.headers().entries() {
        lines.extend(name.as_bytes());
        lines.extend(b": ");
        lines.extend(value);
        lines.push(b'\n');
    }
    lines
}

/// Fetches `http://<x-authority>/hello` and answers its status, or why there is none.
fn fetch(request: &IncomingRequest, answer: ResponseOutparam) {
    let authority = request.headers().get("x-authority").pop().unwrap_or_default();
    let outgoing = OutgoingRequest::new(Fields::new());
    outgoing.set_method(&Method::Get).expect("is a method");
    outgoing.set_scheme(Some(&Scheme::Http)).expect("is a scheme");
    outgoing.set_authority(Some(&String::from_utf8_lossy(&authority))).expect("is an authority");
    outgoing.set_path_with_query(Some("/hello")).expect("is a path");
    let pending = match outgoing_handler::handle(outgoing, None) {
        Ok(pending) => pending,
        Err(code) => return text(answer, 403, format!("{code:?}").as_bytes()),
    };
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(Ok(response))) => text(answer, 200, response.status().to_string().as_bytes()),
        other => text(answer, 502, format!("{other:?}").as_bytes()),
    }
}
