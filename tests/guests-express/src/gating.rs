//! A middleware, in both lanes.

use express::{Body, Edit, Failed, Head, Inbound, Outbound, Pass, is_express, next};
use http::{HeaderName, HeaderValue};

use crate::{header, text};

express::gate!(handle);

async fn handle(request: Inbound) -> Result<Outbound, Failed> {
    let Inbound { mut head, body } = request;
    match header(&head.headers, "x-gate-does") {
        "pass" => return Ok(pass(head, Body::Unread(body))),
        "pass-read" => {
            let body = body.read(&head.headers, 64 * 1024).await.unwrap_or_default();
            return Ok(pass(head, Body::Whole(body)));
        }
        _ => {}
    }
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

/// One edit of each kind, on the way in and on the way out.
fn pass(head: http::request::Parts, body: Body) -> Outbound {
    let name = HeaderName::from_static;
    let value = HeaderValue::from_static;
    let lane = value(if is_express() { "express" } else { "standard" });
    let request = vec![
        Edit::Remove(name("cookie")),
        Edit::RemoveStarting("x-secret-".into()),
        Edit::RemoveConnection,
        Edit::Set(name("x-many"), value("one")),
        Edit::Append(name("accept"), value("more/accepted")),
        Edit::SetByType {
            name: name("x-kind"),
            kinds: vec![("text/plain".into(), value("text"))].into(),
            otherwise: Some(value("no text")),
        },
    ];
    let by_type = |name, kind: &'static str, otherwise| Edit::SetByType {
        name: HeaderName::from_static(name),
        kinds: vec![("image/png".into(), value("picture")), (kind.into(), value("text"))].into(),
        otherwise,
    };
    let answer = vec![
        Edit::Append(name("vary"), value("x-gate-does")),
        // Left out on the way: connections are the host's.
        Edit::Set(name("keep-alive"), value("timeout=1")),
        by_type("x-is-text", "text/plain", None),
        by_type("x-is-page", "text/html", Some(value("no page"))),
        Edit::Remove(name("x-from-guest")),
        Edit::Set(name("x-gate"), lane),
    ];
    Outbound::Pass(Box::new(Pass { head, request, body, answer }))
}

#[expect(clippy::panic, reason = "that is the fault")]
fn trap() -> ! {
    panic!("a panic on purpose")
}
