//! The ways a guest of WASI 0.2 can misbehave.

use wasip2::{
    clocks::monotonic_clock,
    http::types::{ErrorCode, Fields, OutgoingBody, ResponseOutparam},
};

use crate::{begin, write};

/// Never returns and never waits.
#[expect(clippy::infinite_loop, reason = "that is the fault")]
pub(crate) fn spin_forever() {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

/// Takes memory until there is none.
pub(crate) fn hog() {
    let mut held = Vec::new();
    while held.len() < 16 * 1024 {
        held.push(std::hint::black_box(vec![1_u8; 1024 * 1024]));
    }
}

/// Panics, which is a trap for the host.
#[expect(clippy::panic, reason = "that is the fault")]
pub(crate) fn trap() {
    panic!("a panic on purpose")
}

/// Panics when head and some of the body are on their way.
#[expect(clippy::panic, reason = "that is the fault")]
pub(crate) fn late_trap(answer: ResponseOutparam) {
    let (out, response) = begin(200, Fields::new());
    ResponseOutparam::set(answer, Ok(response));
    write(&out, b"some of it").expect("is read");
    panic!("a panic on purpose")
}

/// Waits far longer than any deadline without using the processor.
pub(crate) fn sleep() {
    monotonic_clock::subscribe_duration(600_000_000_000).block();
}

/// Streams `count` pieces of 16 KiB.
pub(crate) fn stream(answer: ResponseOutparam, count: u64) {
    let (out, response) = begin(200, Fields::new());
    ResponseOutparam::set(answer, Ok(response));
    let stream = out.write().expect("is taken once");
    for _ in 0..count {
        for _ in 0..4 {
            if stream.blocking_write_and_flush(&[7; 4096]).is_err() {
                return;
            }
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(out, None);
}

/// Gives the same hole an answer twice.
#[expect(unsafe_code, reason = "the bindings make it impossible; that is the fault")]
pub(crate) fn twice(answer: ResponseOutparam) {
    let handle = answer.handle();
    let (_first, response) = begin(200, Fields::new());
    ResponseOutparam::set(answer, Ok(response));
    let (_second, response) = begin(200, Fields::new());
    // SAFETY: none: the handle is spent, which is for the host to notice. No memory of ours is behind it.
    let again = unsafe { ResponseOutparam::from_handle(handle) };
    ResponseOutparam::set(again, Ok(response));
}

/// Answers with a code in place of a response.
pub(crate) fn error(answer: ResponseOutparam) {
    ResponseOutparam::set(answer, Err(ErrorCode::DestinationUnavailable));
}

/// Announces `told` bytes and writes `written`.
pub(crate) fn wrong_length(answer: ResponseOutparam, told: usize, written: usize) {
    let length = told.to_string().into_bytes();
    let fields = Fields::from_list(&[("content-length".to_owned(), length)]).expect("is allowed");
    let (out, response) = begin(200, fields);
    ResponseOutparam::set(answer, Ok(response));
    let _ = write(&out, &vec![b'x'; written]);
    let _ = OutgoingBody::finish(out, None);
}
