//! The ways in which an answer can be wrong.

use std::{convert::Infallible, task::Poll, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use spin_sdk::{
    http::{IntoResponse as _, Request},
    wasip3::http::types::Fields,
};

use crate::{Answer, header, text};

/// Sends the body back as it comes, holding none of it.
pub(crate) fn echo(request: Request) -> Answer {
    http::Response::new(request.into_body()).into_response()
}

/// Panics when the head and `x-pieces` pieces of 16 KiB are on their way; without it, after one.
pub(crate) fn late_trap(request: &Request) -> Answer {
    let pieces = header(request, "x-pieces").parse().unwrap_or(1);
    stream(pieces_then(pieces, || panic_on_purpose()), None)
}

/// Panics with the request's body half read.
pub(crate) async fn trap_reading(request: Request) -> Answer {
    let mut body = request.into_body();
    match body.frame().await {
        Some(Ok(_)) => panic_on_purpose(),
        other => text(400, format!("no piece to read: {other:?}")),
    }
}

/// Streams for ever, as fast as it is read.
pub(crate) fn endless() -> Answer {
    stream(stream::repeat_with(piece), None)
}

/// Sends one piece, and then neither another nor an end.
pub(crate) fn unfinished() -> Answer {
    let silence = stream::once(async {
        spin_sdk::time::sleep(Duration::from_secs(600)).await;
        piece()
    });
    stream(stream::once(async { piece() }).chain(silence), None)
}

/// Waits for what can never come, without asking the host to wake it.
pub(crate) async fn never() -> Answer {
    std::future::pending::<()>().await;
    text(200, "impossible")
}

/// Announces `x-told` bytes and writes `x-written`.
pub(crate) fn wrong_length(request: &Request) -> Answer {
    let written = header(request, "x-written").parse().unwrap_or(0);
    let bytes = Bytes::from(vec![b'x'; written]);
    let one = stream::once(async { Ok(Frame::data(bytes)) });
    stream(one, Some(header(request, "x-told")))
}

/// Tries to send the header `x-name` with the value `x-value`, and says what the host said.
pub(crate) fn odd_header(request: &Request) -> Answer {
    let fields = Fields::new();
    let (name, value) = (header(request, "x-name"), header(request, "x-value"));
    match fields.append(name, value.as_bytes()) {
        Ok(()) => text(200, "allowed"),
        Err(error) => text(422, format!("{error:?}")),
    }
}

/// Adds headers until the host says that it is enough, and says how many were taken.
pub(crate) fn many_headers() -> Answer {
    let fields = Fields::new();
    for number in 0..100_000 {
        if let Err(error) = fields.append(&format!("x-{number}"), b"some value") {
            return text(422, format!("{number} {error:?}"));
        }
    }
    text(200, "100000 were taken")
}

/// Returns an answer, and then another.
#[expect(unsafe_code, reason = "the bindings make it impossible; that is the fault")]
pub(crate) fn twice() -> Answer {
    #[link(wasm_import_module = "[export]wasi:http/handler@0.3.0")]
    unsafe extern "C" {
        #[link_name = "[task-return]handle"]
        fn task_return(
            is_error: i32,
            code: i32,
            has_first: i32,
            first: u64,
            text: *mut u8,
            text_bytes: *mut u8,
            second: usize,
            third: i32,
        );
    }
    // SAFETY: an error code without any payload, of which nothing is read but the code. That the bindings will return
    // again is the fault.
    unsafe { task_return(1, 0, 0, 0, std::ptr::null_mut(), std::ptr::null_mut(), 0, 0) };
    text(200, "again")
}

type Piece = Result<Frame<Bytes>, Infallible>;

#[expect(clippy::unnecessary_wraps, reason = "what a stream yields")]
fn piece() -> Piece {
    Ok(Frame::data(Bytes::from_static(&[7; 16 * 1024])))
}

/// `count` pieces, and then `end`.
fn pieces_then(count: u32, end: impl Fn() -> Piece) -> impl Stream<Item = Piece> {
    let mut left = count;
    stream::poll_fn(move |_| {
        Poll::Ready(Some(match left.checked_sub(1) {
            Some(fewer) => {
                left = fewer;
                piece()
            }
            None => end(),
        }))
    })
}

fn stream(pieces: impl Stream<Item = Piece> + 'static, length: Option<&str>) -> Answer {
    let mut answer = http::Response::new(StreamBody::new(pieces));
    if let Some(length) = length.and_then(|length| length.parse().ok()) {
        answer.headers_mut().insert(http::header::CONTENT_LENGTH, length);
    }
    answer.into_response()
}

/// A trap, for the host.
#[expect(clippy::panic, reason = "that is the fault")]
pub(crate) fn panic_on_purpose() -> ! {
    panic!("a panic on purpose")
}
