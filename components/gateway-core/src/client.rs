//! The address of the downstream client, and which proxies are believed about it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderMap;

/// Most entries of a forwarding header looked at: 16. Longer chains are not believed beyond that.
const HOPS_MAX: usize = 16;

/// A block of addresses (RFC 4632).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    base: u128,
    mask: u128,
    is_v6: bool,
}

impl Cidr {
    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or a single address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let (number, is_v6, width) = number(address);
        let bits = bits.unwrap_or(width);
        // The mask has `bits` ones, counted from the top of the address's own width.
        let free = width.checked_sub(bits)?;
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        Some(Self { base: number & mask, mask, is_v6 })
    }

    /// Returns whether the block holds an address.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let (number, is_v6, _) = number(address.to_canonical());
        is_v6 == self.is_v6 && number & self.mask == self.base
    }
}

fn number(address: IpAddr) -> (u128, bool, u32) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), false, 32),
        IpAddr::V6(v6) => (v6.to_bits(), true, 128),
    }
}

/// Returns the client's address: the host's word, or what trusted proxies say, read from the right.
///
/// `0.0.0.0` stands for "unknown" (service chaining).
#[must_use]
pub fn address(headers: &HeaderMap, trusted: &[Cidr]) -> IpAddr {
    // The host's value comes last: a client's own `spin-client-addr` stands before it.
    let host = headers.get_all("spin-client-addr").iter().next_back();
    let peer = host.and_then(|value| value.to_str().ok()).and_then(hop);
    let Some(peer) = peer else { return IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    let is_trusted = |address: &IpAddr| trusted.iter().any(|block| block.holds(*address));
    let mut client = peer;
    if !is_trusted(&client) {
        return client;
    }
    for said in hops(headers).into_iter().rev().take(HOPS_MAX) {
        // What cannot be read ends the chain: the last hop that could be is the client as far as we know.
        let Some(said) = said else { break };
        client = said;
        if !is_trusted(&client) {
            break;
        }
    }
    client
}

/// Returns what limits count by: an IPv4 address, or the /64 network that one IPv6 subscriber has.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64_u32))),
    }
}

/// Every hop that was said, leftmost first; `None` for an entry that is no address.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let texts = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap_or("?").to_owned()).collect()
    };
    let forwarded_for = texts("x-forwarded-for");
    if !forwarded_for.is_empty() {
        return forwarded_for.iter().flat_map(|text| text.split(',')).map(hop).collect();
    }
    // RFC 7239: `for=192.0.2.43;proto=https, for="[2001:db8::1]:4711"`.
    texts("forwarded").iter().flat_map(|text| text.split(',')).map(forwarded_hop).collect()
}

fn forwarded_hop(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then(|| hop(value.trim_matches('"')))?
    })
}

/// Reads an address with or without port, IPv6 with or without brackets.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<core::net::SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn reads_blocks() {
        for (block, address, holds) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("0.0.0.0/0", "255.1.2.3", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("192.0.2.7/31", "192.0.2.6", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ] {
            let parsed = Cidr::parse(block).unwrap();
            assert_eq!(parsed.holds(address.parse().unwrap()), holds, "{block} {address}");
        }
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0/8", "x/8", "10.0.0.0/8/8"] {
            assert_eq!(Cidr::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn proxies_are_believed_only_when_trusted() {
        let trusted = [Cidr::parse("10.0.0.0/8").unwrap(), Cidr::parse("::1").unwrap()];
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
