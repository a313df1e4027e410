//! The ways a component can misbehave.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http_body::Frame;
use http_body_util::StreamBody;
use spin_sdk::http::IntoResponse as _;

use crate::{Answer, text};

/// Never returns and never yields.
#[expect(clippy::infinite_loop, reason = "that is the fault")]
pub(crate) fn spin_forever() -> Answer {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

/// Takes memory until there is none.
pub(crate) fn hog() -> Answer {
    let mut held = Vec::new();
    loop {
        held.push(std::hint::black_box(vec![1_u8; 1024 * 1024]));
        if held.len() > 16 * 1024 {
            return text(200, "16 GiB were granted");
        }
    }
}

/// Panics, which is a trap for the host.
#[expect(clippy::panic, reason = "that is the fault")]
pub(crate) fn trap() -> Answer {
    panic!("a panic on purpose")
}

/// Waits far longer than any deadline without using the processor.
pub(crate) async fn sleep() -> Answer {
    spin_sdk::time::sleep(Duration::from_secs(600)).await;
    text(200, "awake")
}

/// Streams 64 pieces of 16 KiB.
pub(crate) async fn stream() -> Answer {
    let pieces = futures::stream::iter(0..64_u8).map(|number| {
        Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(vec![number; 16 * 1024])))
    });
    http::Response::new(StreamBody::new(pieces)).into_response()
}
