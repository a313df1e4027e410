//! Calls other components, or itself, and answers with what came back.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use spin_sdk::http::{FullBody, Request, send};

use crate::{Answer, header, text};

/// Sends `x-url` a POST with the own body and the own header `x-tag`; answers its status, then its body.
pub(crate) async fn relay(request: Request) -> Answer {
    let (url, tag) = (header(&request, "x-url").to_owned(), header(&request, "x-tag").to_owned());
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return text(400, format!("{error:?}")),
    };
    call(http::Request::post(url).header("x-tag", tag), body).await
}

/// Asks `x-url` the same that it was asked itself: with its own address there, it goes round in circles.
pub(crate) async fn ring(request: &Request) -> Answer {
    let url = header(request, "x-url");
    call(http::Request::get(url).header("x-url", url), Bytes::new()).await
}

async fn call(request: http::request::Builder, body: Bytes) -> Answer {
    let Ok(request) = request.body(FullBody::new(body)) else { return text(400, "no URL") };
    let answer = match send(request).await {
        Ok(answer) => answer,
        Err(error) => return text(502, format!("{error:?}")),
    };
    let status = answer.status().as_u16();
    match answer.into_body().collect().await {
        Ok(body) => text(status, body.to_bytes()),
        Err(error) => text(502, format!("{error:?}")),
    }
}
