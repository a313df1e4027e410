//! The least component that has both lanes: what it costs is what a host costs.
//!
//! Layer: dev (L5). The last word of the path chooses: a greeting, or one of the ways in which a component costs more
//! or fails, for measuring those.
//! Not here: assertions and figures; they are in `load`.
//! Start at [`hello`].

use bytes::Bytes;
use express::Inbound;
use http::{Response, StatusCode};

/// Longest body read: 1 KiB.
const BODY_BYTES_MAX: usize = 1_024;

express::answer!(hello);

async fn hello(request: Inbound) -> Response<Bytes> {
    match request.head.uri.path().rsplit('/').next() {
        Some("trap") => trap(),
        Some("loop") => spin_forever(),
        Some("read") => read(request).await,
        _ => Response::new(Bytes::from_static(b"Hello, world")),
    }
}

/// Panics, which is a trap for the host.
#[expect(clippy::panic, reason = "that is the fault")]
fn trap() -> Response<Bytes> {
    panic!("a panic on purpose")
}

/// Never returns and never yields.
#[expect(clippy::infinite_loop, reason = "that is the fault")]
fn spin_forever() -> Response<Bytes> {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

/// Reads the body: as long as it does not come, the instance is taken.
async fn read(request: Inbound) -> Response<Bytes> {
    match request.whole(BODY_BYTES_MAX).await {
        Ok(_) => Response::new(Bytes::from_static(b"read")),
        Err(_) => {
            let mut answer = Response::new(Bytes::new());
            *answer.status_mut() = StatusCode::BAD_REQUEST;
            answer
        }
    }
}
