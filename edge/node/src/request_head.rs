//! What a component sees of a request's head: Spin's headers set by us alone, the connection's own removed.

use std::net::SocketAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri, header,
    uri::{Authority, Scheme},
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

fn new_request_id() -> HeaderValue {
    let mut random = [0_u8; 16];
    if getrandom::fill(&mut random).is_err() {
        return HeaderValue::from_static("unavailable");
    }
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&digits).unwrap_or_else(|_| HeaderValue::from_static("unavailable"))
}

/// Refuses heads beyond `bytes_max`: the target and each header with its separators.
pub(crate) fn check_size(
    uri: &Uri,
    headers: &HeaderMap,
    bytes_max: usize,
) -> Result<(), HeadError> {
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let fields = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    if target + fields.sum::<usize>() > bytes_max {
        return Err(HeadError::TooLarge);
    }
    Ok(())
}

/// Rewrites a head for a component; returns the absolute URI that it sees.
pub(crate) fn rewrite(
    uri: &Uri,
    headers: &mut HeaderMap,
    found: &RouteMatch,
    client: SocketAddr,
) -> Result<Uri, HeadError> {
    let authority = authority(uri, headers)?;
    let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    strip(headers);
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| HeadError::Unreadable)?;
    headers.insert(header::HOST, host);
    let full_url = format!("http://{authority}{target}");
    for (name, value) in found.spin_headers(full_url, client.to_string()) {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeadError::Unreadable)?;
        let value = HeaderValue::from_str(&value).map_err(|_| HeadError::Unreadable)?;
        headers.insert(name, value);
    }
    Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(authority)
        .path_and_query(target)
        .build()
        .map_err(|_| HeadError::Unreadable)
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
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    let forged: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("spin-")).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
}

/// RFC 9110, 7.6.1.
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
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
        rewrite(&uri, &mut headers, &found, client).map(|uri| (uri, headers))
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
    fn refuses_heads_beyond_the_limit() {
        let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static("12345678"))]);
        let uri = Uri::from_static("/abc");
        assert_eq!(check_size(&uri, &headers, 28), Ok(()));
        assert_eq!(check_size(&uri, &headers, 27), Err(HeadError::TooLarge));
    }
}
