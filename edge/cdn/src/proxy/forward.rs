//! What of a head is passed on, and what is added.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use http1::{Names, QuickHead};

use super::Client;

/// RFC 9110, section 7.6.1: fields of one connection.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];
/// Nobody must be able to have these removed by naming them in `Connection`.
const END_TO_END: [HeaderName; 8] = [
    header::HOST,
    header::AUTHORIZATION,
    header::COOKIE,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::SET_COOKIE,
    header::VARY,
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Removes what concerns one connection only.
pub(super) fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|options| options.as_bytes().split(|byte| *byte == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            .filter(|name| !END_TO_END.contains(name))
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Returns who is asked: the target's own word, or `Host`.
pub(super) fn authority(uri: &Uri, headers: &HeaderMap) -> String {
    let host = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = uri.authority().map(http::uri::Authority::as_str).or_else(host);
    authority.unwrap_or_default().to_owned()
}

/// Makes the head that an origin sees (RFC 9110, section 7.6; RFC 7239).
pub(super) fn rewrite(headers: &mut HeaderMap, client: &Client, authority: &str) {
    let takes_trailers = headers.get_all(header::TE).iter().any(|codings| {
        let mut codings = codings.as_bytes().split(|byte| *byte == b',');
        codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    });
    strip(headers);
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let text = |text: &str| HeaderValue::from_str(text).ok();
    if let Some(host) = text(authority) {
        headers.insert(header::HOST, host);
    }
    // What a stranger says of itself would be believed by an origin that believes us.
    if !client.is_trusted {
        for name in [&header::FORWARDED, &FORWARDED_FOR, &FORWARDED_HOST, &FORWARDED_PROTO] {
            headers.remove(name);
        }
    }
    let scheme = if client.is_tls { "https" } else { "http" };
    if let Some(address) = text(&client.address.to_string()) {
        append(headers, FORWARDED_FOR, &address);
    }
    if !headers.contains_key(&FORWARDED_HOST)
        && let Some(host) = text(authority)
    {
        headers.insert(FORWARDED_HOST, host);
    }
    if !headers.contains_key(&FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
    }
    if let Some(element) = text(&forwarded(client, authority, scheme)) {
        append(headers, header::FORWARDED, &element);
    }
}

/// Fields that a stranger may not say, and those that [`write()`] says itself.
static OWN: Names = Names::new(&[
    "connection",
    "forwarded",
    "tracestate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
]);

/// Writes the head of a plain `GET` as [`rewrite`] makes it of a stranger's, but for its last line.
pub(super) fn write(out: &mut Vec<u8>, head: &QuickHead<'_>, client: &Client) {
    let authority = head.host;
    out.extend_from_slice(b"GET ");
    out.extend_from_slice(head.target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mut say = |name: &str, value: &[u8]| http1::field(out, name, value);
    for (name, value) in head.fields().filter(|(name, _)| !OWN.contains(name)) {
        say(name, value);
    }
    let scheme = if client.is_tls { "https" } else { "http" };
    say("x-forwarded-for", client.address.to_string().as_bytes());
    say("x-forwarded-host", authority.as_bytes());
    say("x-forwarded-proto", scheme.as_bytes());
    say("forwarded", forwarded(client, authority, scheme).as_bytes());
}

/// One element of `Forwarded`: an address of version 6 and a host with a port have to be quoted (RFC 7239, section 6).
fn forwarded(client: &Client, authority: &str, scheme: &str) -> String {
    let by = match client.address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'*+%".contains(&byte);
    if authority.is_empty() || authority.contains(['"', '\\']) {
        return format!("for={by};proto={scheme}");
    }
    if authority.bytes().all(is_plain) {
        return format!("for={by};host={authority};proto={scheme}");
    }
    format!("for={by};host=\"{authority}\";proto={scheme}")
}

/// Adds a member to a list, in the field's last line.
pub(super) fn append(headers: &mut HeaderMap, name: HeaderName, member: &HeaderValue) {
    let last = headers.get_all(&name).iter().next_back();
    let Some(last) = last.filter(|last| !last.is_empty()) else {
        headers.insert(name, member.clone());
        return;
    };
    let joined = [last.as_bytes(), b", ", member.as_bytes()].concat();
    let Ok(joined) = HeaderValue::from_bytes(&joined) else { return };
    let mut lines: Vec<HeaderValue> = headers.get_all(&name).iter().cloned().collect();
    lines.pop();
    headers.remove(&name);
    for line in lines {
        headers.append(name.clone(), line);
    }
    headers.append(name, joined);
}
