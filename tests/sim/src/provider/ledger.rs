//! What the simulated provider writes down: intents, the money that moved, and what each key was used for.

use std::collections::BTreeMap;

use domain::Money;
use domain::payment::{Amounts, TestMethod};
use providers::local::Refusal;
use providers::payment::{CaptureMode, Intent, PaymentError, Refund};

use super::ProviderBug;

/// Money that moved at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    In(Money),
    Out(Money),
}

/// An intent with its books.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) intent: Intent,
    pub(crate) key: String,
    /// What its payer plays; nothing until the payer has given a method.
    pub(crate) method: Option<TestMethod>,
    pub(crate) moved: Vec<Moved>,
    pub(super) mode: CaptureMode,
    pub(super) refunds: Vec<Refund>,
    /// How often it changed, for the names of its webhooks.
    pub(super) changes: u32,
}

impl Kept {
    /// Takes the intent as it is now, and notes the money that moved.
    pub(super) fn change(&mut self, intent: Intent, bug: Option<ProviderBug>) {
        let (before, after) = (self.intent.amounts, intent.amounts);
        let more = |amount: fn(Amounts) -> Money| {
            amount(after).checked_sub(amount(before)).ok().filter(|money| money.minor > 0)
        };
        self.moved.extend(more(Amounts::captured).map(Moved::In));
        if bug != Some(ProviderBug::KeepsRefunds) {
            self.moved.extend(more(Amounts::refunded).map(Moved::Out));
        }
        self.intent = intent;
        self.changes += 1;
    }
}

/// Everything that the provider keeps.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) intents: Vec<Kept>,
    /// What each key was used for; used for something else, it is refused.
    pub(super) keys: BTreeMap<String, Use>,
    pub(super) is_gone: bool,
}

/// What a key was used for.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) what: String,
    pub(super) is_done: bool,
}

/// Why it says no.
#[derive(Debug, Clone, Copy)]
pub(super) enum No {
    KeyReused,
    NotFound,
    Refused(Refusal),
}

impl From<No> for PaymentError {
    fn from(no: No) -> Self {
        match no {
            No::KeyReused => Self::KeyReused,
            No::NotFound => Self::NotFound,
            No::Refused(Refusal::NotAllowed) => Self::NotAllowed,
            No::Refused(refusal) => Self::Invalid(refusal.to_string()),
        }
    }
}
