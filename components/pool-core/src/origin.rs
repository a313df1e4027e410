//! Members of a pool as their owner describes them.

use core::fmt;

/// Where an origin stands: a later tier is used when nobody of the earlier one can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Tier {
    /// Used as long as one of them is usable.
    #[default]
    Primary,
    /// Used when no primary is.
    Secondary,
}

impl Tier {
    /// All of them, in order of use.
    pub const ALL: [Self; 2] = [Self::Primary, Self::Secondary];
}

/// An origin as its owner describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// What it is known by, for instance `https://host:port`. Different from every other one's: an origin keeps its
    /// state over [`crate::Pool::set_origins`] by its name.
    pub name: String,
    /// Where it stands.
    pub tier: Tier,
    /// Its share of its tier's requests, relative to the other ones' weights. 0 drains it: it gets no new request.
    pub weight: u16,
    /// Most requests in flight; `None` takes the pool's.
    pub in_flight_max: Option<u32>,
}

impl Origin {
    /// Describes a primary origin of weight 1.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), tier: Tier::Primary, weight: 1, in_flight_max: None }
    }
}

/// An origin within one pool. Never given to another one, even after the origin left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginId {
    /// Its place in the pool's list.
    pub(crate) slot: u8,
    /// The how many-th member of the pool it is.
    pub(crate) serial: u32,
}

impl OriginId {
    /// Returns the place in the pool's list, from 0 to 63. After a member left, another one may have its place.
    #[must_use]
    pub const fn slot(self) -> u8 {
        self.slot
    }
}

/// Why a list of origins was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginsError {
    /// No entry at all.
    Empty,
    /// More than [`crate::Pool::ORIGINS_MAX`].
    TooMany,
    /// This entry, from 0, has the name of an earlier one.
    Repeated(usize),
}

impl fmt::Display for OriginsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the list of origins is empty"),
            Self::TooMany => write!(f, "more than {} origins", crate::Pool::ORIGINS_MAX),
            Self::Repeated(at) => {
                write!(f, "origin {at} of the list has the name of an earlier one")
            }
        }
    }
}

impl core::error::Error for OriginsError {}
