//! Networks of addresses: which one an address is in, and which of them no request may reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network in CIDR notation; a single address is a network of all its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8` or a single address; bits behind the network's own are ignored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse().ok()?, Some(bits.parse().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let width = width(address);
        let bits = bits.unwrap_or(width);
        (bits <= width).then_some(Self { address, bits })
    }

    /// Whether `address`, of the same family, lies in this network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (address, self.address) {
            (IpAddr::V4(address), IpAddr::V4(network)) => {
                let rest = 32_u32.saturating_sub(u32::from(self.bits));
                address.to_bits().checked_shr(rest) == network.to_bits().checked_shr(rest)
            }
            (IpAddr::V6(address), IpAddr::V6(network)) => {
                let rest = 128_u32.saturating_sub(u32::from(self.bits));
                address.to_bits().checked_shr(rest) == network.to_bits().checked_shr(rest)
            }
            _ => false,
        }
    }
}

/// Addresses that no component may connect to, whatever its grants say. The default blocks nothing, as in Spin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockedNetworks {
    networks: Vec<Network>,
    /// Whether every address that is not reachable from the whole Internet is blocked too.
    blocks_private: bool,
}

impl BlockedNetworks {
    /// Reads entries of `block_networks`: networks, or the word `private`.
    ///
    /// # Errors
    /// With the first entry that is neither.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut blocked = Self::default();
        for entry in entries {
            match Network::parse(entry) {
                Some(network) => blocked.networks.push(network),
                None if entry == "private" => blocked.blocks_private = true,
                None => return Err(entry.to_owned()),
            }
        }
        Ok(blocked)
    }

    /// Whether nothing is blocked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.blocks_private
    }

    /// Whether `address` is blocked. An IPv4 address inside an IPv6 one is looked at as well, or that would be a way
    /// around.
    #[must_use]
    pub fn blocks(&self, address: IpAddr) -> bool {
        if self.blocks_private && !is_global(address) {
            return true;
        }
        if self.networks.iter().any(|network| network.contains(address)) {
            return true;
        }
        match address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => inner(address).is_some_and(|inner| self.blocks(inner.into())),
        }
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The IPv4 address that a mapped (`::ffff:a.b.c.d`), compatible (`::a.b.c.d`) or translated (`64:ff9b::a.b.c.d`,
/// RFC 6052) one leads to.
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    address.to_ipv4().or_else(|| {
        let [a, b, c, d, e, f, high, low] = address.segments();
        let [[w, x], [y, z]] = [high.to_be_bytes(), low.to_be_bytes()];
        ([a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0]).then(|| Ipv4Addr::new(w, x, y, z))
    })
}

/// Whether the whole Internet can reach `address`, by the registries of special addresses of IANA (RFC 6890).
fn is_global(address: IpAddr) -> bool {
    let special: &[&str] = match address {
        IpAddr::V4(_) => &SPECIAL_V4,
        IpAddr::V6(_) => &SPECIAL_V6,
    };
    let is_special = special
        .iter()
        .filter_map(|network| Network::parse(network))
        .any(|network| network.contains(address));
    match address {
        IpAddr::V4(_) => !is_special,
        IpAddr::V6(inside) => {
            !is_special && inner(inside).is_none_or(|inner| is_global(inner.into()))
        }
    }
}

/// This network, private use, shared by carriers, loopback, link-local, protocol assignments, documentation, relays,
/// benchmarks, multicast, reserved and broadcast.
const SPECIAL_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// Unspecified, loopback, local translation, discard-only, protocol assignments, documentation (two), unique local,
/// link-local, site-local and multicast.
const SPECIAL_V6: [&str; 11] = [
    "::/128",
    "::1/128",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(entries: &[&str]) -> BlockedNetworks {
        BlockedNetworks::parse(entries.iter().copied()).expect("the entries are good")
    }

    fn ip(address: &str) -> IpAddr {
        address.parse().expect("is an address")
    }

    #[test]
    fn blocks_the_networks_that_it_was_given() {
        let blocked = blocked(&["123.123.7.7/16", "2001::/96", "9.9.9.9"]);
        for address in ["123.123.123.123", "2001::1000", "::ffff:123.123.1.1", "9.9.9.9"] {
            assert!(blocked.blocks(ip(address)), "{address}");
        }
        for address in ["123.100.100.100", "2002::1000", "9.9.9.8", "127.0.0.1"] {
            assert!(!blocked.blocks(ip(address)), "{address}");
        }
    }

    #[test]
    fn blocks_what_is_private_in_every_spelling() {
        let blocked = blocked(&["private"]);
        for address in [
            "0.0.0.0",
            "10.10.10.10",
            "100.64.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.0.1",
            "192.0.0.1",
            "192.168.1.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.10.10.10",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "fc00::f00d",
            "fe80::1",
        ] {
            assert!(blocked.blocks(ip(address)), "{address}");
        }
        for address in ["123.123.123.123", "172.32.0.1", "2600::beef", "64:ff9b::808:808"] {
            assert!(!blocked.blocks(ip(address)), "{address}");
        }
    }

    #[test]
    fn blocks_nothing_by_default() {
        assert!(BlockedNetworks::default().is_empty());
        assert!(!BlockedNetworks::default().blocks(ip("127.0.0.1")));
        assert!(!blocked(&["private"]).is_empty() && !blocked(&["1.1.1.1/32"]).is_empty());
    }

    #[test]
    fn refuses_what_is_no_network() {
        for entry in ["", "public", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "Private"] {
            assert_eq!(BlockedNetworks::parse([entry]), Err(entry.to_owned()));
        }
    }
}
