//! Codes that shoppers type, in a form in which two spellings of the same code are equal.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest [`Code`] in its normal form, in bytes.
pub const CODE_BYTES_MAX: usize = 40;
/// Fewest random characters that a code of a bulk needs: 8 of 5 bits each, so that a million codes leave a guess a
/// chance of one in a million.
pub const CODE_RANDOM_MIN: usize = 8;

/// The 32 characters of random codes: Crockford's base 32, without I, L, O and U, which are misread.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Refused text for a [`Code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a code is 1 to 40 letters A-Z or digits; case, spaces, hyphens and underscores do not count"
)]
pub struct InvalidCode;

/// A promotion's code in its normal form: letters A–Z and digits.
///
/// Case does not count, nor do spaces, hyphens and underscores (`spring-10` is `SPRING10`), and full-width letters, as
/// Japanese keyboards give them, are the same as narrow ones. Store and look up this form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(String);

impl Code {
    /// Returns the normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes one code of a bulk: `prefix`, then one character for each random byte (5 bits of it).
    ///
    /// # Errors
    /// [`InvalidCode`] for fewer than [`CODE_RANDOM_MIN`] random bytes, a prefix that is no code, or too long a whole.
    pub fn random(prefix: &str, random: &[u8]) -> Result<Self, InvalidCode> {
        if random.len() < CODE_RANDOM_MIN {
            return Err(InvalidCode);
        }
        let letters =
            random.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 0x1f)).copied());
        prefix.chars().chain(letters.map(char::from)).collect::<String>().parse()
    }
}

impl FromStr for Code {
    type Err = InvalidCode;

    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        let mut kept = String::new();
        for letter in text.chars().map(narrow) {
            match letter {
                ' ' | '-' | '_' => {}
                'A'..='Z' | 'a'..='z' | '0'..='9' => kept.push(letter.to_ascii_uppercase()),
                _ => return Err(InvalidCode),
            }
            if kept.len() > CODE_BYTES_MAX {
                return Err(InvalidCode);
            }
        }
        if kept.is_empty() { Err(InvalidCode) } else { Ok(Self(kept)) }
    }
}

/// Returns the ASCII letter of a full-width one (U+FF01 to U+FF5E lie 0xFEE0 above it), and a space for any white space.
fn narrow(letter: char) -> char {
    match letter {
        '\u{ff01}'..='\u{ff5e}' => {
            u32::from(letter).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(letter)
        }
        _ if letter.is_whitespace() => ' ',
        _ => letter,
    }
}

impl TryFrom<String> for Code {
    type Error = InvalidCode;

    fn try_from(text: String) -> Result<Self, InvalidCode> {
        text.parse()
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn spellings_of_one_code_are_equal() {
        for text in
            ["SPRING10", "spring10", " Spring-10 ", "SPRING_10", "ｓｐｒｉｎｇ　１０", "spring\t10"]
        {
            assert_eq!(text.parse::<Code>().unwrap().as_str(), "SPRING10", "{text}");
        }
    }

    #[test]
    fn refuses_what_no_code_can_be() {
        let long = "A".repeat(41);
        for bad in ["", " - ", "10%", "ÄPFEL", "A\u{0}", long.as_str()] {
            assert_eq!(bad.parse::<Code>(), Err(InvalidCode), "{bad}");
        }
        assert!("A".repeat(40).parse::<Code>().is_ok());
    }

    #[test]
    fn random_codes_differ_and_survive_their_normal_form() {
        let codes: BTreeSet<_> = (0_u8..32)
            .map(|number| Code::random("vip-", &[number, 0, 1, 2, 3, 4, 5, 255]).unwrap())
            .collect();
        assert_eq!(codes.len(), 32);
        assert!(codes.contains(&"vip-z012345z".parse().unwrap()));
        for code in &codes {
            assert_eq!(code.as_str().to_lowercase().parse::<Code>().as_ref(), Ok(code));
        }
        assert_eq!(Code::random("VIP", &[0; 7]), Err(InvalidCode));
        assert_eq!(Code::random("VIP", &[0; 38]), Err(InvalidCode));
    }
}
