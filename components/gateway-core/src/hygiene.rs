//! What a request's head may look like, and what of it the inner handlers see.

use domain::ErrorKind;
use header_edits::{Edit, is_of_connection};
use http::{HeaderMap, HeaderName, Method, Uri, header};

use crate::policy::Class;

/// Most headers: 100.
pub const HEADERS_MAX: usize = 100;

/// Longest head (names and values of all headers): 32 KiB.
pub const HEAD_BYTES_MAX: usize = 32 * 1_024;

/// Longest target: 8 KiB.
pub const TARGET_BYTES_MAX: usize = 8 * 1_024;

/// Headers whose repetition readers would take differently.
const SINGLE: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
    HeaderName::from_static("idempotency-key"),
    header::IF_MATCH,
    header::ORIGIN,
];

/// `spin-*` headers that every host sets on every request, after the client's: the last value is the host's.
const FROM_HOST: [&str; 7] = [
    "spin-base-path",
    "spin-client-addr",
    "spin-component-route",
    "spin-full-url",
    "spin-matched-route",
    "spin-path-info",
    "spin-raw-component-route",
];

/// Checks size and shape.
///
/// # Errors
/// The kind and a sentence for the client.
pub fn check(uri: &Uri, headers: &HeaderMap) -> Result<(), (ErrorKind, &'static str)> {
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET_BYTES_MAX {
        return Err((ErrorKind::HeadTooLarge, "the address is longer than 8 KiB"));
    }
    if headers.len() > HEADERS_MAX {
        return Err((ErrorKind::HeadTooLarge, "more than 100 headers"));
    }
    let bytes = headers.iter().fold(0_usize, |sum, (name, value)| {
        sum.saturating_add(name.as_str().len()).saturating_add(value.len())
    });
    if bytes > HEAD_BYTES_MAX {
        return Err((ErrorKind::HeadTooLarge, "the headers are larger than 32 KiB"));
    }
    if SINGLE.iter().any(|name| headers.get_all(name).iter().nth(1).is_some()) {
        return Err((ErrorKind::Unreadable, "a header that may come once comes twice"));
    }
    if headers.contains_key(header::CONTENT_LENGTH)
        && headers.contains_key(header::TRANSFER_ENCODING)
    {
        return Err((ErrorKind::Unreadable, "the body's length is given in two ways"));
    }
    Ok(())
}

/// Returns whether the method is one that any route knows.
#[must_use]
pub fn is_known(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS
    )
}

/// Says what the inner handlers may not see: connection headers, what only we may say, credentials for whom they are
/// not meant.
#[must_use]
pub fn inner(headers: &HeaderMap, class: Class) -> Vec<Edit> {
    let named = named_by_connection(headers);
    let mut edits = Vec::with_capacity(8);
    let mut has_connection = false;
    for name in headers.keys() {
        let text = name.as_str();
        if text.starts_with("spin-") {
            let mut values = headers.get_all(name).iter();
            match (is_from_host(text), values.next_back(), values.next_back()) {
                (true, Some(last), Some(_)) => edits.push(Edit::Set(name.clone(), last.clone())),
                (true, ..) => {}
                (false, ..) => edits.push(Edit::Remove(name.clone())),
            }
            continue;
        }
        if is_of_connection(text) {
            has_connection = true;
            continue;
        }
        if !is_meant(text, class) || named.iter().any(|one| one == text) {
            edits.push(Edit::Remove(name.clone()));
        }
    }
    if has_connection {
        edits.push(Edit::RemoveConnection);
    }
    edits
}

/// Whether inner handlers may see a field that is not about the connection.
fn is_meant(name: &str, class: Class) -> bool {
    !is_ours(name)
        && !is_forwarding(name)
        && (class == Class::Origin || name != "authorization")
        && name != "cookie"
}

/// Returns whether a field reaches inner handlers as it came, how often it comes and whatever its value, unless
/// `Connection` names it.
pub(crate) fn is_untouched(name: &str, class: Class) -> bool {
    !name.starts_with("spin-") && !is_of_connection(name) && is_meant(name, class)
}

/// A bit for each field that comes once and then reaches inner handlers as it came, `Host` excepted: for that of
/// [`SINGLE`], and for those [`FROM_HOST`].
pub(crate) const fn once(name: &[u8]) -> Option<u32> {
    Some(match name {
        b"content-length" => 1,
        b"content-type" => 1 << 1,
        b"host" => 1 << 2,
        b"idempotency-key" => 1 << 3,
        b"if-match" => 1 << 4,
        b"origin" => 1 << 5,
        b"spin-base-path" => 1 << 6,
        b"spin-client-addr" => 1 << 7,
        b"spin-component-route" => 1 << 8,
        b"spin-full-url" => 1 << 9,
        b"spin-matched-route" => 1 << 10,
        b"spin-path-info" => 1 << 11,
        b"spin-raw-component-route" => 1 << 12,
        _ => return None,
    })
}

fn is_from_host(name: &str) -> bool {
    FROM_HOST.contains(&name)
}

/// RFC 9110, section 7.6.1: what `Connection` names is for the next hop alone.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CONNECTION).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

/// How headers begin that only the gateway may say.
pub(crate) const OURS: &str = "x-vitrine-";

/// Returns whether only the gateway may say the header.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    name.starts_with(OURS)
}

fn is_forwarding(name: &str) -> bool {
    matches!(
        name,
        "forwarded" | "x-real-ip" | "x-client-ip" | "true-client-ip" | "cf-connecting-ip"
    ) || name.starts_with("x-forwarded-")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        of.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn inner_handlers_see_only_what_is_meant_for_them() {
        for (sent, class, expected) in [
            (
                &[("accept", "a"), ("accept", "b")][..],
                Class::Edge,
                &[("accept", "a"), ("accept", "b")][..],
            ),
            (
                &[("spin-path-info", "/forged"), ("spin-path-info", "/")],
                Class::Page,
                &[("spin-path-info", "/")],
            ),
            (
                &[("spin-client-addr", "1.1.1.1:1"), ("spin-client-addr", "2.2.2.2:2")],
                Class::Edge,
                &[("spin-client-addr", "2.2.2.2:2")],
            ),
            (&[("spin-path-match-id", "x"), ("spin-new", "y")], Class::Edge, &[]),
            (&[("x-vitrine-identity", "v1"), ("x-vitrine-client", "1.1.1.1")], Class::Origin, &[]),
            (
                &[("connection", "close, x-secret"), ("x-secret", "1"), ("te", "trailers")],
                Class::Edge,
                &[],
            ),
            (
                &[("host", "a"), ("upgrade", "h2c"), ("transfer-encoding", "chunked")],
                Class::Edge,
                &[],
            ),
            (
                &[("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=1"), ("x-real-ip", "1")],
                Class::Origin,
                &[],
            ),
            (&[("authorization", "Bearer x")], Class::Origin, &[("authorization", "Bearer x")]),
            (&[("authorization", "Bearer x"), ("cookie", "a=b")], Class::Edge, &[]),
            (
                &[("range", "bytes=0-1"), ("if-none-match", "\"a\"")],
                Class::Media,
                &[("range", "bytes=0-1"), ("if-none-match", "\"a\"")],
            ),
        ] {
            let mut kept = headers(sent);
            header_edits::apply(inner(&kept, class), &mut kept);
            assert_eq!(kept, headers(expected), "{sent:?}");
        }
    }

    #[test]
    fn what_comes_once_has_a_bit_of_its_own() {
        let single = SINGLE;
        let names = single.iter().map(HeaderName::as_str).chain(FROM_HOST);
        let bits: Vec<u32> = names.map(|name| once(name.as_bytes()).unwrap()).collect();
        assert_eq!(bits.iter().fold(0, |all, bit| all | bit).count_ones(), 13);
        assert_eq!((bits.len(), once(b"spin-new"), once(b"accept")), (13, None, None));
    }

    #[test]
    fn heads_have_a_size_and_a_shape() {
        let uri = |text: &str| text.parse::<Uri>().unwrap();
        let many: HeaderMap = (0..101)
            .map(|index| {
                (HeaderName::try_from(format!("x-{index}")).unwrap(), HeaderValue::from_static(""))
            })
            .collect();
        let large = HeaderMap::from_iter([(
            header::ACCEPT,
            HeaderValue::from_str(&"a".repeat(33_000)).unwrap(),
        )]);
        let ok = None;
        for (target, headers, expected) in [
            ("/", HeaderMap::new(), ok),
            ("/", headers(&[("accept", "a"), ("accept", "b")]), ok),
            ("/", many, Some(ErrorKind::HeadTooLarge)),
            ("/", large, Some(ErrorKind::HeadTooLarge)),
            (&format!("/?{}", "x".repeat(9_000)), HeaderMap::new(), Some(ErrorKind::HeadTooLarge)),
            (
                "/",
                headers(&[("content-length", "1"), ("content-length", "1")]),
                Some(ErrorKind::Unreadable),
            ),
            (
                "/",
                headers(&[("content-type", "a/b"), ("content-type", "c/d")]),
                Some(ErrorKind::Unreadable),
            ),
            (
                "/",
                headers(&[("idempotency-key", "a"), ("idempotency-key", "b")]),
                Some(ErrorKind::Unreadable),
            ),
            ("/", headers(&[("host", "a"), ("host", "b")]), Some(ErrorKind::Unreadable)),
            (
                "/",
                headers(&[("content-length", "1"), ("transfer-encoding", "chunked")]),
                Some(ErrorKind::Unreadable),
            ),
        ] {
            assert_eq!(
                check(&uri(target), &headers).err().map(|(kind, _)| kind),
                expected,
                "{headers:?}"
            );
        }
    }

    #[test]
    fn strange_methods_are_unknown() {
        for (method, is_expected) in [
            ("GET", true),
            ("OPTIONS", true),
            ("TRACE", false),
            ("CONNECT", false),
            ("FOO", false),
            ("get", false),
        ] {
            assert_eq!(
                is_known(&Method::from_bytes(method.as_bytes()).unwrap()),
                is_expected,
                "{method}"
            );
        }
    }
}
