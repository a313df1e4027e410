//! Request heads (RFC 9112, sections 2 to 5): where one ends, and what it says.
//!
//! httparse reads the fields. What it is lenient about is refused here: bare LF, fragments, bytes beyond ASCII in a
//! target, more than one `Host`.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};
use memchr::memchr_iter;

use crate::{
    error::{Refusal, RefusalKind, malformed, refusal},
    framing::{self, Framing},
};

/// How large a head may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the whole head, the request line included. Beyond it the answer is 431, or 414 if it is the line.
    pub head_bytes_max: usize,
    /// Fields of the head. Beyond it the answer is 431.
    pub fields_max: usize,
}

/// Fields that are read into memory of the stack; for more, memory is allocated.
const FIELDS_UNALLOCATED: usize = 64;
/// Empty lines before a request line that are passed over (RFC 9112, section 2.2, asks for at least one).
const EMPTY_LINES_MAX: usize = 4;

/// Looks for the end of a head in bytes that come piece by piece, and refuses at once what cannot become one.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Scanner {
    /// Bytes looked at.
    scanned: usize,
    /// Where the current line starts.
    line_start: usize,
    /// Where the request line starts, behind empty lines.
    start: usize,
    lines: usize,
    empty_lines: usize,
}

/// Where a head is in the bytes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Scanner {
    /// Looks at the bytes that are new since the last call. `bytes` begins with those of the last call.
    pub(crate) fn scan(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Option<Extent>, Refusal> {
        let new = bytes.get(self.scanned..).unwrap_or_default();
        let from = self.scanned;
        for at in memchr_iter(b'\n', new).map(|at| at + from) {
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            if before != Some(&b'\r') || at == self.line_start {
                return Err(malformed("a line ends in LF without CR"));
            }
            let is_empty = at - 1 == self.line_start;
            self.line_start = at + 1;
            if !is_empty {
                if self.lines == 0 && at.saturating_sub(self.start) > limits.head_bytes_max {
                    return Err(target_too_long());
                }
                self.lines += 1;
            } else if self.lines > 0 {
                self.check_size(at + 1, limits)?;
                return Ok(Some(Extent { start: self.start, end: at + 1 }));
            } else {
                self.empty_lines += 1;
                self.start = at + 1;
                if self.empty_lines > EMPTY_LINES_MAX {
                    return Err(malformed("empty lines instead of a request"));
                }
            }
        }
        self.scanned = bytes.len();
        self.check_size(bytes.len(), limits)?;
        Ok(None)
    }

    fn check_size(&self, end: usize, limits: &Limits) -> Result<(), Refusal> {
        if end.saturating_sub(self.start) <= limits.head_bytes_max {
            return Ok(());
        }
        if self.lines == 0 {
            return Err(target_too_long());
        }
        Err(refusal(RefusalKind::HeadTooLarge, "the head has too many bytes"))
    }
}

const fn target_too_long() -> Refusal {
    refusal(RefusalKind::TargetTooLong, "the request line is too long")
}

/// A head that has been read and makes sense.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) framing: Framing,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
    /// Whether the client wants the connection kept.
    pub(crate) keeps_alive: bool,
}

/// Reads a whole head.
pub(crate) fn parse(head: &Bytes, limits: &Limits) -> Result<Head, Refusal> {
    let mut few = [MaybeUninit::<httparse::Header<'_>>::uninit(); FIELDS_UNALLOCATED];
    match parse_with(head, &mut few) {
        Err(refused) if refused.reason == TOO_MANY && limits.fields_max > FIELDS_UNALLOCATED => {
            let mut many = vec![MaybeUninit::<httparse::Header<'_>>::uninit(); limits.fields_max];
            parse_with(head, &mut many)
        }
        Ok(parsed) if parsed.headers.len() > limits.fields_max => {
            Err(refusal(RefusalKind::HeadTooLarge, TOO_MANY))
        }
        parsed => parsed,
    }
}

const TOO_MANY: &str = "the head has too many fields";

fn parse_with<'a>(
    head: &'a Bytes,
    fields: &mut [MaybeUninit<httparse::Header<'a>>],
) -> Result<Head, Refusal> {
    let mut request = httparse::Request::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_request_with_uninit_headers(&mut request, head, fields)
        .map_err(|error| of_httparse(error, head))?;
    if parsed.is_partial() {
        return Err(malformed("the head breaks off"));
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(malformed("the request line is not complete"));
    };
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| malformed("the method is no token"))?;
    let version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    let uri = target_uri(&method, head, target)?;
    let mut headers = HeaderMap::with_capacity(request.headers.len());
    for field in request.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_| malformed("a field's name is no token"))?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value))
            .map_err(|_| malformed("a field's value has a control character"))?;
        headers.append(name, value);
    }
    check_host(&uri, version, &headers)?;
    let framing = framing::of_request(version, &headers)?;
    let expects_continue = expects_continue(version, &headers)?;
    let keeps_alive = framing::keeps_alive(version, &headers);
    Ok(Head { method, uri, version, headers, framing, expects_continue, keeps_alive })
}

fn of_httparse(error: httparse::Error, head: &[u8]) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => refusal(RefusalKind::HeadTooLarge, TOO_MANY),
        httparse::Error::Version if names_a_version(head) => {
            refusal(RefusalKind::Version, "the version is neither HTTP/1.1 nor HTTP/1.0")
        }
        httparse::Error::HeaderName => malformed("a field's name is no token"),
        httparse::Error::HeaderValue => malformed("a field's value has a control character"),
        _ => malformed("the request line or a field cannot be read"),
    }
}

/// Whether the request line is `method target HTTP/x.y`, so that its version is all that is wrong with it.
fn names_a_version(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_version = matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit());
    is_version && !method.is_empty() && !target.is_empty()
}

/// Reads the target in the form that its method allows (RFC 9112, section 3.2).
fn target_uri(method: &Method, head: &Bytes, target: &str) -> Result<Uri, Refusal> {
    let bytes = target.as_bytes();
    if !bytes.iter().all(|byte| (0x21..=0x7e).contains(byte)) {
        return Err(malformed("the target has bytes that must be percent-encoded"));
    }
    if bytes.contains(&b'#') {
        return Err(malformed("the target has a fragment"));
    }
    if *method == Method::CONNECT {
        return Err(refusal(RefusalKind::NotImplemented, "this is no proxy for CONNECT"));
    }
    let is_asterisk = target == "*";
    if is_asterisk && *method != Method::OPTIONS {
        return Err(malformed("only OPTIONS may ask for *"));
    }
    let uri = Uri::from_maybe_shared(head.slice_ref(bytes))
        .map_err(|_| malformed("the target is no URI"))?;
    let is_absolute = uri.scheme().is_some() && uri.authority().is_some();
    if !is_asterisk && !bytes.starts_with(b"/") && !is_absolute {
        return Err(malformed("the target is neither a path nor an absolute URI"));
    }
    if is_absolute && !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(malformed("the target's scheme is neither http nor https"));
    }
    Ok(uri)
}

/// Checks who is asked (RFC 9112, section 3.2): exactly one `Host`, except in HTTP/1.0. Beside an absolute target it is
/// not heeded (section 3.2.2), but it still has to be there and be one.
fn check_host(uri: &Uri, version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    if uri.authority().is_some_and(|asked| asked.as_str().contains('@')) {
        return Err(malformed("an authority must not name a user"));
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => Err(malformed("there is more than one Host")),
        (Some(host), None) if host.as_bytes().iter().all(|byte| is_of_host(*byte)) => Ok(()),
        (Some(_), None) => Err(malformed("Host is no authority")),
        (None, None) if version == Version::HTTP_10 => Ok(()),
        (None, None) => Err(malformed("there is no Host")),
    }
}

/// What RFC 3986, section 3.2, lets a host and a port have; a user's name is none of them.
pub(crate) const fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b':' | b'[' | b']')
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=')
}

fn expects_continue(version: Version, headers: &HeaderMap) -> Result<bool, Refusal> {
    let Some(expected) = headers.get(header::EXPECT) else { return Ok(false) };
    // RFC 9110, section 10.1.1: one from HTTP/1.0 is not to be heeded.
    if version == Version::HTTP_10 {
        return Ok(false);
    }
    if expected.as_bytes().eq_ignore_ascii_case(b"100-continue") {
        return Ok(true);
    }
    Err(refusal(RefusalKind::Expectation, "only 100-continue may be expected"))
}

#[cfg(test)]
mod tests;
