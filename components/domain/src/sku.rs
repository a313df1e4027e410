//! Names of things for sale, and how many of them.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest [`Sku`], in bytes.
pub const SKU_BYTES_MAX: usize = 64;
/// Longest [`Handle`], in bytes.
pub const HANDLE_BYTES_MAX: usize = 96;
/// Most pieces in one cart line.
pub const QUANTITY_MAX: u32 = 99;

/// Refused text for a [`Sku`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SKU is 1 to 64 of A-Z, 0-9 and hyphens between them")]
pub struct InvalidSku;

/// A stock keeping unit: what is counted, reserved and sold. One per product variant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sku(String);

impl Sku {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Refused text for a [`Handle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a handle is 1 to 96 of a-z, 0-9 and hyphens between them")]
pub struct InvalidHandle;

/// A product's or category's name in URLs, for instance `lyra-chair`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Handle(String);

impl Handle {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text is letters, digits, and hyphens between them. In one pass: a page of products has a hundred of them.
fn is_name(text: &str, bytes_max: usize, is_letter: fn(&u8) -> bool) -> bool {
    let mut after_hyphen = true;
    for byte in text.as_bytes() {
        let is_hyphen = *byte == b'-';
        let is_good =
            if is_hyphen { !after_hyphen } else { is_letter(byte) || byte.is_ascii_digit() };
        if !is_good {
            return false;
        }
        after_hyphen = is_hyphen;
    }
    !after_hyphen && text.len() <= bytes_max
}

macro_rules! text_conversions {
    ($name:ident, $error:ident, $bytes_max:ident, $is_letter:path) => {
        impl FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                if is_name(text, $bytes_max, $is_letter) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err($error)
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            /// Checks the text in place.
            fn try_from(text: String) -> Result<Self, $error> {
                if is_name(&text, $bytes_max, $is_letter) { Ok(Self(text)) } else { Err($error) }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

text_conversions!(Sku, InvalidSku, SKU_BYTES_MAX, u8::is_ascii_uppercase);
text_conversions!(Handle, InvalidHandle, HANDLE_BYTES_MAX, u8::is_ascii_lowercase);

/// Refused number for a [`Quantity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is a whole number from 1 to 99")]
pub struct InvalidQuantity;

/// How many pieces one line asks for: 1 to [`QUANTITY_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Quantity(u32);

impl Quantity {
    /// One piece.
    pub const ONE: Self = Self(1);

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Adds pieces to a line; refuses more than [`QUANTITY_MAX`].
    ///
    /// # Errors
    /// [`InvalidQuantity`] when the sum leaves the range.
    pub fn checked_add(self, more: Self) -> Result<Self, InvalidQuantity> {
        self.0.checked_add(more.0).ok_or(InvalidQuantity)?.try_into()
    }
}

impl TryFrom<u32> for Quantity {
    type Error = InvalidQuantity;

    fn try_from(number: u32) -> Result<Self, InvalidQuantity> {
        if (1..=QUANTITY_MAX).contains(&number) { Ok(Self(number)) } else { Err(InvalidQuantity) }
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skus_are_upper_case_with_single_inner_hyphens() {
        for good in ["A", "CHR-LYRA-OAK", "7", "A1-B2"] {
            assert!(good.parse::<Sku>().is_ok(), "{good}");
        }
        let long = "A".repeat(65);
        for bad in ["", "-A", "A-", "A--B", "a", "A B", "Ä", "A/B", long.as_str()] {
            assert_eq!(bad.parse::<Sku>(), Err(InvalidSku), "{bad}");
        }
    }

    #[test]
    fn handles_are_lower_case() {
        assert!("lyra-chair".parse::<Handle>().is_ok());
        for bad in ["", "Lyra", "a--b", "a/b", "..", "a_b"] {
            assert!(bad.parse::<Handle>().is_err(), "{bad}");
        }
    }

    #[test]
    fn quantities_stay_in_range() {
        assert!(Quantity::try_from(0).is_err());
        assert!(Quantity::try_from(100).is_err());
        let most = Quantity::try_from(99).unwrap();
        assert_eq!(most.checked_add(Quantity::ONE), Err(InvalidQuantity));
    }
}
