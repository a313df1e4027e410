//! Several ranges in one answer: `multipart/byteranges` (RFC 9110, section 14.6).
//!
//! Pure pieces around the bytes of the file, so that whoever has them can stream: for each range [`head_of_part`] and the
//! range's bytes, at last [`end`]. [`length`] is the whole body's `Content-Length`; the answer has no `Content-Range`
//! (section 15.3.7.2).

use api_types::validator;
use http::HeaderValue;

use crate::range::Span;

/// What separates the parts of one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary(String);

impl Boundary {
    /// Makes the boundary of an answer: 32 hexadecimal digits of the version and the ranges, the same on every node.
    ///
    /// It is not searched for in the file. By chance it is there once in 2^128 times; who knows the file's version before
    /// writing the file can put it there, but confuses only readers of that file.
    #[must_use]
    pub fn of(etag: Option<&str>, spans: &[Span], length: u64) -> Self {
        let mut named = format!("{}\n{length}", etag.unwrap_or(""));
        for span in spans {
            named.push_str(&format!("\n{}+{}", span.start, span.length));
        }
        let first = validator::digest(named.as_bytes());
        named.push_str("\nboundary");
        let second = validator::digest(named.as_bytes());
        Self(format!("{first:016x}{second:016x}"))
    }

    /// Returns its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the answer's `Content-Type`.
    #[must_use]
    pub fn content_type(&self) -> HeaderValue {
        let text = format!("multipart/byteranges; boundary={}", self.0);
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("multipart/byteranges"))
    }
}

/// Returns what precedes the bytes of a range of a file with `length` bytes; `content_type` is the file's.
#[must_use]
pub fn head_of_part(
    boundary: &Boundary,
    content_type: Option<&str>,
    span: Span,
    length: u64,
) -> String {
    let content_type = content_type.map(|kind| format!("Content-Type: {kind}\r\n"));
    format!(
        "\r\n--{}\r\n{}Content-Range: {}\r\n\r\n",
        boundary.0,
        content_type.unwrap_or_default(),
        content_range(span, length)
    )
}

/// Returns what follows the bytes of the last range.
#[must_use]
pub fn end(boundary: &Boundary) -> String {
    format!("\r\n--{}--\r\n", boundary.0)
}

/// Returns the length of the whole body.
#[must_use]
pub fn length(boundary: &Boundary, content_type: Option<&str>, spans: &[Span], length: u64) -> u64 {
    let bytes = |text: String| u64::try_from(text.len()).unwrap_or(u64::MAX);
    let parts = spans.iter().map(|span| {
        let head = bytes(head_of_part(boundary, content_type, *span, length));
        head.saturating_add(span.length)
    });
    parts.fold(bytes(end(boundary)), u64::saturating_add)
}

/// Returns the `Content-Range` of a range of a file with `length` bytes (section 14.4).
#[must_use]
pub fn content_range(span: Span, length: u64) -> String {
    format!("bytes {}-{}/{length}", span.start, span.last())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPANS: [Span; 2] = [Span { start: 0, length: 2 }, Span { start: 900, length: 100 }];

    #[test]
    fn rfc9110_14_6_writes_parts_with_their_range_and_no_more() {
        let boundary = Boundary::of(Some("\"a\""), &SPANS, 1_000);
        let name = boundary.as_str();
        assert_eq!(
            head_of_part(&boundary, Some("model/gltf-binary"), SPANS[1], 1_000),
            format!(
                "\r\n--{name}\r\nContent-Type: model/gltf-binary\r\nContent-Range: bytes 900-999/1000\r\n\r\n"
            )
        );
        assert_eq!(
            head_of_part(&boundary, None, SPANS[0], 1_000),
            format!("\r\n--{name}\r\nContent-Range: bytes 0-1/1000\r\n\r\n")
        );
        assert_eq!(end(&boundary), format!("\r\n--{name}--\r\n"));
        assert_eq!(boundary.content_type(), format!("multipart/byteranges; boundary={name}"));
    }

    #[test]
    fn rfc2046_5_1_1_boundaries_are_short_need_no_quotes_and_differ() {
        let boundary = Boundary::of(Some("\"a\""), &SPANS, 1_000);
        assert_eq!(boundary, Boundary::of(Some("\"a\""), &SPANS, 1_000));
        assert_eq!(boundary.as_str().len(), 32);
        assert!(boundary.as_str().bytes().all(|b| b.is_ascii_hexdigit()));
        let mut turned = SPANS;
        turned.reverse();
        for other in [
            Boundary::of(Some("\"b\""), &SPANS, 1_000),
            Boundary::of(None, &SPANS, 1_000),
            Boundary::of(Some("\"a\""), &turned, 1_000),
            Boundary::of(Some("\"a\""), &SPANS[..1], 1_000),
            Boundary::of(Some("\"a\""), &SPANS, 1_001),
        ] {
            assert_ne!(boundary, other);
        }
    }

    proptest! {
        #[test]
        fn the_length_is_that_of_the_pieces(
            spans in prop::collection::vec((0_u64..1_000_000, 1_u64..1_000), 1..16),
            kind in prop::option::of("[a-z]{1,9}/[a-z]{1,9}"),
        ) {
            let spans: Vec<_> =
                spans.into_iter().map(|(start, length)| Span { start, length }).collect();
            let boundary = Boundary::of(None, &spans, 2_000_000);
            let mut body = String::new();
            for span in &spans {
                body += &head_of_part(&boundary, kind.as_deref(), *span, 2_000_000);
                body += &"x".repeat(usize::try_from(span.length).unwrap());
            }
            body += &end(&boundary);
            let whole = length(&boundary, kind.as_deref(), &spans, 2_000_000);
            prop_assert_eq!(whole, u64::try_from(body.len()).unwrap());
        }
    }
}
