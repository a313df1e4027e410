//! One byte range of a file (RFC 9110, section 14).

/// What to send of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it (200).
    Whole,
    /// These bytes (206).
    Bytes {
        /// The first, from 0.
        start: u64,
        /// How many, at least 1.
        length: u64,
    },
    /// None that exist (416).
    Unsatisfiable,
}

/// Reads a `Range` for a file of `length` bytes.
///
/// Several ranges at once get the whole file, as a server may do: nobody but attackers asks for them here. So does
/// whatever is not a range of bytes.
#[must_use]
pub fn read(header: &str, length: u64) -> Part {
    parse(header, length).unwrap_or(Part::Whole)
}

fn parse(header: &str, length: u64) -> Option<Part> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // More digits than fit are still a number, only a large one.
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    if first.is_empty() {
        let wanted = number(last)?.min(length);
        if wanted == 0 {
            return Some(Part::Unsatisfiable);
        }
        return Some(Part::Bytes { start: length.saturating_sub(wanted), length: wanted });
    }
    let start = number(first)?;
    let end = if last.is_empty() { u64::MAX } else { number(last)? };
    if end < start {
        return None;
    }
    if start >= length {
        return Some(Part::Unsatisfiable);
    }
    let end = end.min(length.saturating_sub(1));
    Some(Part::Bytes { start, length: end.saturating_sub(start).saturating_add(1) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_ranges_as_the_rfc_says() {
        use Part::{Bytes, Unsatisfiable, Whole};
        for (header, length, expected) in [
            ("bytes=0-0", 10, Bytes { start: 0, length: 1 }),
            ("bytes=0-9", 10, Bytes { start: 0, length: 10 }),
            ("bytes=0-99", 10, Bytes { start: 0, length: 10 }),
            ("bytes=5-", 10, Bytes { start: 5, length: 5 }),
            ("bytes=9-", 10, Bytes { start: 9, length: 1 }),
            ("bytes=-3", 10, Bytes { start: 7, length: 3 }),
            ("bytes=-30", 10, Bytes { start: 0, length: 10 }),
            (" bytes=2-4 ", 10, Bytes { start: 2, length: 3 }),
            ("bytes=0-99999999999999999999999", 10, Bytes { start: 0, length: 10 }),
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=99999999999999999999999-", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-5", 0, Unsatisfiable),
            ("bytes=5-4", 10, Whole),
            ("bytes=0-1,3-4", 10, Whole),
            ("bytes=a-b", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=+1-2", 10, Whole),
            ("items=0-1", 10, Whole),
            ("", 10, Whole),
        ] {
            assert_eq!(read(header, length), expected, "{header} of {length}");
        }
    }

    proptest! {
        #[test]
        fn never_reaches_beyond_the_file(header in "bytes=[0-9]{0,4}-[0-9]{0,4}", size in 0_u64..5_000) {
            if let Part::Bytes { start, length } = read(&header, size) {
                prop_assert!(length >= 1 && start.saturating_add(length) <= size);
            }
        }
    }
}
