//! Finds card numbers in text, so that none is ever sent, stored or logged.

/// Fewest digits of a card number (ISO/IEC 7812-1): 13.
const DIGITS_MIN: usize = 13;
/// Most digits of a card number: 19.
const DIGITS_MAX: usize = 19;

/// Tells whether a text has something in it that looks like a card number.
///
/// That is 13 to 19 digits that pass Luhn's check, alone or in groups with a space, dash or dot between them. One
/// random number of that length in ten looks so, too: whoever uses this on text of others refuses it and says why.
#[must_use]
pub fn looks_like_card_number(text: &str) -> bool {
    let is_separator = |byte: u8| matches!(byte, b' ' | b'-' | b'.');
    // Groups of digits with one separator between two of them; anything else starts anew.
    let mut groups: Vec<Vec<u8>> = Vec::new();
    let mut is_in_group = false;
    let mut gap = 0;
    for byte in text.bytes() {
        if byte.is_ascii_digit() {
            let digit = byte - b'0';
            match groups.last_mut() {
                Some(group) if is_in_group => group.push(digit),
                _ => groups.push(vec![digit]),
            }
            is_in_group = true;
            gap = 0;
        } else {
            is_in_group = false;
            gap += 1;
            if gap > 1 || !is_separator(byte) {
                if has_number(&groups) {
                    return true;
                }
                groups.clear();
            }
        }
    }
    has_number(&groups)
}

/// Looks at every row of neighbouring groups, for a date or a check value may stand beside the number.
fn has_number(groups: &[Vec<u8>]) -> bool {
    (0..groups.len()).any(|first| {
        let mut digits = Vec::new();
        groups.iter().skip(first).any(|group| {
            digits.extend_from_slice(group);
            (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && passes_luhn(&digits)
        })
    })
}

/// Luhn's check (ISO/IEC 7812-1, annex B): every second digit from the right counts twice.
fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| {
            let doubled = if place % 2 == 1 { digit * 2 } else { digit };
            u32::from(if doubled > 9 { doubled - 9 } else { doubled })
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_found_however_they_are_written() {
        for text in [
            "4242424242424242",
            "378282246310005",
            "4222222222222",
            "6304000000000000000",
            "4242 4242 4242 4242",
            "4242-4242-4242-4242",
            "pm_4242424242424242",
            "card 4242.4242.4242.4242 please",
            "4242 4242 4242 4242 12 34",
            "99 4242424242424242",
        ] {
            assert!(looks_like_card_number(text), "{text}");
        }
    }

    #[test]
    fn tokens_ids_and_amounts_are_not_taken_for_card_numbers() {
        for text in [
            "",
            "pm_card_visa",
            "pm_1MtwBwLkdIwHu7ix28a3tqPa",
            "4242424242424241",
            "424242424242",
            "42424242424242424242",
            "4242  4242  4242  4242",
            "4242a4242a4242a4242",
            "seti_1Mm8s8LkdIwHu7ix0OXBfTRG_secret_NXDICkPqPeiBTAFqWmkbff09lRmSVXe",
        ] {
            assert!(!looks_like_card_number(text), "{text}");
        }
    }
}
