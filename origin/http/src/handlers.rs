//! A file per noun; here what they share.

pub(crate) mod account;
pub(crate) mod admin_order;
pub(crate) mod cart;
pub(crate) mod event;
pub(crate) mod feed;
pub(crate) mod import;
pub(crate) mod inventory;
pub(crate) mod media;
pub(crate) mod merchant;
pub(crate) mod operations;
pub(crate) mod order;
pub(crate) mod payment;
pub(crate) mod pricing;
pub(crate) mod product;
pub(crate) mod shop;
pub(crate) mod staff;
pub(crate) mod stock;

use api_types::reply::{Private, PrivateFile};
use app::{Answered, NamedFile};
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::problem::{Failure, REPLAYED};

/// What a handler gives.
pub(crate) type Reply = Result<Response, Failure>;

/// Writes an answer for one asker.
pub(crate) fn private<T: Serialize>(status: StatusCode, value: T) -> Reply {
    Ok(Private { value, status }.into_response()?.map(Body::from))
}

/// Writes a file for one asker.
pub(crate) fn file(file: NamedFile) -> Response {
    let NamedFile { name, bytes } = file;
    let file = PrivateFile { name, media_type: "application/pdf", bytes: bytes.into() };
    file.into_response().map(Body::from)
}

/// Writes an answer for one asker, and whether it was given before.
pub(crate) fn answered<T: Serialize>(status: StatusCode, answered: Answered<T>) -> Reply {
    let mut response = private(status, answered.value)?;
    if answered.is_replay {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}
