//! What a component sees of a request's head: Spin's headers set by us alone, the connection's own removed.

use std::{cell::Cell, net::SocketAddr};

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri, header,
    uri::{Authority, PathAndQuery, Scheme},
};
use manifest::RouteMatch;

/// Sent both ways: who may quote it finds the request in every log.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// No usable host, or a header that is no text.
    Unreadable,
    /// More bytes than allowed.
    TooLarge,
}

/// Returns the client's request id if it is one, or a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    match headers.get(REQUEST_ID) {
        Some(given) if is_request_id(given.as_bytes()) => given.clone(),
        _ => new_request_id(),
    }
}

fn is_request_id(id: &[u8]) -> bool {
    (8..=64).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

pub(crate) fn new_request_id() -> HeaderValue {
    // Digits are text.
    HeaderValue::from_bytes(&new_request_digits())
        .unwrap_or(HeaderValue::from_static("unavailable"))
}

/// A new one for each request: random digits of this thread, then a count. It must be unique, not hard to guess; without
/// a source of randomness it is the count alone.
pub(crate) fn new_request_digits() -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    thread_local! {
        static NEXT: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
    }
    let (thread, count) = NEXT.get().unwrap_or_else(|| {
        let mut random = [0_u8; 16];
        // What stays zero then is still counted up.
        let _ = getrandom::fill(&mut random);
        let bits = u128::from_le_bytes(random);
        ((bits >> 64) as u64, bits as u64)
    });
    NEXT.set(Some((thread, count.wrapping_add(1))));
    let bytes = (u128::from(thread) << 64 | u128::from(count)).to_be_bytes();
    let mut digits = [0_u8; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    digits
}

/// Refuses heads of more than `headers_max` headers, or beyond `bytes_max`: the target and each header with its
/// separators.
pub(crate) fn check_size(
    uri: &Uri,
    headers: &HeaderMap,
    bytes_max: usize,
    headers_max: usize,
) -> Result<(), HeadError> {
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let fields = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    if headers.len() > headers_max || target + fields.sum::<usize>() > bytes_max {
        return Err(HeadError::TooLarge);
    }
    Ok(())
}

/// What the node knows about a request that its head does not say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// The client; port 0 where a proxy does not say it.
    pub(crate) client: SocketAddr,
    pub(crate) is_tls: bool,
    /// Whether whoever is at the other end of the connection may say for whom it asks.
    pub(crate) is_trusted: bool,
}

/// Rewrites a head for a component; returns the absolute URI that it sees.
pub(crate) fn rewrite(
    uri: &Uri,
    headers: &mut HeaderMap,
    found: &RouteMatch,
    seen: Seen,
) -> Result<Uri, HeadError> {
    let scheme = if seen.is_tls { Scheme::HTTPS } else { Scheme::HTTP };
    let authority = authority(uri, headers)?;
    let target = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    strip(headers);
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| HeadError::Unreadable)?;
    headers.insert(header::HOST, host);
    let full_url = format!("{scheme}://{authority}{target}");
    let full_url = full_url.try_into().map_err(|_| HeadError::Unreadable)?;
    let client = seen.client.to_string().try_into().map_err(|_| HeadError::Unreadable)?;
    found.set_spin_headers(headers, full_url, client).map_err(|_| HeadError::Unreadable)?;
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(authority);
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map_err(|_| HeadError::Unreadable)
}

/// The URI's own (HTTP/2, absolute form) wins over `Host`; one host only, and no user information.
fn authority(uri: &Uri, headers: &HeaderMap) -> Result<Authority, HeadError> {
    let authority = match uri.authority() {
        Some(authority) => authority.clone(),
        None => {
            let mut hosts = headers.get_all(header::HOST).iter();
            let (Some(host), None) = (hosts.next(), hosts.next()) else {
                return Err(HeadError::Unreadable);
            };
            Authority::try_from(host.as_bytes()).map_err(|_| HeadError::Unreadable)?
        }
    };
    if authority.as_str().contains('@') {
        return Err(HeadError::Unreadable);
    }
    Ok(authority)
}

/// Removes what only concerns the connection, and what only a host may set.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    for name in named.iter().filter(|name| !END_TO_END.contains(name)) {
        headers.remove(name);
    }
    let is_not_its_own =
        |name: &&HeaderName| HOP_BY_HOP.contains(name) || name.as_str().starts_with("spin-");
    // Most requests have none of them, and an empty list costs nothing.
    let others: Vec<HeaderName> = headers.keys().filter(is_not_its_own).cloned().collect();
    for name in others {
        headers.remove(name);
    }
}

/// RFC 9110, 7.6.1.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];
/// A client must not be able to remove these by naming them in `Connection`.
const END_TO_END: [HeaderName; 5] = [
    header::HOST,
    header::AUTHORIZATION,
    header::COOKIE,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
];

#[cfg(test)]
mod tests {
    use manifest::Router;

    use super::*;

    fn rewritten(
        route: &str,
        uri: &str,
        given: &[(&str, &str)],
    ) -> Result<(Uri, HeaderMap), HeadError> {
        let uri: Uri = uri.parse().expect("is a URI");
        let found =
            Router::new([(0, route)]).expect("is a route").find(uri.path()).expect("matches");
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("is a name");
            headers.append(name, HeaderValue::from_str(value).expect("is a value"));
        }
        let client = SocketAddr::from(([10, 0, 0, 1], 4000));
        let seen = Seen { client, is_tls: false, is_trusted: false };
        rewrite(&uri, &mut headers, &found, seen).map(|uri| (uri, headers))
    }

    #[test]
    fn sets_every_header_of_spin() {
        let given = [("host", "shop.example:81"), ("spin-client-addr", "1.2.3.4:5")];
        let (uri, headers) =
            rewritten("/users/:user_id/...", "/users/7/x/?a=b", &given).expect("is good");
        assert_eq!(uri, "http://shop.example:81/users/7/x/?a=b");
        for (name, expected) in [
            ("spin-path-info", "/x/"),
            ("spin-full-url", "http://shop.example:81/users/7/x/?a=b"),
            ("spin-matched-route", "/users/:user_id/..."),
            ("spin-base-path", "/"),
            ("spin-raw-component-route", "/users/:user_id/..."),
            ("spin-component-route", "/users/:user_id"),
            ("spin-client-addr", "10.0.0.1:4000"),
            ("spin-path-match-user-id", "7"),
            ("host", "shop.example:81"),
        ] {
            let values: Vec<_> = headers.get_all(name).iter().collect();
            assert_eq!(values, [expected], "{name}");
        }
    }

    #[test]
    fn strips_what_concerns_the_connection_or_is_forged() {
        let given = [
            ("host", "a"),
            ("connection", "keep-alive, x-hop, authorization"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("spin-anything", "1"),
            ("authorization", "Bearer x"),
            ("x-kept", "1"),
        ];
        let (_, headers) = rewritten("/...", "/", &given).expect("is good");
        for name in ["connection", "x-hop", "te", "upgrade", "spin-anything"] {
            assert!(!headers.contains_key(name), "{name}");
        }
        assert!(headers.contains_key("authorization") && headers.contains_key("x-kept"));
    }

    #[test]
    fn refuses_heads_without_one_clear_host() {
        for given in [
            &[][..],
            &[("host", "a"), ("host", "b")][..],
            &[("host", "u@a")][..],
            &[("host", "")][..],
        ] {
            assert_eq!(
                rewritten("/...", "/", given).err(),
                Some(HeadError::Unreadable),
                "{given:?}"
            );
        }
    }

    #[test]
    fn keeps_a_good_request_id_and_replaces_a_bad_one() {
        let id = |given: &str| {
            let value = HeaderValue::from_str(given).expect("is a value");
            request_id(&HeaderMap::from_iter([(REQUEST_ID, value)]))
        };
        assert_eq!(id("order-12345678"), "order-12345678");
        for bad in ["", "short", "with space in it", "<script>alert(1)</script>"] {
            assert_eq!(id(bad).len(), 32, "{bad}");
        }
    }

    #[test]
    fn gives_every_request_without_an_id_its_own() {
        let id = || request_id(&HeaderMap::new());
        let (first, second) = (id(), id());
        let elsewhere = std::thread::spawn(|| request_id(&HeaderMap::new())).join();
        assert!(first != second && first != elsewhere.expect("ends"));
    }

    #[test]
    fn refuses_heads_beyond_the_limits() {
        let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static("12345678"))]);
        let uri = Uri::from_static("/abc");
        assert_eq!(check_size(&uri, &headers, 28, 1), Ok(()));
        assert_eq!(check_size(&uri, &headers, 27, 1), Err(HeadError::TooLarge));
        assert_eq!(check_size(&uri, &headers, 28, 0), Err(HeadError::TooLarge));
    }
}
