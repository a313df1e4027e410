//! The flat buffers of `vitrine:express@1.0.0`: how requests, verdicts, questions and results are laid out in bytes.
//!
//! Layer: core (L2). Pure: no host, no I/O; used by both sides, so that they cannot disagree.
//! Not here: what is done with a message (`express` in components, `runtime` in the node).
//! Start at [`Verdict`]; the order of messages is [`Request`] → [`Verdict`] → [`Results`] or [`Next`] → [`Verdict`] → ….
//!
//! Layout: numbers are little-endian and unaligned; a text or a list of bytes is its length (`u32`) and its bytes; a
//! list is its length (`u32`) and its items; a choice is a byte and what belongs to it. There is no padding and nothing
//! follows the end: a message with bytes left over is refused like one that is too short.
#![warn(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used,
    clippy::panic
)]

mod edit;
mod form;
mod head;
mod question;
mod reader;
mod rows;
mod verdict;
mod writer;

pub use edit::Edit;
pub use form::PassForm;
pub use head::{Fields, Header, Next, Request, RequestWriter};
pub use question::{Failure, Question, Results, ResultsWriter};
pub use reader::{Malformed, Reader};
pub use rows::{RowReader, RowWriter, Value};
pub use verdict::{Body, Verdict};
pub use writer::{Gap, Writer};
