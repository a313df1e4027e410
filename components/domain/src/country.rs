//! Countries: one type for addresses, taxes, tariffs and locations.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// Refused text for a [`Country`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a country is two letters of ISO 3166-1")]
pub struct InvalidCountry;

/// A country by its two letters (ISO 3166-1 alpha-2). Read in any case, kept in upper case. That the letters are given out
/// is not checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

impl Country {
    /// Returns the two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Both are ASCII letters, so it never falls back.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Country {
    type Err = InvalidCountry;

    fn from_str(text: &str) -> Result<Self, InvalidCountry> {
        match text.as_bytes() {
            [first, second] if first.is_ascii_alphabetic() && second.is_ascii_alphabetic() => {
                Ok(Self([first.to_ascii_uppercase(), second.to_ascii_uppercase()]))
            }
            _ => Err(InvalidCountry),
        }
    }
}

impl TryFrom<String> for Country {
    type Error = InvalidCountry;

    fn try_from(text: String) -> Result<Self, InvalidCountry> {
        text.parse()
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_two_letters_kept_in_upper_case() {
        for (text, kept) in [("DE", "DE"), ("jp", "JP"), ("Kw", "KW")] {
            let country: Country = text.parse().unwrap();
            assert_eq!(country.as_str(), kept);
            assert_eq!(serde_json::to_value(country).unwrap(), kept);
        }
        for bad in ["", "D", "DEU", "D1", "Ä", "ÄÖ"] {
            assert_eq!(bad.parse::<Country>(), Err(InvalidCountry), "{bad}");
        }
    }
}
