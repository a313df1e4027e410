//! HTTP/1.1 (RFC 9112), to the letter and without room for doubt.
//!
//! Layer: adapter (L3). Bytes in, requests out; answers in, bytes out; and the other way round towards origins.
//! Not here: sockets and TLS (`edge/node`, `edge/cdn`), HTTP/2 (`edge/node`, over `h2`), what is answered (the [`Service`]).
//! Start at [`Connection::serve`] and [`Client::send`]; `head.rs`, `framing.rs` and `chunked.rs` are the rules, and do no I/O.
//!
//! Why not hyper for this: it takes lines that end in a bare LF, and a `Content-Length` beside `Transfer-Encoding`;
//! it cannot send `103 Early Hints`; and an answer that lies ready in memory costs twice as much (ADR 0025).

mod body;
mod chunked;
mod client;
mod connection;
mod encode;
mod error;
mod framing;
mod head;
mod interim;
mod output;
mod patience;
mod quick;
mod reply;
mod transport;

pub use self::{
    body::{BodyError, RequestBody},
    client::{Client, Failed, PassedOn, PlainAnswer, RequestHead, ResponseBody, Reuse, SendError},
    connection::{Connection, Ended, Service, Stop},
    encode::{DateClock, field, number, status_line},
    error::{Refusal, RefusalKind},
    head::Limits,
    interim::Interim,
    quick::{Names, Quick, QuickBody, QuickHead},
    reply::{FilePart, Reply, ReplyBody, Written},
    transport::Transport,
};
