//! What a component finds around it, and what it leaves there.

use spin_sdk::http::Request;

use crate::{Answer, header, text};

/// Answers the environment variable that `x-name` names, 404 if there is none.
pub(crate) fn environment(request: &Request) -> Answer {
    match std::env::var(header(request, "x-name")) {
        Ok(value) => text(200, value),
        Err(_) => text(404, "not set"),
    }
}

/// Prints `x-out` to the one stream and `x-err` to the other.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is the behaviour")]
pub(crate) fn print(request: &Request) -> Answer {
    println!("{}", header(request, "x-out"));
    eprintln!("{}", header(request, "x-err"));
    text(200, "printed")
}
