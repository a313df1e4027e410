//! What becomes of a guest's cart when its owner signs in and has another one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LINES_MAX;
use super::limits::OrderLimits;
use crate::LineId;
use crate::pricing::FrozenPrice;
use crate::sku::{QUANTITY_MAX, Quantity, Sku};

/// Which cart, or which of both, goes on. The shop chooses one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeRule {
    /// Both: the account's lines, then the guest's; pieces of one SKU are added up.
    #[default]
    Merge,
    /// The account's; the guest's is dropped.
    KeepAccount,
    /// The guest's; the account's is dropped.
    KeepGuest,
    /// The guest's if the account's is empty, else the account's.
    KeepGuestIfAccountEmpty,
}

impl MergeRule {
    /// Every rule.
    pub const ALL: [Self; 4] =
        [Self::Merge, Self::KeepAccount, Self::KeepGuest, Self::KeepGuestIfAccountEmpty];

    /// Returns the word on the wire and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::KeepAccount => "keep_account",
            Self::KeepGuest => "keep_guest",
            Self::KeepGuestIfAccountEmpty => "keep_guest_if_account_empty",
        }
    }
}

/// A line as merging sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeLine {
    /// Name of the line.
    pub id: LineId,
    /// What.
    pub sku: Sku,
    /// Pieces.
    pub quantity: Quantity,
    /// Price that the shopper was promised, where there is one.
    #[serde(default)]
    pub frozen: Option<FrozenPrice>,
}

/// The cart that goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// Its lines, one per SKU. Lines of both carts keep the account's id, and the frozen price that holds longer.
    pub lines: Vec<MergeLine>,
    /// What did not fit, to be told to the shopper.
    pub notes: Vec<MergeNote>,
}

/// Something that did not fit into the merged cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MergeNote {
    /// Fewer pieces than both carts had.
    Reduced {
        /// Of what.
        sku: Sku,
        /// Pieces in both carts.
        wanted: u32,
        /// Pieces now.
        kept: Quantity,
    },
    /// None of them.
    LeftOut {
        /// Of what.
        sku: Sku,
        /// Pieces in both carts.
        wanted: u32,
    },
}

/// Merges two carts by a rule, within the limits of an order.
///
/// What comes first in the account's cart is kept first. What a rule drops as a whole is not noted; what the limits cut
/// is, so that a long cart gets shorter but is never lost.
#[must_use]
pub fn merge(
    rule: MergeRule,
    account: &[MergeLine],
    guest: &[MergeLine],
    limits: &OrderLimits,
) -> Merged {
    let none: &[MergeLine] = &[];
    let (first, second) = match rule {
        MergeRule::Merge => (account, guest),
        MergeRule::KeepGuest => (guest, none),
        MergeRule::KeepGuestIfAccountEmpty if account.is_empty() => (guest, none),
        MergeRule::KeepAccount | MergeRule::KeepGuestIfAccountEmpty => (account, none),
    };
    let mut merged = Merged::default();
    let mut pieces_left = limits.pieces_max.unwrap_or(u32::MAX);
    for (line, wanted) in one_per_sku(first.iter().chain(second)) {
        let of_sku = limits.pieces_max_of.get(&line.sku).map_or(QUANTITY_MAX, |max| max.get());
        let has_room = merged.lines.len() < limits.lines_max.min(LINES_MAX);
        let fits = if has_room { wanted.min(of_sku).min(pieces_left) } else { 0 };
        let Ok(kept) = Quantity::try_from(fits) else {
            merged.notes.push(MergeNote::LeftOut { sku: line.sku, wanted });
            continue;
        };
        pieces_left = pieces_left.saturating_sub(fits);
        if fits < wanted {
            merged.notes.push(MergeNote::Reduced { sku: line.sku.clone(), wanted, kept });
        }
        merged.lines.push(MergeLine { quantity: kept, ..line });
    }
    merged
}

/// Adds up lines of one SKU, at the place of the first. The sum may be more than a line can have.
fn one_per_sku<'a>(lines: impl Iterator<Item = &'a MergeLine>) -> Vec<(MergeLine, u32)> {
    let mut found: Vec<(MergeLine, u32)> = Vec::new();
    let mut places = BTreeMap::<&Sku, usize>::new();
    for line in lines {
        let pieces = line.quantity.get();
        let place = *places.entry(&line.sku).or_insert(found.len());
        match found.get_mut(place) {
            None => found.push((line.clone(), pieces)),
            Some((first, sum)) => {
                *sum = sum.saturating_add(pieces);
                first.frozen = longer(first.frozen, line.frozen);
            }
        }
    }
    found
}

fn longer(first: Option<FrozenPrice>, second: Option<FrozenPrice>) -> Option<FrozenPrice> {
    match (first, second) {
        (Some(first), Some(second)) if second.until > first.until => Some(second),
        (Some(first), _) => Some(first),
        (None, second) => second,
    }
}

#[cfg(test)]
mod tests;
