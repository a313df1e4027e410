//! Requests as plain as most are, decided about where they were written, without a map and without waiting.
//!
//! Nothing passes here that [`admit`](crate::admit::admit) would not let pass with the same changes: the rules are its
//! own, and all that could make them say anything else is left to it, from the start. So a file of the shop costs no
//! more than one look at each byte of its request's head.

use core::net::{IpAddr, Ipv4Addr};

use api_types::client_address;
use api_types::payment::StripeJs;
use header_edits::Edit;
use http::HeaderValue;
use ports::Clock;

use crate::admit::{self, Forward, State};
use crate::cors::Fixed;
use crate::edits::ResponseEdits;
use crate::hygiene;
use crate::policy::{self, Auth, Class, Policy};

#[cfg(test)]
mod tests;

/// What a request begins with.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port.
    pub authority: &'a str,
    /// Path and query.
    pub target: &'a str,
}

/// A request that may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed<'a> {
    /// What all such requests have in common.
    pub kind: Kind,
    /// Value of [`CLIENT`].
    pub client: ClientText<'a>,
    /// Value of [`REQUEST_ID`]: the one that it came with.
    pub request_id: &'a str,
}

/// The two fields whose values are a request's own, in the lists of edits of [`Kind::forward`].
pub const OWN: [&str; 2] = [CLIENT, REQUEST_ID];
const CLIENT: &str = "x-vitrine-client";
const REQUEST_ID: &str = "x-request-id";

/// What decides about the edits of a request and of its answer, but for the values of [`OWN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    class: Class,
    cors: Fixed,
    has_connection: bool,
    stripe_js: StripeJs,
}

/// A client's address as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientText<'a> {
    /// As the host wrote it.
    Written(&'a str),
    /// As we write it.
    Made(String),
}

impl AsRef<str> for ClientText<'_> {
    fn as_ref(&self) -> &str {
        match self {
            Self::Written(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl Kind {
    /// Says what changes, with empty values for [`OWN`].
    #[must_use]
    pub fn forward(self) -> Forward {
        let empty = || HeaderValue::from_static("");
        let mut request = Vec::with_capacity(3);
        if self.has_connection {
            request.push(Edit::RemoveConnection);
        }
        request.push(Edit::Set(admit::CLIENT, empty()));
        request.push(Edit::Set(admit::REQUEST_ID, empty()));
        let edits = ResponseEdits {
            class: Some(self.class),
            cors: self.cors.verdict(),
            rate: None,
            request_id: Some(empty()),
            stripe_js: self.stripe_js,
        };
        Forward { request, body: None, edits }
    }
}

/// Decides about a request; `None` leaves it to [`admit`](crate::admit::admit). Field names are as they are compared:
/// one that is not in lower case is none of a plain request.
pub fn pass<'a>(
    clock: &impl Clock,
    state: &State,
    head: &Head<'a>,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Option<Passed<'a>> {
    let policy = policy(head)?;
    let found = Found::of(fields)?;
    let (client, address) = client(found.client?)?;
    let (cors, stripe_js) = state.with_config(clock.now(), |config| {
        // Whom a trusted proxy speaks for is read elsewhere.
        let is_client = !client_address::is_trusted(address, &config.trusted_proxies);
        let cors = is_client.then(|| Fixed::of(policy.cors, &config.cors_origins))??;
        Some((cors, config.stripe_js))
    })?;
    let request_id = found.request_id.filter(|id| admit::is_plausible(id))?;
    Some(Passed {
        kind: Kind { class: policy.class, cors, has_connection: found.has_connection, stripe_js },
        client,
        request_id: core::str::from_utf8(request_id).ok()?,
    })
}

/// The row of a file of the shop: nobody is asked for, nothing is counted or signed.
fn policy(head: &Head<'_>) -> Option<&'static Policy> {
    let is_web = head.scheme == "http" || head.scheme == "https";
    let (path, query) = head.target.split_once('?').unwrap_or((head.target, ""));
    let is_short = head.target.len() <= hygiene::TARGET_BYTES_MAX;
    if !is_web || !is_short || !is_host(head.authority) || !query.bytes().all(is_of_query) {
        return None;
    }
    let method = match head.method {
        "GET" => &http::Method::GET,
        "HEAD" => &http::Method::HEAD,
        _ => return None,
    };
    let policy = policy::find(path).ok()?.policy(method)?;
    let is_file = policy.auth == Auth::None && policy.quota.is_none();
    (is_file && policy.class != Class::Origin).then_some(policy)
}

/// Longest name of a host here: 255 bytes, as DNS has it.
const HOST_BYTES_MAX: usize = 255;

/// Whether it is a name or an IPv4 address, perhaps with a port.
fn is_host(authority: &str) -> bool {
    let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
    let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (1..=HOST_BYTES_MAX).contains(&host.len())
        && host.bytes().all(is_of_host)
        && (1..=5).contains(&port.len())
        && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 3986, section 3.4.
const fn is_of_query(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'
        | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' | b'/' | b'?' | b'%')
}

/// What is of interest in the fields.
#[derive(Debug, Default)]
struct Found<'a> {
    client: Option<&'a [u8]>,
    request_id: Option<&'a [u8]>,
    has_connection: bool,
}

impl<'a> Found<'a> {
    /// Looks at every field; `None` if one of them is not plain.
    fn of(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<Self> {
        let mut found = Self::default();
        let (mut count, mut bytes, mut seen) = (0_usize, 0_usize, 0_u32);
        for (name, value) in fields {
            count = count.saturating_add(1);
            bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
            if !is_value(value) {
                return None;
            }
            if let Some(bit) = hygiene::once(name) {
                // What may come once, or comes from the host alone.
                if seen & bit != 0 {
                    return None;
                }
                seen |= bit;
                if name == b"spin-client-addr" {
                    found.client = Some(value);
                }
                found.has_connection |= name == b"host";
                continue;
            }
            if name == REQUEST_ID.as_bytes() {
                found.request_id = Some(value);
                continue;
            }
            // No row of a file hands credentials on: see `policy`.
            let is_untouched = |name: &&str| hygiene::is_untouched(name, Class::Page);
            core::str::from_utf8(name).ok().filter(|_| is_name(name)).filter(is_untouched)?;
        }
        let is_small = count <= hygiene::HEADERS_MAX && bytes <= hygiene::HEAD_BYTES_MAX;
        is_small.then_some(found)
    }
}

/// Whether it is a field's name as nearly all are.
fn is_name(name: &[u8]) -> bool {
    let is_usual = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    !name.is_empty() && name.iter().all(is_usual)
}

/// Whether no byte of it is a control character: what else a value may hold (RFC 9110, section 5.5), but for tabs.
fn is_value(value: &[u8]) -> bool {
    let (words, rest) = value.as_chunks::<8>();
    match value.last_chunk::<8>() {
        // The last bytes once more, in a word with some before them.
        Some(last) => words.iter().chain([last]).all(|word| is_of_value(u64::from_le_bytes(*word))),
        None => rest.iter().all(|byte| *byte >= b' ' && *byte != 0x7f),
    }
}

/// Whether all eight bytes may be in a value: none is below 0x20, and none is 0x7f.
///
/// A byte's high bit is set where it was smaller than what is taken from it, and had no high bit before.
const fn is_of_value(word: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    const SPACES: u64 = u64::from_le_bytes([b' '; 8]);
    const DELETES: u64 = u64::from_le_bytes([0x7f; 8]);
    let controls = word.wrapping_sub(SPACES) & !word;
    let other = word ^ DELETES;
    let deletes = other.wrapping_sub(ONES) & !other;
    (controls | deletes) & HIGH == 0
}

/// Reads the host's word of who asks.
fn client(value: &[u8]) -> Option<(ClientText<'_>, IpAddr)> {
    let text = core::str::from_utf8(value).ok()?;
    if let Some(written) = v4(text) {
        return Some(written);
    }
    let address = client_address::hop(text)?.ip();
    Some((ClientText::Made(address.to_string()), address))
}

/// Reads an IPv4 address with a port: such a one has no other spelling.
fn v4(text: &str) -> Option<(ClientText<'_>, IpAddr)> {
    let (address, port) = text.split_once(':')?;
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let read = address.parse::<Ipv4Addr>().ok().filter(|_| is_number)?;
    Some((ClientText::Written(address), IpAddr::V4(read)))
}
