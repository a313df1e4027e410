//! Who asks: the peer of the connection, or what proxies that are trusted say about it.
//!
//! One rule for the host (`--trusted-proxy`) and for the gateway (`trusted_proxies`), so that both name the same client
//! when both are told the same.

use core::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use http::{HeaderMap, header::FORWARDED};

/// Most entries of a forwarding header looked at: 16. Longer chains are not believed beyond that.
const HOPS_MAX: usize = 16;

/// A block of addresses (RFC 4632) whose word about clients is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    base: u128,
    mask: u128,
    is_v6: bool,
}

impl FromStr for Cidr {
    type Err = &'static str;

    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or a single address.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const NO_BLOCK: &str = "a block is an address, or an address, `/` and a number of bits";
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| NO_BLOCK)?)),
            None => (text, None),
        };
        let (number, is_v6, width) = number(address.parse().map_err(|_| NO_BLOCK)?);
        let free = width.checked_sub(bits.unwrap_or(width)).ok_or(NO_BLOCK)?;
        // The mask has ones from the top of the address's own width down to `free` zeros.
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        Ok(Self { base: number & mask, mask, is_v6 })
    }
}

impl Cidr {
    /// Returns whether the block holds an address; an IPv4 address in an IPv6 one counts as itself.
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

/// Returns whether an address is one of those that may say for whom they ask.
#[must_use]
pub fn is_trusted(address: IpAddr, trusted: &[Cidr]) -> bool {
    trusted.iter().any(|block| block.holds(address))
}

/// Returns the client: `peer`, or the rightmost hop that is no trusted proxy. The port is 0 where nobody says it.
#[must_use]
pub fn client(peer: SocketAddr, headers: &HeaderMap, trusted: &[Cidr]) -> SocketAddr {
    let is_trusted = |address: IpAddr| is_trusted(address, trusted);
    if trusted.is_empty() || !is_trusted(peer.ip()) {
        return peer;
    }
    let mut client = peer;
    let mut take = |said: Option<SocketAddr>| {
        // What cannot be read ends the chain: the last hop that could be is the client as far as we know.
        let Some(said) = said else { return false };
        client = said;
        is_trusted(client.ip())
    };
    let forwarded_for = headers.get_all("x-forwarded-for");
    // Several lines are one list (RFC 9110, 5.3), and the last entry is the nearest hop's.
    if forwarded_for.iter().next().is_some() {
        let lines = forwarded_for.iter().rev().map(|line| line.to_str().unwrap_or("?"));
        let _ = lines.flat_map(|line| line.rsplit(',')).map(hop).take(HOPS_MAX).all(&mut take);
    } else {
        let forwarded = headers.get_all(FORWARDED);
        let lines = forwarded.iter().rev().map(|line| line.to_str().unwrap_or("?"));
        let hops = lines.flat_map(|line| line.rsplit(',')).map(forwarded_hop);
        let _ = hops.take(HOPS_MAX).all(&mut take);
    }
    client
}

/// One element of `Forwarded` (RFC 7239): `for=192.0.2.43;proto=https`, `for="[2001:db8::1]:4711"`.
fn forwarded_hop(element: &str) -> Option<SocketAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then(|| hop(value.trim_matches('"')))?
    })
}

/// Reads an address with or without port, IPv6 with or without brackets; an IPv4 address in an IPv6 one as itself.
#[must_use]
pub fn hop(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']');
    let address = || text.parse::<IpAddr>().ok().or_else(|| bracketed()?.parse().ok());
    let socket = text.parse::<SocketAddr>().ok();
    let socket = socket.or_else(|| address().map(|address| SocketAddr::new(address, 0)))?;
    Some(SocketAddr::new(socket.ip().to_canonical(), socket.port()))
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
            let parsed: Cidr = block.parse().unwrap();
            assert_eq!(parsed.holds(address.parse().unwrap()), holds, "{block} {address}");
        }
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0/8", "x/8", "10.0.0.0/8/8"] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn proxies_are_believed_only_when_trusted_and_the_rightmost_stranger_is_the_client() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        for (peer, said, expected) in [
            ("192.0.2.1:5", &[][..], "192.0.2.1:5"),
            ("192.0.2.1:5", &[("x-forwarded-for", "6.6.6.6")], "192.0.2.1:5"),
            ("192.0.2.1:5", &[("forwarded", "for=6.6.6.6")], "192.0.2.1:5"),
            ("10.0.0.1:5", &[], "10.0.0.1:5"),
            ("10.0.0.1:5", &[("x-forwarded-for", "192.0.2.9")], "192.0.2.9:0"),
            ("10.0.0.1:5", &[("x-forwarded-for", "192.0.2.9:77")], "192.0.2.9:77"),
            ("10.0.0.1:5", &[("x-forwarded-for", "6.6.6.6, 192.0.2.9, 10.0.0.2")], "192.0.2.9:0"),
            (
                "10.0.0.1:5",
                &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.9")],
                "192.0.2.9:0",
            ),
            ("10.0.0.1:5", &[("x-forwarded-for", "junk, 10.0.0.3")], "10.0.0.3:0"),
            ("10.0.0.1:5", &[("x-forwarded-for", "junk")], "10.0.0.1:5"),
            ("10.0.0.1:5", &[("x-forwarded-for", "10.0.0.7")], "10.0.0.7:0"),
            // Where both are, the older header is the one that proxies really keep.
            (
                "10.0.0.1:5",
                &[("x-forwarded-for", "192.0.2.9"), ("forwarded", "for=6.6.6.6")],
                "192.0.2.9:0",
            ),
            ("[::1]:5", &[("forwarded", "for=192.0.2.43;proto=https")], "192.0.2.43:0"),
            ("[::1]:5", &[("forwarded", "For=\"[2001:db8::7]:4711\"")], "[2001:db8::7]:4711"),
            ("[::1]:5", &[("forwarded", "for=\"[2001:db8::7]\", for=10.1.1.1")], "[2001:db8::7]:0"),
            ("[::1]:5", &[("forwarded", "proto=https")], "[::1]:5"),
            ("[::1]:5", &[("forwarded", "for=_hidden")], "[::1]:5"),
            ("[::ffff:10.0.0.1]:5", &[("x-forwarded-for", "::ffff:192.0.2.9")], "192.0.2.9:0"),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in said {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let client = client(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(client, expected.parse().unwrap(), "{peer} {said:?}");
        }
    }

    #[test]
    fn a_chain_of_trusted_hops_is_followed_to_its_limit_only() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let chain = format!("6.6.6.6{}", ", 10.0.0.9".repeat(HOPS_MAX));
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("x-forwarded-for"),
            HeaderValue::from_str(&chain).unwrap(),
        )]);
        let client = client("10.0.0.1:5".parse().unwrap(), &headers, &trusted);
        assert_eq!(client, "10.0.0.9:0".parse().unwrap());
    }
}
