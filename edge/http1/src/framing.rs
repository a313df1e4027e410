//! Where a message's body ends (RFC 9112, section 6): the rules that request smuggling lives on, so nothing is guessed.

use http::{HeaderMap, HeaderValue, Version, header};

use crate::error::{Refusal, RefusalKind, malformed, refusal};

/// How a request's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By its length; 0 is no body.
    Length(u64),
    /// By chunks.
    Chunked,
}

/// Decides how a request's body is delimited.
///
/// Stricter than section 6.3 has to be: a length beside a transfer coding, and a length that is said twice, are refused
/// even where they agree, since whoever passed them on may have read them otherwise.
pub(crate) fn of_request(version: Version, headers: &HeaderMap) -> Result<Framing, Refusal> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let length = match (lengths.next(), lengths.next()) {
        (Some(_), Some(_)) => return Err(malformed("Content-Length is said more than once")),
        (Some(length), None) => Some(parse_length(length)?),
        (None, _) => None,
    };
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let coding = match (codings.next(), codings.next()) {
        (Some(_), Some(_)) => {
            return Err(malformed("Transfer-Encoding is said more than once"));
        }
        (coding, _) => coding,
    };
    match (coding, length) {
        (None, length) => Ok(Framing::Length(length.unwrap_or(0))),
        (Some(_), Some(_)) => Err(malformed("Content-Length stands beside Transfer-Encoding")),
        (Some(_), None) if version == Version::HTTP_10 => {
            Err(malformed("HTTP/1.0 knows no Transfer-Encoding"))
        }
        (Some(coding), None) => of_coding(coding),
    }
}

fn of_coding(coding: &HeaderValue) -> Result<Framing, Refusal> {
    let coding = coding.as_bytes();
    if coding.eq_ignore_ascii_case(b"chunked") {
        return Ok(Framing::Chunked);
    }
    let last = coding.rsplit(|byte| *byte == b',').next().unwrap_or_default();
    let count = coding.iter().filter(|byte| **byte == b',').count();
    let is_chunked_last = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
    let is_chunked_before = coding.split(|byte| *byte == b',').take(count).any(|one| {
        one.trim_ascii().eq_ignore_ascii_case(b"chunked") || one.trim_ascii().is_empty()
    });
    if !is_chunked_last || is_chunked_before {
        return Err(malformed("the last transfer coding, and only that, must be chunked"));
    }
    Err(refusal(RefusalKind::NotImplemented, "no transfer coding but chunked is known"))
}

/// Digits only: a sign, a space, a list or a number beyond 2^63 is refused.
fn parse_length(value: &HeaderValue) -> Result<u64, Refusal> {
    let digits = value.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(malformed("Content-Length is no number"));
    }
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    match number {
        Some(number) if i64::try_from(number).is_ok() => Ok(number),
        _ => Err(malformed("Content-Length is no length")),
    }
}

/// Whether the client wants to go on after this request (RFC 9112, section 9.3).
pub(crate) fn keeps_alive(version: Version, headers: &HeaderMap) -> bool {
    let mut keeps = version == Version::HTTP_11;
    for options in headers.get_all(header::CONNECTION) {
        for option in options.as_bytes().split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            if option.eq_ignore_ascii_case(b"close") {
                return false;
            }
            if option.eq_ignore_ascii_case(b"keep-alive") {
                keeps = true;
            }
        }
    }
    keeps
}
