//! Where things go: regions and postcodes of countries, and the places that taxes and tariffs are made for.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Country;

/// Longest [`Region`] in bytes: the second half of an ISO 3166-2 code has 1 to 3 characters.
pub const REGION_BYTES_MAX: usize = 3;
/// Longest [`Postcode`] in bytes, without spaces and hyphens. The longest in use has 10 (Iran).
pub const POSTCODE_BYTES_MAX: usize = 12;

/// Refused text for a part of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlace {
    /// Not a region.
    #[error("a region is 1 to 3 letters or digits, as after the hyphen of ISO 3166-2")]
    Region,
    /// Not a postcode.
    #[error("a postcode is 1 to 12 letters or digits")]
    Postcode,
}

/// A part of a country by the second half of its ISO 3166-2 code: `NY` of `US-NY`. Kept in upper case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(String);

/// A postcode, or its beginning, in upper case without spaces and hyphens, so that `sw1a 1aa` is `SW1A1AA`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Postcode(String);

fn parse_region(text: &str) -> Option<String> {
    ((1..=REGION_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    .then(|| text.to_ascii_uppercase())
}

fn parse_postcode(text: &str) -> Option<String> {
    let kept: String = text
        .chars()
        .filter(|&letter| !matches!(letter, ' ' | '-'))
        .map(|letter| letter.to_ascii_uppercase())
        .collect();
    ((1..=POSTCODE_BYTES_MAX).contains(&kept.len())
        && kept.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    .then_some(kept)
}

macro_rules! place_text {
    ($name:ident, $parse:ident) => {
        impl $name {
            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidPlace;

            fn from_str(text: &str) -> Result<Self, InvalidPlace> {
                $parse(text).map(Self).ok_or(InvalidPlace::$name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidPlace;

            fn try_from(text: String) -> Result<Self, InvalidPlace> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(part: $name) -> Self {
                part.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

place_text!(Region, parse_region);
place_text!(Postcode, parse_postcode);

/// Where an order goes. Before the shopper has said, callers pass the shop's own country.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The country.
    pub country: Country,
    /// The state, province or prefecture, where it is known.
    #[serde(default)]
    pub region: Option<Region>,
    /// The postcode, where it is known.
    #[serde(default)]
    pub postcode: Option<Postcode>,
}

/// A place that a rule is made for: a country, a region of it, or the postcodes that begin so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The country.
    pub country: Country,
    /// Only this region of it; all when absent.
    #[serde(default)]
    pub region: Option<Region>,
    /// Only postcodes that begin so; all when absent.
    #[serde(default)]
    pub postcode_prefix: Option<Postcode>,
}

/// How closely a rule's place fits a destination. Greater is closer: postcode (longer prefix first), region, country,
/// everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Closeness {
    postcode_bytes: usize,
    has_region: bool,
    has_country: bool,
}

impl Closeness {
    const EVERYWHERE: Self = Self { postcode_bytes: 0, has_region: false, has_country: false };
}

impl Place {
    /// Makes a place of a whole country.
    #[must_use]
    pub const fn country(country: Country) -> Self {
        Self { country, region: None, postcode_prefix: None }
    }

    fn closeness(&self, destination: &Destination) -> Option<Closeness> {
        if self.country != destination.country {
            return None;
        }
        if self.region.is_some() && self.region != destination.region {
            return None;
        }
        let postcode_bytes = match (&self.postcode_prefix, &destination.postcode) {
            (None, _) => 0,
            (Some(prefix), Some(postcode)) if postcode.0.starts_with(&prefix.0) => prefix.0.len(),
            (Some(_), _) => return None,
        };
        Some(Closeness { postcode_bytes, has_region: self.region.is_some(), has_country: true })
    }
}

/// Returns how closely the nearest of `places` fits; no places at all mean everywhere, at the last rank.
pub(super) fn closeness(places: &[Place], destination: &Destination) -> Option<Closeness> {
    if places.is_empty() {
        return Some(Closeness::EVERYWHERE);
    }
    places.iter().filter_map(|place| place.closeness(destination)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(country: &str, region: &str, postcode: &str) -> Place {
        Place {
            country: country.parse().unwrap(),
            region: region.parse().ok(),
            postcode_prefix: postcode.parse().ok(),
        }
    }

    fn destination(country: &str, region: &str, postcode: &str) -> Destination {
        let Place { country, region, postcode_prefix } = place(country, region, postcode);
        Destination { country, region, postcode: postcode_prefix }
    }

    #[test]
    fn texts_are_kept_in_a_normal_form() {
        assert_eq!("sw1a 1aa".parse::<Postcode>().unwrap().as_str(), "SW1A1AA");
        assert_eq!("150-0001".parse::<Postcode>().unwrap().as_str(), "1500001");
        assert_eq!("ny".parse::<Region>().unwrap().to_string(), "NY");
        assert_eq!("".parse::<Region>(), Err(InvalidPlace::Region));
        assert_eq!("US-NY".parse::<Region>(), Err(InvalidPlace::Region));
        for bad in ["", " - ", "1234567890123", "12/3"] {
            assert_eq!(bad.parse::<Postcode>(), Err(InvalidPlace::Postcode), "{bad}");
        }
    }

    #[test]
    fn the_closest_place_wins() {
        let ranks: Vec<_> = [
            vec![],
            vec![place("US", "", "")],
            vec![place("US", "NY", "")],
            vec![place("US", "", "1")],
            vec![place("US", "NY", "1")],
            vec![place("DE", "", ""), place("US", "", "100")],
        ]
        .iter()
        .map(|places| closeness(places, &destination("US", "NY", "10001")).unwrap())
        .collect();
        assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
    }

    #[test]
    fn a_place_fits_only_what_is_known_to_lie_in_it() {
        for (place, to) in [
            (place("US", "NY", ""), destination("US", "", "")),
            (place("US", "NY", ""), destination("US", "CA", "")),
            (place("US", "", "100"), destination("US", "NY", "")),
            (place("US", "", "100"), destination("US", "NY", "10")),
            (place("US", "", ""), destination("DE", "", "")),
        ] {
            assert_eq!(closeness(&[place], &to), None);
        }
    }
}
