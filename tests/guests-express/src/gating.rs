//! A middleware, in both lanes.

use express::{Body, Failed, Head, Inbound, Outbound, is_express, next};
use http::HeaderValue;

use crate::{header, text};

express::gate!(handle);

async fn handle(request: Inbound) -> Result<Outbound, Failed> {
    let Inbound { mut head, body } = request;
    let lane = HeaderValue::from_static(if is_express() { "express" } else { "standard" });
    head.headers.insert("x-gate", lane.clone());
    let body = match header(&head.headers, "x-gate-does") {
        "refuse" => return Ok(Outbound::Whole(text(403, "not here"))),
        "trap-before" => trap(),
        "read" => match body.read(&head.headers, 64 * 1024).await {
            Ok(bytes) => Body::Whole(bytes),
            Err(error) => return Ok(Outbound::Whole(text(413, format!("{error:?}")))),
        },
        _ => Body::Unread(body),
    };
    head.headers.remove(http::header::HOST);
    let onward = Head { method: &head.method, uri: &head.uri, headers: &head.headers };
    let mut answer = match next(onward, body).await {
        Ok(answer) => answer,
        Err(_) if header(&head.headers, "x-gate-does") == "mend" => {
            return Ok(Outbound::Whole(text(502, "mended")));
        }
        Err(failed) => return Err(failed),
    };
    if header(&head.headers, "x-gate-does") == "trap-after" {
        trap();
    }
    answer.headers.insert("x-gate", lane);
    Ok(Outbound::Next(answer))
}

#[expect(clippy::panic, reason = "that is the fault")]
fn trap() -> ! {
    panic!("a panic on purpose")
}
