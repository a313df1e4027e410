//! Byte ranges of a file (RFC 9110, section 14).

/// Most ranges in one header: 16. Players and PDF viewers ask for a handful; more is an attack on the sender's memory or
/// time (section 17.15), and gets the whole file.
pub const RANGES_MAX: usize = 16;

/// Bytes between two ranges that are sent with them: up to 80, about what one more part of an answer would cost
/// (section 15.3.7.2).
pub const GAP_BYTES_MAX: u64 = 80;

/// Overlaps of two ranges that are forgiven: 2 (section 14.2). Nobody needs bytes twice.
const OVERLAPS_MAX: usize = 2;

/// A range that exists in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte, from 0.
    pub start: u64,
    /// How many, at least 1.
    pub length: u64,
}

impl Span {
    /// Returns the byte after the last.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.start.saturating_add(self.length)
    }

    /// Returns the last byte.
    #[must_use]
    pub const fn last(self) -> u64 {
        self.end().saturating_sub(1)
    }
}

/// What to send of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// These, in this order (206, [`crate::multipart`]): from 2 to [`RANGES_MAX`], more than [`GAP_BYTES_MAX`] apart.
    Several(Vec<Span>),
    /// None that exist (416).
    Unsatisfiable,
}

/// Reads a `Range` for a file of `length` bytes.
///
/// Ranges that overlap, touch or nearly touch become one, in the place of the first of them; otherwise the order is that
/// of the header (section 15.3.7.2). Ranges that do not exist are left out while another one exists.
///
/// The whole file goes to whoever sends something else than ranges of bytes, more than [`RANGES_MAX`] of them, more than
/// two that overlap, or ranges that are in sum no shorter than the file: as a server may do (section 14.2).
#[must_use]
pub fn read(header: &str, length: u64) -> Part {
    parse(header, length).unwrap_or(Part::Whole)
}

/// `None` for what is to be ignored.
fn parse(header: &str, length: u64) -> Option<Part> {
    let (unit, set) = header.trim().split_once('=')?;
    // Section 14.1: names of units do not depend on case.
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut spans = Vec::new();
    let mut count = 0_usize;
    for (at, member) in set.split(',').map(|member| member.trim_matches([' ', '\t'])).enumerate() {
        if at >= RANGES_MAX {
            return None;
        }
        // Section 5.6.1.2: empty members of a list are to be skipped.
        if !member.is_empty() {
            count = count.saturating_add(1);
            spans.extend(span(member, length)?);
        }
    }
    if count == 0 {
        return None;
    }
    match spans.as_slice() {
        [] => Some(Part::Unsatisfiable),
        [one] => Some(Part::Bytes { start: one.start, length: one.length }),
        _ => several(&spans, length),
    }
}

/// `None` for no range, `Some(None)` for one that does not exist in the file.
fn span(text: &str, length: u64) -> Option<Option<Span>> {
    let (first, last) = text.split_once('-')?;
    if first.is_empty() {
        let wanted = number(last)?.min(length);
        let span = Span { start: length.saturating_sub(wanted), length: wanted };
        return Some((wanted > 0).then_some(span));
    }
    let start = number(first)?;
    let end = if last.is_empty() { u64::MAX } else { number(last)? };
    if end < start {
        return None;
    }
    let end = end.min(length.saturating_sub(1));
    let wanted = end.saturating_sub(start).saturating_add(1);
    Some((start < length).then_some(Span { start, length: wanted }))
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // More digits than fit are still a number, only a large one.
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

fn several(spans: &[Span], length: u64) -> Option<Part> {
    let asked = spans.iter().fold(0_u64, |sum, span| sum.saturating_add(span.length));
    if asked >= length || overlaps(spans) > OVERLAPS_MAX {
        return None;
    }
    let joined = join(spans);
    match joined.as_slice() {
        [one] => Some(Part::Bytes { start: one.start, length: one.length }),
        _ => Some(Part::Several(joined)),
    }
}

fn overlaps(spans: &[Span]) -> usize {
    let pairs = spans.iter().enumerate().flat_map(|(at, one)| {
        let later = spans.iter().skip(at.saturating_add(1));
        later.filter(move |other| one.start < other.end() && other.start < one.end())
    });
    pairs.count()
}

/// Joins what is not far apart; each range takes the place of the first one in it.
fn join(spans: &[Span]) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        let mut new = *span;
        // A range may bring together several that were apart. At most RANGES_MAX rounds.
        let mut place = None;
        while let Some(at) = joined.iter().position(|other| is_near(*other, new)) {
            let other = joined.remove(at);
            let start = new.start.min(other.start);
            new = Span { start, length: new.end().max(other.end()).saturating_sub(start) };
            place = Some(place.map_or(at, |known: usize| known.min(at)));
        }
        joined.insert(place.unwrap_or(joined.len()), new);
    }
    joined
}

const fn is_near(one: Span, other: Span) -> bool {
    one.start <= other.end().saturating_add(GAP_BYTES_MAX)
        && other.start <= one.end().saturating_add(GAP_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(cases: &[(&str, u64, Part)]) {
        for (header, length, expected) in cases {
            assert_eq!(read(header, *length), *expected, "{header} of {length}");
        }
    }

    fn bytes(start: u64, length: u64) -> Part {
        Part::Bytes { start, length }
    }

    fn several(spans: &[(u64, u64)]) -> Part {
        let span = |(start, length): &(u64, u64)| Span { start: *start, length: *length };
        Part::Several(spans.iter().map(span).collect())
    }

    #[test]
    fn rfc9110_14_1_2_reads_one_range() {
        use Part::{Unsatisfiable, Whole};
        check(&[
            ("bytes=0-0", 10, bytes(0, 1)),
            ("bytes=0-9", 10, bytes(0, 10)),
            ("bytes=0-99", 10, bytes(0, 10)),
            ("bytes=5-", 10, bytes(5, 5)),
            ("bytes=9-", 10, bytes(9, 1)),
            ("bytes=-3", 10, bytes(7, 3)),
            ("bytes=-30", 10, bytes(0, 10)),
            (" bytes=2-4 ", 10, bytes(2, 3)),
            ("bytes= 2-4", 10, bytes(2, 3)),
            ("BYTES=2-4", 10, bytes(2, 3)),
            ("bytes=0-99999999999999999999999", 10, bytes(0, 10)),
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=99999999999999999999999-", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-5", 0, Unsatisfiable),
            ("bytes=5-4", 10, Whole),
            ("bytes=a-b", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=--1", 10, Whole),
            ("bytes=+1-2", 10, Whole),
            ("bytes=1 - 2", 10, Whole),
            ("bytes=1-2-3", 10, Whole),
            ("bytes=1", 10, Whole),
            ("bytes=", 10, Whole),
            ("bytes=,", 10, Whole),
            ("bytes 0-1", 10, Whole),
            ("items=0-1", 10, Whole),
            ("", 10, Whole),
        ]);
    }

    #[test]
    fn rfc9110_14_1_2_reads_the_examples_of_the_rfc() {
        check(&[
            ("bytes=0-499", 10_000, bytes(0, 500)),
            ("bytes=500-999", 10_000, bytes(500, 500)),
            ("bytes=-500", 10_000, bytes(9_500, 500)),
            ("bytes=9500-", 10_000, bytes(9_500, 500)),
            ("bytes=0-0,-1", 10_000, several(&[(0, 1), (9_999, 1)])),
            ("bytes= 0-0, -2", 10_000, several(&[(0, 1), (9_998, 2)])),
            (
                "bytes= 0-999, 4500-5499, -1000",
                10_000,
                several(&[(0, 1_000), (4_500, 1_000), (9_000, 1_000)]),
            ),
            ("bytes=500-600,601-999", 10_000, bytes(500, 500)),
            ("bytes=500-700,601-999", 10_000, bytes(500, 500)),
        ]);
    }

    #[test]
    fn rfc9110_15_3_7_2_joins_what_is_near_and_keeps_the_order() {
        check(&[
            ("bytes=500-509,0-9", 10_000, several(&[(500, 10), (0, 10)])),
            ("bytes=500-509,0-9,510-519", 10_000, several(&[(500, 20), (0, 10)])),
            ("bytes=0-9,90-99", 10_000, bytes(0, 100)),
            ("bytes=90-99,0-9", 10_000, bytes(0, 100)),
            ("bytes=0-9,91-99", 10_000, several(&[(0, 10), (91, 9)])),
            ("bytes=5000-5009,0-9,200-209,10-199", 10_000, several(&[(5_000, 10), (0, 210)])),
            ("bytes=0-9,5000-5009,200-209,10-199", 10_000, several(&[(0, 210), (5_000, 10)])),
        ]);
    }

    #[test]
    fn rfc9110_14_2_leaves_out_what_does_not_exist_and_refuses_only_when_nothing_does() {
        check(&[
            ("bytes=0-9,20000-", 10_000, bytes(0, 10)),
            ("bytes=-0,5-9,10000-10001", 10_000, bytes(5, 5)),
            ("bytes=10000-,20000-,-0", 10_000, Part::Unsatisfiable),
            ("bytes=0-9,5-4", 10_000, Part::Whole),
            ("bytes=0-9,x", 10_000, Part::Whole),
            ("bytes=0-9,,  ,300-309", 10_000, several(&[(0, 10), (300, 10)])),
        ]);
    }

    #[test]
    fn rfc9110_17_15_sends_the_whole_file_to_whom_asks_for_too_much() {
        let list = |count: u64, step: u64| {
            let ranges: Vec<_> = (0..count).map(|at| format!("{0}-{0}", at * step)).collect();
            format!("bytes={}", ranges.join(","))
        };
        let far = several(&(0..16).map(|at| (at * 100, 1)).collect::<Vec<_>>());
        check(&[
            (&list(16, 100), 10_000, far),
            (&list(17, 100), 10_000, Part::Whole),
            (&list(5_000, 1), 10_000, Part::Whole),
            (&format!("bytes=0-1{}", ",".repeat(16)), 10_000, Part::Whole),
            ("bytes=0-,0-", 10_000, Part::Whole),
            ("bytes=0-4999,5000-", 10_000, Part::Whole),
            ("bytes=0-6000,4000-", 10_000, Part::Whole),
            ("bytes=0-10,5-15,10-20", 10_000, Part::Whole),
            ("bytes=0-10,5-15,12-20", 10_000, bytes(0, 21)),
            ("bytes=0-0,0-0,0-0,0-0", 10_000, Part::Whole),
        ]);
    }

    proptest! {
        #[test]
        fn never_reaches_beyond_the_file(header in "bytes=[0-9]{0,4}-[0-9]{0,4}", size in 0_u64..5_000) {
            if let Part::Bytes { start, length } = read(&header, size) {
                prop_assert!(length >= 1 && start.saturating_add(length) <= size);
            }
        }

        #[test]
        fn several_are_apart_inside_and_fewer_bytes_than_the_file(
            ranges in prop::collection::vec((0_u64..6_000, 0_u64..300), 1..20),
            size in 0_u64..5_000,
        ) {
            let text: Vec<_> =
                ranges.iter().map(|(start, more)| format!("{start}-{}", start + more)).collect();
            match read(&format!("bytes={}", text.join(",")), size) {
                Part::Several(spans) => {
                    prop_assert!((2..=RANGES_MAX).contains(&spans.len()));
                    let sum: u64 = spans.iter().map(|span| span.length).sum();
                    prop_assert!(sum < size);
                    let mut sorted = spans.clone();
                    sorted.sort_by_key(|span| span.start);
                    for pair in sorted.windows(2) {
                        prop_assert!(pair[0].end() + GAP_BYTES_MAX < pair[1].start);
                    }
                    let has = |byte: u64| spans.iter().any(|s| (s.start..s.end()).contains(&byte));
                    for (start, more) in &ranges {
                        let last = (start + more).min(size.saturating_sub(1));
                        prop_assert!((*start..=last).all(has), "every byte that was asked for");
                    }
                    prop_assert!(spans.iter().all(|span| span.length >= 1 && span.end() <= size));
                }
                Part::Bytes { start, length } => {
                    prop_assert!(length >= 1 && start + length <= size);
                }
                Part::Unsatisfiable => prop_assert!(ranges.iter().all(|(start, _)| *start >= size)),
                Part::Whole => {}
            }
        }

        #[test]
        fn reads_any_text(header in ".{0,60}", size in 0_u64..100) {
            let _ = read(&header, size);
        }
    }
}
