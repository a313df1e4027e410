//! How much one order may have of what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LINES_MAX;
use crate::sku::{Quantity, Sku};

/// The limits of one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrderLimits {
    /// Most pieces of single SKUs, over all lines. A SKU without an entry has only the limit of a line, 99.
    pub pieces_max_of: BTreeMap<Sku, Quantity>,
    /// Most pieces in all; without limit when absent.
    pub pieces_max: Option<u32>,
    /// Most lines, [`LINES_MAX`] unless configured lower.
    pub lines_max: usize,
}

impl Default for OrderLimits {
    fn default() -> Self {
        Self { pieces_max_of: BTreeMap::new(), pieces_max: None, lines_max: LINES_MAX }
    }
}

/// A limit that a cart is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "limit", rename_all = "snake_case")]
pub enum OverLimit {
    /// Too many pieces of one SKU.
    #[error("{asked} pieces of {sku}, at most {max} in one order")]
    PiecesOf {
        /// Which SKU.
        sku: Sku,
        /// Pieces in the cart.
        asked: u32,
        /// Most pieces.
        max: u32,
    },
    /// Too many pieces in all.
    #[error("{asked} pieces, at most {max} in one order")]
    Pieces {
        /// Pieces in the cart.
        asked: u32,
        /// Most pieces.
        max: u32,
    },
    /// Too many lines.
    #[error("{asked} lines, at most {max} in one order")]
    Lines {
        /// Lines in the cart.
        asked: usize,
        /// Most lines.
        max: usize,
    },
}

impl OrderLimits {
    /// Returns every limit that lines are over: SKUs by name, then pieces, then lines.
    #[must_use]
    pub fn exceeded(&self, lines: &[(&Sku, Quantity)]) -> Vec<OverLimit> {
        let mut sums = BTreeMap::<&Sku, u32>::new();
        for &(sku, quantity) in lines {
            let sum = sums.entry(sku).or_default();
            *sum = sum.saturating_add(quantity.get());
        }
        let mut over: Vec<_> = sums
            .iter()
            .filter_map(|(&sku, &asked)| {
                let max = self.pieces_max_of.get(sku)?.get();
                (asked > max).then(|| OverLimit::PiecesOf { sku: sku.clone(), asked, max })
            })
            .collect();
        let asked = sums.into_values().fold(0, u32::saturating_add);
        if let Some(max) = self.pieces_max.filter(|&max| asked > max) {
            over.push(OverLimit::Pieces { asked, max });
        }
        let max = self.lines_max.min(LINES_MAX);
        if lines.len() > max {
            over.push(OverLimit::Lines { asked: lines.len(), max });
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku(text: &str) -> Sku {
        text.parse().unwrap()
    }

    fn pieces(number: u32) -> Quantity {
        number.try_into().unwrap()
    }

    #[test]
    fn pieces_of_a_sku_count_over_all_of_its_lines() {
        let (a, b) = (sku("A"), sku("B"));
        let limits = OrderLimits {
            pieces_max_of: BTreeMap::from([(a.clone(), pieces(3))]),
            ..OrderLimits::default()
        };
        let cart = |of_a| [(&a, pieces(2)), (&b, pieces(99)), (&a, pieces(of_a))];
        assert_eq!(limits.exceeded(&cart(1)), []);
        let over = OverLimit::PiecesOf { sku: a.clone(), asked: 4, max: 3 };
        assert_eq!(over.to_string(), "4 pieces of A, at most 3 in one order");
        assert_eq!(limits.exceeded(&cart(2)), [over]);
    }

    #[test]
    fn pieces_and_lines_are_limited_in_all() {
        let a = sku("A");
        let limits = OrderLimits { pieces_max: Some(5), lines_max: 2, ..OrderLimits::default() };
        assert_eq!(limits.exceeded(&[(&a, pieces(3)), (&a, pieces(2))]), []);
        assert_eq!(
            limits.exceeded(&[(&a, pieces(3)), (&a, pieces(2)), (&a, pieces(1))]),
            [OverLimit::Pieces { asked: 6, max: 5 }, OverLimit::Lines { asked: 3, max: 2 }]
        );
        let raised = OrderLimits { lines_max: usize::MAX, ..OrderLimits::default() };
        let many = vec![(&a, pieces(1)); 51];
        assert_eq!(raised.exceeded(&many), [OverLimit::Lines { asked: 51, max: 50 }]);
    }
}
