//! How orders and invoices are numbered: what a number looks like, and where the next one is drawn.
//!
//! Drawing is the store's; here is only which way a shop wants it.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest [`Prefix`], in bytes.
pub const PREFIX_BYTES_MAX: usize = 12;

/// Most digits that a number is padded to: 12. A counter beyond them just grows longer.
pub const DIGITS_MAX: u8 = 12;

/// The highest [`NumberRule::first`]: twelve digits.
pub const FIRST_MAX: i64 = 999_999_999_999;

/// Most numbers drawn ahead at once: 1 000. What is drawn and not used when an instance ends is a gap.
pub const BLOCK_MAX: u16 = 1_000;

/// Refused text for a [`Prefix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a prefix is up to 12 of A-Z, 0-9, hyphen and slash")]
pub struct InvalidPrefix;

/// What stands before the digits, for instance `VT-`; may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(String);

impl Prefix {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let is_good = |byte: u8| {
            byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'/'
        };
        // A digit at the end would run into the number: `VT1` and 7 would read as 17 of `VT`.
        let ends_well = !text.as_bytes().last().is_some_and(u8::is_ascii_digit);
        if text.len() <= PREFIX_BYTES_MAX && ends_well && text.bytes().all(is_good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPrefix)
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Prefix {
    type Error = InvalidPrefix;

    fn try_from(text: String) -> Result<Self, InvalidPrefix> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}

/// Where the next number is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Drawing {
    /// From the shop's counter row, in the transaction that uses it: a number that is not used was never drawn.
    ///
    /// No gaps, and numbers in the order of commits. All orders of the shop queue at that row, so it is only as fast
    /// as one commit after the other; combined batches draw for all their orders at once.
    Gapless,
    /// From blocks that an instance draws ahead, in a transaction of its own.
    ///
    /// No queue. Unused numbers are gaps, and two instances' numbers interleave: each instance's own go up.
    Blocks {
        /// Numbers per block: 1 to [`BLOCK_MAX`].
        size: u16,
    },
}

/// What a caller of the store has to do for one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// Take the next number of the counter row in the transaction of the order.
    InTransaction,
    /// Use this number of the block at hand.
    FromBlock(i64),
    /// Draw a block of so many first, in a transaction of its own.
    NewBlock(u16),
}

/// The numbers that an instance has drawn ahead and not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The next to use.
    pub next: i64,
    /// The first that is not of this block.
    pub end: i64,
}

impl Drawing {
    /// Decides where the next number comes from. Of a block, the caller goes on with `next` one higher.
    #[must_use]
    pub fn draw(self, block: Option<Block>) -> Draw {
        match (self, block) {
            (Self::Gapless, _) => Draw::InTransaction,
            (Self::Blocks { .. }, Some(Block { next, end })) if next < end => Draw::FromBlock(next),
            (Self::Blocks { size }, _) => Draw::NewBlock(size.clamp(1, BLOCK_MAX)),
        }
    }
}

/// How a number is written. An order keeps what it was given with, so that its number reads the same for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberStyle {
    /// Before the digits. Default `VT-`.
    pub prefix: Prefix,
    /// Digits that a number is padded to with zeros: 0 to [`DIGITS_MAX`]; 0, the default, pads nothing.
    pub digits: u8,
}

impl Default for NumberStyle {
    fn default() -> Self {
        Self { prefix: Prefix("VT-".to_owned()), digits: 0 }
    }
}

impl NumberStyle {
    /// Writes a number as people quote it, for instance `VT-100042`.
    #[must_use]
    pub fn text(&self, number: i64) -> String {
        let width = usize::from(self.digits.min(DIGITS_MAX));
        format!("{}{number:0width$}", self.prefix)
    }
}

/// How a shop numbers its orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberRule {
    /// Before the digits. Default `VT-`.
    pub prefix: Prefix,
    /// Digits that a number is padded to with zeros: 0 to [`DIGITS_MAX`]; 0, the default, pads nothing.
    pub digits: u8,
    /// The first number, 1 to [`FIRST_MAX`]. Default 100 001, so that the first order does not look like the first. Where
    /// higher ones are given out already, numbers go on from those.
    pub first: i64,
    /// Where numbers are drawn. Default [`Drawing::Gapless`].
    pub drawing: Drawing,
}

impl Default for NumberRule {
    fn default() -> Self {
        let NumberStyle { prefix, digits } = NumberStyle::default();
        Self { prefix, digits, first: 100_001, drawing: Drawing::Gapless }
    }
}

impl NumberRule {
    /// Returns how it writes a number.
    #[must_use]
    pub fn style(&self) -> NumberStyle {
        NumberStyle { prefix: self.prefix.clone(), digits: self.digits }
    }

    /// Writes a number as people quote it, for instance `VT-100042`.
    #[must_use]
    pub fn text(&self, number: i64) -> String {
        self.style().text(number)
    }

    /// Reads a number that somebody quotes; small letters and a missing prefix are forgiven.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<i64> {
        let text = text.trim().to_ascii_uppercase();
        let digits = text.strip_prefix(self.prefix.as_str()).unwrap_or(&text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten()
    }
}

/// Where an invoice has its number from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceSeries {
    /// It carries that of its order. There are gaps between invoices: an order that is never paid has a number too.
    #[default]
    Order,
    /// It is given one of its own once its order is accepted, without gaps: most of Europe wants that.
    Own,
}

impl InvoiceSeries {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Order, Self::Own];

    /// Returns the word on the wire and in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Own => "own",
        }
    }
}

/// How a shop numbers its invoices. Those of their own series are drawn from a counter row, after the commit that accepts
/// the order: no checkout and no payment waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceRule {
    /// Where the number comes from. Default [`InvoiceSeries::Order`]; the rest is of the other alone.
    pub series: InvoiceSeries,
    /// Before the digits. Default `INV-`.
    pub prefix: Prefix,
    /// Digits that a number is padded to with zeros: 0 to [`DIGITS_MAX`]; 0, the default, pads nothing.
    pub digits: u8,
    /// The first number, 1 to [`FIRST_MAX`]. Default 1. Where higher ones are given out already, numbers go on from those.
    pub first: i64,
}

impl Default for InvoiceRule {
    fn default() -> Self {
        let (series, prefix) = (InvoiceSeries::Order, Prefix("INV-".to_owned()));
        Self { series, prefix, digits: 0, first: 1 }
    }
}

impl InvoiceRule {
    /// Returns how it writes a number.
    #[must_use]
    pub fn style(&self) -> NumberStyle {
        NumberStyle { prefix: self.prefix.clone(), digits: self.digits }
    }
}

/// Returns the numbers that a counter has given out, the last of which it stands at now.
///
/// `None` where it cannot have given out so many: it counts from 1 on.
#[must_use]
pub fn drawn(last: i64, count: usize) -> Option<core::ops::RangeInclusive<i64>> {
    let before = last.checked_sub(i64::try_from(count).ok()?)?;
    (before >= 0).then(|| before.saturating_add(1)..=last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::order::number_text;

    #[test]
    fn numbers_are_written_as_the_shop_wants_them() {
        let rule = NumberRule::default();
        assert_eq!(rule.text(100_042), number_text(100_042));
        let rule = NumberRule { prefix: "2026/".parse().unwrap(), digits: 6, ..rule };
        assert_eq!(rule.text(7), "2026/000007");
        assert_eq!(rule.text(12_345_678), "2026/12345678");
        for (text, number) in [
            ("2026/000007", Some(7)),
            (" 000007 ", Some(7)),
            ("7", Some(7)),
            ("", None),
            ("2026/", None),
            ("VT-7", None),
            ("-7", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(rule.parse(text), number, "{text}");
        }
    }

    #[test]
    fn a_prefix_cannot_run_into_its_number() {
        for good in ["", "VT-", "A", "2026/"] {
            assert!(good.parse::<Prefix>().is_ok(), "{good}");
        }
        for bad in ["VT1", "vt-", "A B-", "ABCDEFGHIJKL-", "Ä-"] {
            assert_eq!(bad.parse::<Prefix>(), Err(InvalidPrefix), "{bad}");
        }
    }

    #[test]
    fn gapless_numbers_are_drawn_with_the_order_and_others_from_blocks() {
        let (some, used) = (Block { next: 7, end: 9 }, Block { next: 9, end: 9 });
        let blocks = Drawing::Blocks { size: 50 };
        for (drawing, block, expected) in [
            (Drawing::Gapless, None, Draw::InTransaction),
            (Drawing::Gapless, Some(some), Draw::InTransaction),
            (blocks, Some(some), Draw::FromBlock(7)),
            (blocks, Some(used), Draw::NewBlock(50)),
            (blocks, None, Draw::NewBlock(50)),
            (Drawing::Blocks { size: 0 }, None, Draw::NewBlock(1)),
            (Drawing::Blocks { size: u16::MAX }, None, Draw::NewBlock(BLOCK_MAX)),
        ] {
            assert_eq!(drawing.draw(block), expected, "{drawing:?} {block:?}");
        }
    }

    #[test]
    fn invoices_go_by_their_orders_unless_the_shop_says_otherwise() {
        let rule = InvoiceRule::default();
        assert_eq!((rule.series, rule.first), (InvoiceSeries::Order, 1));
        let rule = InvoiceRule { prefix: "RE/2027-".parse().unwrap(), digits: 5, ..rule };
        for (number, text) in [
            (1, "RE/2027-00001"),
            (99_999, "RE/2027-99999"),
            // A counter beyond the digits just grows longer.
            (100_000, "RE/2027-100000"),
            (FIRST_MAX, "RE/2027-999999999999"),
        ] {
            assert_eq!(rule.style().text(number), text);
        }
        for series in InvoiceSeries::ALL {
            assert_eq!(serde_json::to_value(series).unwrap(), series.as_str());
        }
    }

    #[test]
    fn what_a_counter_gave_out_is_told_from_where_it_stands() {
        for (last, count, numbers) in [
            (7, 3, Some(5..=7)),
            (7, 7, Some(1..=7)),
            (1, 1, Some(1..=1)),
            // One that was set by hand, or never raised.
            (7, 8, None),
            (0, 1, None),
            (-1, 1, None),
            (i64::MIN, 1, None),
            (i64::MAX, 2, Some(i64::MAX - 1..=i64::MAX)),
        ] {
            assert_eq!(drawn(last, count), numbers, "{last} {count}");
        }
    }

    proptest! {
        /// However it is cut into batches: one after the other, none twice, and texts of one style are not alike.
        #[test]
        fn batches_draw_numbers_without_gaps(
            first in 1_i64..=FIRST_MAX,
            batches in proptest::collection::vec(1_usize..20, 1..10),
            digits in 0_u8..=DIGITS_MAX,
        ) {
            let style = InvoiceRule { digits, ..InvoiceRule::default() }.style();
            let (mut counter, mut numbers) = (first.saturating_sub(1), Vec::new());
            for count in batches {
                counter = counter.saturating_add(i64::try_from(count).unwrap());
                numbers.extend(drawn(counter, count).unwrap());
            }
            prop_assert!(numbers.iter().copied().eq(first..=counter));
            let texts: std::collections::BTreeSet<String> =
                numbers.iter().map(|number| style.text(*number)).collect();
            prop_assert_eq!(texts.len(), numbers.len());
        }

        #[test]
        fn numbers_read_back(number in 0_i64..i64::MAX, digits in 0_u8..=DIGITS_MAX) {
            let rule = NumberRule { digits, ..NumberRule::default() };
            prop_assert_eq!(rule.parse(&rule.text(number)), Some(number));
        }
    }
}
