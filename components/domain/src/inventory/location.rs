//! Where stock lies, and to which countries it may be sent from there.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Country, LocationId};

/// The location that every shop has: where stock lies until the merchant names other places.
pub const MAIN_LOCATION: LocationId =
    LocationId::from_bytes([0, 0, 0, 0, 0, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0, 0, 1]);

/// A place where stock lies: a warehouse, a shop, a supplier that ships for us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Its name among records.
    pub id: LocationId,
    /// Its name among people.
    pub name: String,
    /// Which location is asked first: the lowest number.
    pub priority: u32,
    /// Where it stands.
    pub country: Country,
    /// Countries it ships to; empty means every country.
    #[serde(default)]
    pub serves: BTreeSet<Country>,
    /// Whether it takes part in giving out stock. One that does not keeps its counters and ships what it owes.
    pub is_active: bool,
}

impl Location {
    /// Tells whether stock from here may be promised to that country; an unknown country is taken for any.
    #[must_use]
    pub fn can_serve(&self, destination: Option<Country>) -> bool {
        self.is_active
            && (self.serves.is_empty()
                || destination.is_none_or(|country| self.serves.contains(&country)))
    }

    /// Returns how far a country is: 0 stands in it, 1 names it among those served, 2 serves every country.
    pub(super) fn distance(&self, destination: Option<Country>) -> u8 {
        match destination {
            Some(country) if self.country == country => 0,
            Some(country) if self.serves.contains(&country) => 1,
            _ => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(text: &str) -> Country {
        text.parse().unwrap()
    }

    #[test]
    fn a_location_serves_whom_it_names_or_everybody() {
        let mut location = Location {
            id: LocationId::v4([1; 16]),
            name: "Basel".to_owned(),
            priority: 0,
            country: country("CH"),
            serves: [country("CH"), country("DE")].into(),
            is_active: true,
        };
        let cases = [("CH", true, 0), ("DE", true, 1), ("JP", false, 2)];
        for (text, can_serve, distance) in cases {
            let destination = Some(country(text));
            assert_eq!(location.can_serve(destination), can_serve, "{text}");
            assert_eq!(location.distance(destination), distance, "{text}");
        }
        assert!(location.can_serve(None));
        location.serves.clear();
        assert!(location.can_serve(Some(country("JP"))));
        location.is_active = false;
        assert!(!location.can_serve(Some(country("CH"))));
    }
}
