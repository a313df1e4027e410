//! What a line of a cart or an order is promised: pieces that are not there yet, and from when on they ship.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::BackorderPolicy;
use crate::Timestamp;

/// How pieces are sold that are not there, in the words of the read model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromiseKind {
    /// Ships once it has come in.
    Backorder,
    /// Ships once it has come out.
    Preorder,
}

/// A word that is no [`PromiseKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of promise")]
pub struct UnknownPromiseKind;

impl PromiseKind {
    /// Returns the word on the wire and in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backorder => "backorder",
            Self::Preorder => "preorder",
        }
    }

    /// Returns what a promise under a policy is called.
    #[must_use]
    pub const fn of(policy: BackorderPolicy) -> Self {
        match policy {
            BackorderPolicy::PreOrder { .. } => Self::Preorder,
            BackorderPolicy::Allow { .. } | BackorderPolicy::Deny => Self::Backorder,
        }
    }
}

impl FromStr for PromiseKind {
    type Err = UnknownPromiseKind;

    fn from_str(word: &str) -> Result<Self, UnknownPromiseKind> {
        [Self::Backorder, Self::Preorder]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or(UnknownPromiseKind)
    }
}

/// Pieces of a line that are promised. All others of the line are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// How they are sold.
    pub kind: PromiseKind,
    /// How many; never 0.
    pub pieces: u32,
    /// From when on all of them ship, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ships_at: Option<Timestamp>,
}

impl Promise {
    /// Tells whether a shopper who was shown `shown` must hear of this before buying: more pieces wait than was shown, or
    /// they ship later than on the day that was shown. What became better is no news that anybody must agree to.
    #[must_use]
    pub fn is_worse_than(self, shown: Option<Self>) -> bool {
        let Some(shown) = shown else { return true };
        let is_later = match (shown.ships_at, self.ships_at) {
            (Some(shown), Some(now)) => shown < now,
            (Some(_), None) => true,
            // Who agreed to no day at all has agreed to any.
            (None, _) => false,
        };
        shown.pieces < self.pieces || is_later
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, pieces, ships_at } = self;
        write!(f, "{pieces} on {}", kind.as_str())?;
        match ships_at {
            Some(at) => write!(f, ", from {at}"),
            None => f.write_str(", once it is here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn promise(pieces: u32, day: Option<i64>) -> Promise {
        let ships_at = match day {
            Some(day) => Some(Timestamp::from_unix_ms(day.saturating_mul(86_400_000))),
            None => None,
        };
        Promise { kind: PromiseKind::Backorder, pieces, ships_at }
    }

    #[test]
    fn a_shopper_must_hear_of_more_that_waits_and_of_a_later_day() {
        let (shown, later) = (promise(2, Some(9)), promise(2, Some(10)));
        for (shown, now, must_hear) in [
            (None, promise(1, None), true),
            (None, promise(1, Some(1)), true),
            (Some(shown), shown, false),
            (Some(shown), promise(3, Some(9)), true),
            (Some(shown), promise(1, Some(9)), false),
            (Some(shown), later, true),
            (Some(later), shown, false),
            (Some(shown), promise(1, Some(10)), true),
            (Some(shown), promise(2, None), true),
            (Some(promise(2, None)), later, false),
            (Some(promise(2, None)), promise(2, None), false),
            (Some(promise(2, None)), promise(3, None), true),
        ] {
            assert_eq!(now.is_worse_than(shown), must_hear, "{shown:?} {now:?}");
        }
        // What it is called is no matter of when it comes.
        let preorder = Promise { kind: PromiseKind::Preorder, ..shown };
        assert!(!preorder.is_worse_than(Some(shown)));
    }

    #[test]
    fn the_words_are_those_of_the_read_model() {
        for (kind, word) in
            [(PromiseKind::Backorder, "backorder"), (PromiseKind::Preorder, "preorder")]
        {
            assert_eq!((kind.as_str(), word.parse()), (word, Ok(kind)));
            assert_eq!(serde_json::to_value(kind).unwrap(), word);
        }
        assert_eq!("pre_order".parse::<PromiseKind>(), Err(UnknownPromiseKind));
        let text = serde_json::to_value(promise(2, None)).unwrap();
        assert_eq!(text, serde_json::json!({"kind": "backorder", "pieces": 2}));
        assert_eq!(promise(2, None).to_string(), "2 on backorder, once it is here");
        assert_eq!(
            promise(1, Some(1)).to_string(),
            "1 on backorder, from 1970-01-02T00:00:00.000Z"
        );
    }
}
