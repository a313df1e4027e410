//! The address of the downstream client: what the host says of it, and the proxies that are believed.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use api_types::client_address::{self, Cidr};
use http::HeaderMap;

/// Returns the client's address: the host's word, or what trusted proxies say, read from the right.
///
/// `0.0.0.0` stands for "unknown" (service chaining).
#[must_use]
pub fn address(headers: &HeaderMap, trusted: &[Cidr]) -> IpAddr {
    // The host's value comes last: a client's own `spin-client-addr` stands before it.
    let host = headers.get_all("spin-client-addr").iter().next_back();
    let peer = host.and_then(|value| value.to_str().ok()).and_then(client_address::hop);
    let Some(peer) = peer else { return IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    client_address::client(peer, headers, trusted).ip()
}

/// Returns what limits count by: an IPv4 address, or the /64 network that one IPv6 subscriber has.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64_u32))),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn proxies_are_believed_only_when_trusted() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        for (headers, expected) in [
            (&[("spin-client-addr", "192.0.2.1:5")][..], "192.0.2.1"),
            (&[("spin-client-addr", "[2001:db8::1]:5")], "2001:db8::1"),
            (&[("spin-client-addr", "[::ffff:192.0.2.1]:5")], "192.0.2.1"),
            (
                &[("spin-client-addr", "6.6.6.6:1"), ("spin-client-addr", "192.0.2.1:5")],
                "192.0.2.1",
            ),
            (&[("spin-client-addr", "192.0.2.1:5"), ("x-forwarded-for", "6.6.6.6")], "192.0.2.1"),
            (&[("spin-client-addr", "10.0.0.1:5"), ("x-forwarded-for", "192.0.2.9")], "192.0.2.9"),
            (
                &[
                    ("spin-client-addr", "10.0.0.1:5"),
                    ("x-forwarded-for", "6.6.6.6, 192.0.2.9, 10.0.0.2"),
                ],
                "192.0.2.9",
            ),
            (
                &[
                    ("spin-client-addr", "10.0.0.1:5"),
                    ("x-forwarded-for", "6.6.6.6"),
                    ("x-forwarded-for", "192.0.2.9"),
                ],
                "192.0.2.9",
            ),
            (
                &[("spin-client-addr", "10.0.0.1:5"), ("x-forwarded-for", "junk, 10.0.0.3")],
                "10.0.0.3",
            ),
            (&[("spin-client-addr", "10.0.0.1:5"), ("x-forwarded-for", "junk")], "10.0.0.1"),
            (&[("spin-client-addr", "10.0.0.1:5"), ("x-forwarded-for", "10.0.0.7")], "10.0.0.7"),
            (
                &[("spin-client-addr", "[::1]:5"), ("forwarded", "for=192.0.2.43;proto=https")],
                "192.0.2.43",
            ),
            (
                &[("spin-client-addr", "[::1]:5"), ("forwarded", "For=\"[2001:db8::7]:4711\"")],
                "2001:db8::7",
            ),
            (&[("spin-client-addr", "[::1]:5"), ("forwarded", "proto=https")], "::1"),
            (&[("spin-client-addr", "0.0.0.0:0")], "0.0.0.0"),
            (&[], "0.0.0.0"),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(address(&map, &trusted), expected.parse::<IpAddr>().unwrap(), "{headers:?}");
        }
    }

    #[test]
    fn an_ipv6_subscriber_is_one_network() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }
}
