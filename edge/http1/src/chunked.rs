//! The chunked transfer coding (RFC 9112, section 7.1), read piece by piece.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use memchr::memchr;

/// Longest line that tells a chunk's size, its extensions included: 256 bytes. Nobody needs extensions; attackers send
/// megabytes of them.
const SIZE_LINE_BYTES_MAX: usize = 256;
/// All of the trailer section: 8 KiB, and 32 fields.
const TRAILER_BYTES_MAX: usize = 8 * 1024;
const TRAILER_FIELDS_MAX: usize = 32;

/// A body that is not what the coding allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("chunked body: {0}")]
pub(crate) struct ChunkError(pub(crate) &'static str);

/// What the bytes so far have given.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// More bytes are needed.
    More,
    /// Bytes of the body.
    Data(Bytes),
    /// The end, with the trailers that may be kept.
    End(HeaderMap),
}

#[derive(Debug, Clone, Copy)]
enum State {
    Size,
    Data(u64),
    /// The CRLF behind a chunk's data.
    DataEnd,
    Trailers,
    Ended,
}

/// Reads one chunked body.
#[derive(Debug)]
pub(crate) struct Decoder {
    state: State,
}

impl Decoder {
    pub(crate) const fn new() -> Self {
        Self { state: State::Size }
    }

    /// Takes what it can from `buffer`. Data come in pieces as they lie there, at most `data_max` bytes each.
    pub(crate) fn decode(
        &mut self,
        buffer: &mut BytesMut,
        data_max: usize,
    ) -> Result<Decoded, ChunkError> {
        loop {
            match self.state {
                State::Size => {
                    let Some(line) = line(buffer, SIZE_LINE_BYTES_MAX)? else {
                        return Ok(Decoded::More);
                    };
                    let size = size(&line)?;
                    self.state = if size == 0 { State::Trailers } else { State::Data(size) };
                }
                State::Data(left) => {
                    if buffer.is_empty() {
                        return Ok(Decoded::More);
                    }
                    let take = usize::try_from(left).unwrap_or(usize::MAX);
                    let data = buffer.split_to(take.min(buffer.len()).min(data_max)).freeze();
                    let left = left.saturating_sub(u64::try_from(data.len()).unwrap_or(u64::MAX));
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(Decoded::Data(data));
                }
                State::DataEnd => {
                    match (buffer.first(), buffer.get(1)) {
                        (Some(b'\r'), Some(b'\n')) => drop(buffer.split_to(2)),
                        (None, _) | (Some(b'\r'), None) => return Ok(Decoded::More),
                        _ => return Err(ChunkError("a chunk is longer than it says")),
                    }
                    self.state = State::Size;
                }
                State::Trailers => {
                    let Some(trailers) = trailers(buffer)? else { return Ok(Decoded::More) };
                    self.state = State::Ended;
                    return Ok(Decoded::End(trailers));
                }
                State::Ended => return Ok(Decoded::End(HeaderMap::new())),
            }
        }
    }
}

/// Takes a line that ends in CRLF, without it.
fn line(buffer: &mut BytesMut, bytes_max: usize) -> Result<Option<Bytes>, ChunkError> {
    let window = buffer.get(..bytes_max.min(buffer.len())).unwrap_or_default();
    let Some(at) = memchr(b'\n', window) else {
        return if window.len() >= bytes_max {
            Err(ChunkError("a chunk's size takes too many bytes"))
        } else {
            Ok(None)
        };
    };
    if at == 0 || window.get(at - 1) != Some(&b'\r') {
        return Err(ChunkError("a line ends in LF without CR"));
    }
    let mut line = buffer.split_to(at + 1).freeze();
    line.truncate(at - 1);
    Ok(Some(line))
}

/// Reads `1A;name=value`: hexadecimal digits, then extensions that nobody looks at.
fn size(line: &[u8]) -> Result<u64, ChunkError> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(digits);
    // 15 digits are 2^60 bytes: more than anybody has, and no overflow to think about.
    if digits.is_empty() || digits.len() > 15 {
        return Err(ChunkError("a chunk's size is no number"));
    }
    let mut rest = rest;
    // RFC 9112, section 7.1.1: "bad whitespace" may stand before the semicolon.
    while let [b' ' | b'\t', after @ ..] = rest {
        rest = after;
    }
    let is_extension = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    match rest {
        [] if line.len() == digits.len() => {}
        [b';', extension @ ..] if extension.iter().all(is_extension) => {}
        _ => return Err(ChunkError("a chunk's size is followed by what is no extension")),
    }
    let value = |digit: &u8| char::from(*digit).to_digit(16).map_or(0, u64::from);
    Ok(digits.iter().fold(0, |size, digit| size << 4 | value(digit)))
}

/// Takes the whole trailer section, once it is there.
fn trailers(buffer: &mut BytesMut) -> Result<Option<HeaderMap>, ChunkError> {
    let mut line_start = 0;
    loop {
        let rest = buffer.get(line_start..).unwrap_or_default();
        let Some(at) = memchr(b'\n', rest) else {
            return if buffer.len() > TRAILER_BYTES_MAX {
                Err(ChunkError("the trailers take too many bytes"))
            } else {
                Ok(None)
            };
        };
        if at == 0 || rest.get(at - 1) != Some(&b'\r') {
            return Err(ChunkError("a line ends in LF without CR"));
        }
        line_start += at + 1;
        if line_start > TRAILER_BYTES_MAX {
            return Err(ChunkError("the trailers take too many bytes"));
        }
        if at == 1 {
            let section = buffer.split_to(line_start).freeze();
            return read_trailers(&section).map(Some);
        }
    }
}

fn read_trailers(section: &Bytes) -> Result<HeaderMap, ChunkError> {
    let mut trailers = HeaderMap::new();
    if section.len() <= 2 {
        return Ok(trailers);
    }
    let mut fields = [httparse::EMPTY_HEADER; TRAILER_FIELDS_MAX];
    let parsed = httparse::parse_headers(section, &mut fields);
    let Ok(httparse::Status::Complete((_, fields))) = parsed else {
        return Err(ChunkError("the trailers cannot be read"));
    };
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(section.slice_ref(field.value));
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(ChunkError("a trailer cannot be read"));
        };
        if may_trail(&name) {
            trailers.append(name, value);
        }
    }
    Ok(trailers)
}

/// RFC 9110, section 6.5.1: what frames, routes, authenticates or controls must not come behind the content. Such
/// fields are dropped.
pub(crate) fn may_trail(name: &HeaderName) -> bool {
    const NEVER: [HeaderName; 20] = [
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::EXPECT,
        header::HOST,
        header::MAX_FORWARDS,
        header::PRAGMA,
        header::PROXY_AUTHORIZATION,
        header::RANGE,
        header::SET_COOKIE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::VARY,
    ];
    !NEVER.contains(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads `wire` in pieces of `step` bytes.
    fn read(wire: &[u8], step: usize) -> Result<(Vec<u8>, HeaderMap, usize), ChunkError> {
        let (mut decoder, mut buffer, mut body) = (Decoder::new(), BytesMut::new(), Vec::new());
        let mut given = 0;
        loop {
            match decoder.decode(&mut buffer, 7)? {
                Decoded::Data(data) => body.extend_from_slice(&data),
                Decoded::End(trailers) => {
                    return Ok((body, trailers, wire.len() - given + buffer.len()));
                }
                Decoded::More => {
                    let piece = &wire[given..wire.len().min(given + step)];
                    if piece.is_empty() {
                        return Err(ChunkError("breaks off"));
                    }
                    buffer.extend_from_slice(piece);
                    given += piece.len();
                }
            }
        }
    }

    #[test]
    fn rfc9112_7_1_reads_chunks_extensions_and_trailers() {
        for (wire, body, left) in [
            ("0\r\n\r\n", "", 0),
            ("5\r\nhello\r\n0\r\n\r\n", "hello", 0),
            ("5\r\nhello\r\n06\r\n world\r\n000\r\n\r\nGET", "hello world", 3),
            ("a;x=1;y=\"z\"\r\n0123456789\r\n0;last\r\n\r\n", "0123456789", 0),
            ("A ; x\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0),
            ("1\r\n\n\r\n0\r\nX-Sum: 7\r\n\r\n", "\n", 0),
        ] {
            for step in [1, 2, 3, 100] {
                let (read, _, rest) = read(wire.as_bytes(), step).expect(wire);
                assert_eq!(String::from_utf8_lossy(&read), body, "{wire:?} by {step}");
                if step == 100 {
                    assert_eq!(rest, left, "{wire:?}");
                }
            }
        }
    }

    #[test]
    fn rfc9112_7_1_refuses_what_parsers_disagree_about() {
        for wire in [
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhelloX\r\n0\r\n\r\n",
            "\r\n5\r\nhello\r\n0\r\n\r\n",
            "-5\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "5 \r\nhello\r\n0\r\n\r\n",
            "5_0\r\nhello\r\n0\r\n\r\n",
            "5;a\rb\r\nhello\r\n0\r\n\r\n",
            "5;a\nb\r\nhello\r\n0\r\n\r\n",
            "5;\0\r\nhello\r\n0\r\n\r\n",
            "\r\n",
            "ffffffffffffffff\r\nx",
            "10000000000000000\r\nx",
            "0\r\nbad name: 1\r\n\r\n",
            "0\r\nname : 1\r\n\r\n",
            "0\r\n folded: 1\r\n\r\n",
            "0\r\nx: 1\n\r\n",
            "0\r\nx: \0\r\n\r\n",
            "0\n\r\n",
            "0\r\n\n",
        ] {
            for step in [1, 100] {
                let refused = read(wire.as_bytes(), step).expect_err(wire);
                assert_ne!(refused.0, "breaks off", "{wire:?} by {step}");
            }
        }
        let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(SIZE_LINE_BYTES_MAX));
        assert!(read(long.as_bytes(), 10).is_err());
        let endless = format!("0\r\nx: {}", "y".repeat(2 * TRAILER_BYTES_MAX));
        assert_ne!(read(endless.as_bytes(), 100).expect_err("is refused").0, "breaks off");
    }

    #[test]
    fn rfc9110_6_5_1_drops_trailers_that_must_not_trail() {
        let wire = b"0\r\nX-Sum: 7\r\nContent-Length: 9\r\nHost: b\r\nX-Sum: 8\r\n\r\n";
        let (_, trailers, _) = read(wire, 100).expect("is read");
        let sums: Vec<_> = trailers.get_all("x-sum").iter().map(|sum| sum.as_bytes()).collect();
        assert_eq!((trailers.len(), sums), (2, vec![&b"7"[..], b"8"]));
    }

    proptest! {
        #[test]
        fn gives_back_what_was_put_in(body: Vec<u8>, cut in 1_usize..64, step in 1_usize..64) {
            let mut wire = Vec::new();
            for chunk in body.chunks(cut) {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(read(&wire, step).expect("is read").0, body);
        }

        #[test]
        fn garbage_is_no_panic(wire: Vec<u8>, step in 1_usize..64) {
            drop(read(&wire, step));
        }
    }
}
