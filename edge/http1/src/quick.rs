//! A way for answers that lie ready: the head is looked at where it was read, and nothing is made of it.
//!
//! Only for requests that are as plain as can be; any doubt leads to the usual way, which reads the head again.

use std::{mem::MaybeUninit, time::Instant};

use bytes::Bytes;

use crate::{head::is_of_host, reply::FilePart};

/// The head of a plain `GET` without content, of HTTP/1.1, on a connection that goes on.
#[derive(Debug)]
pub struct QuickHead<'a> {
    /// A path with its query.
    pub target: &'a str,
    /// `Host`.
    pub host: &'a str,
    /// `Range`, of which there is one at most.
    pub range: Option<&'a str>,
    /// When it had been read.
    pub arrived: Instant,
    fields: &'a [httparse::Header<'a>],
}

impl QuickHead<'_> {
    /// Returns the names of all fields, as they came.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name)
    }

    /// Returns all fields, names as they came.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| (field.name, field.value))
    }
}

/// The content of an answer that lies ready; its head is written already, `Content-Length` and `Date` among its fields.
#[derive(Debug)]
pub enum QuickBody {
    /// All of it.
    Whole(Bytes),
    /// It is in a file.
    File(FilePart),
}

/// What is done with a plain request at once.
#[derive(Debug)]
pub enum Quick<R> {
    /// Its answer lay ready; the head is written.
    Ready(QuickBody),
    /// It was passed on as it came; `R` waits for its answer.
    Relay(R),
}

/// Fields of a request that has more goes the usual way.
const FIELDS_MAX: usize = 32;

/// Lets `look` see the head, if it is a plain one.
pub(crate) fn with_head<R>(
    head: &[u8],
    look: impl FnOnce(&QuickHead<'_>) -> Option<R>,
) -> Option<R> {
    if !head.starts_with(b"GET /") {
        return None;
    }
    let mut fields = [MaybeUninit::<httparse::Header<'_>>::uninit(); FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_request_with_uninit_headers(&mut request, head, &mut fields)
        .ok()?;
    let target = request.path?;
    let is_plain = |byte: &u8| (0x21..=0x7e).contains(byte) && *byte != b'#';
    if parsed.is_partial() || request.version != Some(1) || !target.bytes().all(|b| is_plain(&b)) {
        return None;
    }
    let fields = &*request.headers;
    let (mut host, mut range) = (None, None);
    for field in fields {
        if is(field.name, "host") {
            if host.is_some() || !field.value.iter().all(|byte| is_of_host(*byte)) {
                return None;
            }
            host = Some(std::str::from_utf8(field.value).ok()?);
        } else if is(field.name, "range") {
            if range.is_some() {
                return None;
            }
            range = Some(std::str::from_utf8(field.value).ok()?);
        } else if is(field.name, "connection") && field.value.eq_ignore_ascii_case(b"keep-alive") {
            // As it would be without saying so.
        } else if is(field.name, "connection")
            || OF_CONNECTION.contains(field.name)
            || USUAL_WAY.contains(field.name)
        {
            return None;
        }
    }
    look(&QuickHead { target, host: host?, range, arrived: Instant::now(), fields })
}

/// Whether a field's name is `known`, in whatever case.
pub(crate) fn is(name: &str, known: &str) -> bool {
    name.len() == known.len() && name.eq_ignore_ascii_case(known)
}

/// A few names of fields, each shorter than 64 bytes: most others are told from them by their length alone.
#[derive(Debug)]
pub struct Names {
    names: &'static [&'static str],
    lengths: u64,
}

impl Names {
    /// Takes the names.
    #[must_use]
    pub const fn new(names: &'static [&'static str]) -> Self {
        let (mut lengths, mut rest) = (0, names);
        while let [first, others @ ..] = rest {
            lengths |= 1 << (first.len() & 63);
            rest = others;
        }
        Self { names, lengths }
    }

    /// Whether `name` is one of them, in whatever case.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        let is_of_length = (self.lengths >> (name.len() & 63)) & 1 == 1;
        is_of_length && self.names.iter().any(|one| is(name, one))
    }
}

/// Fields of one connection, but for `Connection` itself: a head with any of them is not plain.
pub(crate) static OF_CONNECTION: Names = Names::new(&[
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
]);

/// Fields about content and expectations.
static USUAL_WAY: Names = Names::new(&["content-encoding", "content-length", "expect"]);
