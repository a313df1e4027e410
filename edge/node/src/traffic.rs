//! Which version a request goes to: one serves, and beside it a canary may take a share of the clients.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{deployment::Deployment, shard::PerThread};

/// The share of clients that a canary takes, in percent: 1 to 99.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Share(u8);

impl Share {
    /// Returns `None` for what is no share: 0 is no canary, and 100 is a promotion.
    pub(crate) const fn new(percent: u8) -> Option<Self> {
        if percent >= 1 && percent <= 99 { Some(Self(percent)) } else { None }
    }

    pub(crate) const fn percent(self) -> u8 {
        self.0
    }
}

/// How clients are divided between two versions: the same client always falls on the same side, and who has been given
/// the canary keeps it while the share grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) share: Share,
    /// Drawn for each canary, so that it is not always the same clients who try what is new.
    pub(crate) seed: u64,
}

impl Split {
    /// Whether `client` belongs to the canary.
    pub(crate) fn takes(self, client: IpAddr) -> bool {
        let place = mix(mix(prefix(client) ^ self.seed));
        // The client's place on a ring of 2^64, and how much of it is the canary's, counted from zero: with a larger
        // share the part grows at its end, so nobody falls out of it.
        let part = u128::from(self.share.percent()) << 64;
        u128::from(place) * 100 < part
    }
}

/// What of an address stands for one client: an IPv6 client changes the lower 64 bits at will (RFC 8981).
fn prefix(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            [a, b, c, d].iter().fold(0, |bits, segment| bits << 16 | u64::from(*segment))
        }
    }
}

/// The finaliser of `SplitMix64`: each bit of the input changes about half of the output's.
const fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A version on trial.
#[derive(Clone)]
pub(crate) struct Canary {
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) split: Split,
}

/// The versions that take new requests.
#[derive(Clone)]
pub(crate) struct Versions {
    pub(crate) current: Arc<Deployment>,
    pub(crate) canary: Option<Canary>,
}

/// A version as one thread's requests hold it, counted for that thread alone: a count that all cores write to with
/// every request would have them wait for each other.
pub(crate) type Held = Arc<Arc<Deployment>>;

/// What a request is given when it arrives, for as long as it lasts.
pub(crate) struct Assigned {
    pub(crate) held: Held,
    /// Whether other clients are given another version at this moment.
    pub(crate) is_split: bool,
}

/// [`Versions`] for the requests of one thread.
struct Serving {
    current: Held,
    canary: Option<(Held, Split)>,
}

impl Serving {
    fn of(versions: &Versions) -> Self {
        let held = |deployment: &Arc<Deployment>| Arc::new(Arc::clone(deployment));
        let canary = versions.canary.as_ref();
        Self {
            current: held(&versions.current),
            canary: canary.map(|canary| (held(&canary.deployment), canary.split)),
        }
    }
}

/// The versions that take new requests. Each thread has them to itself; they are replaced for one thread after the
/// other, and a request sees the ones before or the ones after.
pub(crate) struct Traffic {
    serving: PerThread<Mutex<Option<Serving>>>,
    versions: Mutex<Versions>,
}

impl Traffic {
    pub(crate) fn new(current: Arc<Deployment>) -> Self {
        let versions = Versions { current, canary: None };
        let traffic = Self { serving: PerThread::new(), versions: Mutex::new(versions.clone()) };
        traffic.replace(versions);
        traffic
    }

    /// Gives a request its version.
    pub(crate) fn assign(&self, client: IpAddr) -> Assigned {
        let mut serving = self.serving.mine().lock().unwrap_or_else(PoisonError::into_inner);
        // There is always one since `new`.
        let serving = serving.get_or_insert_with(|| Serving::of(&self.versions()));
        match &serving.canary {
            None => Assigned { held: Arc::clone(&serving.current), is_split: false },
            Some((canary, split)) => {
                let held = if split.takes(client) { canary } else { &serving.current };
                Assigned { held: Arc::clone(held), is_split: true }
            }
        }
    }

    pub(crate) fn versions(&self) -> Versions {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From here on new requests go to `versions`.
    pub(crate) fn replace(&self, versions: Versions) {
        for serving in self.serving.iter() {
            let new = Serving::of(&versions);
            let old = serving.lock().unwrap_or_else(PoisonError::into_inner).replace(new);
            // Unlocked by now: what this is the last to hold is unloaded here.
            drop(old);
        }
        let mut kept = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *kept, versions);
        drop(kept);
        drop(old);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn split(percent: u8, seed: u64) -> Split {
        Split { share: Share::new(percent).expect("is a share"), seed }
    }

    proptest! {
        #[test]
        fn the_share_is_right_within_two_percent(percent in 1_u8..=99, seed: u64, first: u32) {
            // Neighbours on one network, the least random clients there are.
            const CLIENTS: u32 = 20_000;
            let clients = (0..CLIENTS).map(|n| IpAddr::from(Ipv4Addr::from_bits(first.wrapping_add(n))));
            let taken = clients.filter(|client| split(percent, seed).takes(*client)).count();
            let share = taken as f64 * 100.0 / f64::from(CLIENTS);
            // The standard deviation is at most 0.36 points.
            prop_assert!((share - f64::from(percent)).abs() < 2.0, "{share} instead of {percent}");
        }

        #[test]
        fn a_growing_share_moves_no_client_back(seed: u64, bits: u128, one in 1_u8..=99, other in 1_u8..=99) {
            let (small, large) = (one.min(other), one.max(other));
            for client in [IpAddr::from(Ipv6Addr::from_bits(bits)), IpAddr::from(Ipv4Addr::from_bits(bits as u32))] {
                prop_assert!(!split(small, seed).takes(client) || split(large, seed).takes(client));
            }
        }

        #[test]
        fn a_client_with_changing_addresses_stays_where_it_is(seed: u64, network: u64, host: u64, other: u64, percent in 1_u8..=99) {
            let address = |host: u64| IpAddr::from(Ipv6Addr::from_bits(u128::from(network) << 64 | u128::from(host)));
            let split = split(percent, seed);
            prop_assert_eq!(split.takes(address(host)), split.takes(address(other)));
        }
    }

    #[test]
    fn other_canaries_are_tried_by_other_clients() {
        let clients = || (0..1000_u32).map(|n| IpAddr::from(Ipv4Addr::from_bits(n)));
        let of =
            |seed| clients().filter(|client| split(50, seed).takes(*client)).collect::<Vec<_>>();
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn a_mapped_address_is_the_same_client() {
        let four: IpAddr = "192.0.2.7".parse().expect("is an address");
        let mapped: IpAddr = "::ffff:192.0.2.7".parse().expect("is an address");
        for seed in 0..100 {
            assert_eq!(split(50, seed).takes(four), split(50, seed).takes(mapped));
        }
    }

    #[test]
    fn nothing_and_everything_are_no_shares() {
        assert_eq!(
            [0, 1, 99, 100, 255].map(|percent| Share::new(percent).is_some()),
            [false, true, true, false, false]
        );
    }
}
