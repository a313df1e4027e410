//! The local payment provider's rules: what each method does, and which moves an intent allows. Pure.
//!
//! The provider runs as its own process with its own records, so that everything that can go wrong between a shop and
//! a provider can go wrong here too: slow answers, lost answers, webhooks late, twice and out of order.
//! [`switches`] says what goes wrong on demand.

pub mod switches;

use std::time::Duration;

use domain::Money;
use domain::payment::{Amounts, TestMethod};

use crate::payment::{
    Capture, CaptureMode, Decision, DeclineCode, Intent, IntentStatus, Method, NewIntent, Rest,
};

/// How long after its creation a `late` intent is captured: 2 s unless configured otherwise.
pub const LATE_DEFAULT: Duration = Duration::from_secs(2);
/// How long the answer about a `timeout` intent is held back: 30 s, longer than any caller waits.
pub const TIMEOUT_HELD: Duration = Duration::from_secs(30);
/// How long an authorization lives unless configured otherwise: 7 days, as at most banks.
pub const AUTHORIZATION_LIFE_DEFAULT: Duration = Duration::from_hours(7 * 24);
/// First pause after a webhook that was not taken: 500 ms; it doubles.
const WEBHOOK_PAUSE_FIRST: Duration = Duration::from_millis(500);
/// Longest pause between two attempts: 60 s.
const WEBHOOK_PAUSE_MAX: Duration = Duration::from_mins(1);
/// What the tokens of this provider begin with; a test method's word follows.
const TOKEN_PREFIX: &str = "tok_";

/// Why the provider says no. The words are those of its wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The intent's state does not allow it.
    #[error("not-allowed")]
    NotAllowed,
    /// The amount is of another currency, not above zero, or more than there is.
    #[error("invalid-amount")]
    InvalidAmount,
    /// The token is none of this provider's.
    #[error("unknown-token")]
    UnknownToken,
}

/// Reads a method as one of the test methods; `None` when the payer has yet to give one.
///
/// # Errors
/// [`Refusal::UnknownToken`].
pub fn played(method: &Method) -> Result<Option<TestMethod>, Refusal> {
    match method {
        Method::Test(method) => Ok(Some(*method)),
        Method::Hosted => Ok(None),
        Method::Token(token) => {
            let word = token.as_str().strip_prefix(TOKEN_PREFIX);
            let method = word.and_then(|word| word.parse().ok());
            method.map(Some).ok_or(Refusal::UnknownToken)
        }
    }
}

/// What somebody wants of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The payer gave a method, and this is what it plays.
    Confirm(TestMethod),
    /// The payer decided.
    Act(Decision),
    /// The shop takes what is held.
    Capture(Capture),
    /// The shop gives up, or lets the rest go.
    Cancel,
    /// The shop gives money back: so much, or all that is left.
    Refund(Option<Money>),
    /// A late payment's time has come.
    Settle,
    /// An authorization's time is over.
    Expire,
}

/// Makes an intent as it is after its creation.
///
/// # Errors
/// [`Refusal::InvalidAmount`] for one below zero, [`Refusal::UnknownToken`].
pub fn create(new: &NewIntent, id: String) -> Result<Intent, Refusal> {
    if new.amount.minor < 0 {
        return Err(Refusal::InvalidAmount);
    }
    let waiting = Intent::whole(id, new.reference, new.amount, IntentStatus::RequiresAction);
    match played(&new.method)? {
        Some(method) => Ok(confirmed(&waiting, new.capture, method)),
        None => Ok(waiting),
    }
}

/// Returns the intent after a wish. The same intent: nothing changes, which is no error.
///
/// # Errors
/// See [`Refusal`].
pub fn advance(intent: &Intent, mode: CaptureMode, wish: Wish) -> Result<Intent, Refusal> {
    use IntentStatus as S;
    match (intent.status, wish) {
        (S::RequiresAction | S::Declined, Wish::Confirm(method)) => {
            Ok(confirmed(intent, mode, method))
        }
        (S::RequiresAction, Wish::Act(Decision::Approve)) | (S::Processing, Wish::Settle) => {
            Ok(paid(intent, mode))
        }
        (S::RequiresAction, Wish::Act(Decision::Reject)) => {
            Ok(declined(intent, DeclineCode::AuthenticationFailed))
        }
        (S::RequiresAction | S::Processing, Wish::Cancel) => {
            Ok(intent.clone().moved_to(S::Cancelled))
        }
        (S::Authorized | S::PartiallyCaptured, Wish::Cancel | Wish::Expire) => released(intent),
        (S::Authorized | S::PartiallyCaptured, Wish::Capture(capture)) => captured(intent, capture),
        (
            S::Captured | S::PartiallyCaptured | S::PartiallyRefunded | S::Refunded,
            Wish::Refund(amount),
        ) => refunded(intent, amount),
        // Partly refunded may mean partly captured, too: the rest can still be let go or taken.
        (S::PartiallyRefunded | S::Refunded, Wish::Cancel | Wish::Expire) => released(intent),
        (S::PartiallyRefunded | S::Refunded, Wish::Capture(capture))
            if intent.amounts.capturable().minor > 0 =>
        {
            captured(intent, capture)
        }
        (S::Captured | S::Declined | S::Cancelled, Wish::Cancel) => Ok(intent.clone()),
        _ => Err(Refusal::NotAllowed),
    }
}

fn confirmed(intent: &Intent, mode: CaptureMode, method: TestMethod) -> Intent {
    match method {
        TestMethod::Success | TestMethod::Timeout => paid(intent, mode),
        TestMethod::Decline => declined(intent, DeclineCode::Declined),
        TestMethod::RequiresAction => intent.clone().moved_to(IntentStatus::RequiresAction),
        TestMethod::Late => intent.clone().moved_to(IntentStatus::Processing),
    }
}

fn paid(intent: &Intent, mode: CaptureMode) -> Intent {
    intent.clone().moved_to(match mode {
        CaptureMode::Automatic => IntentStatus::Captured,
        CaptureMode::Manual => IntentStatus::Authorized,
    })
}

fn declined(intent: &Intent, code: DeclineCode) -> Intent {
    Intent { decline: Some(code), ..intent.clone().moved_to(IntentStatus::Declined) }
}

/// Takes some of what is held; the rest is let go unless it is to be kept.
fn captured(intent: &Intent, capture: Capture) -> Result<Intent, Refusal> {
    let held = intent.amounts.capturable();
    let amount = part(capture.amount, held)?;
    let before = intent.amounts;
    let captured = before.captured().checked_add(amount).map_err(|_| Refusal::InvalidAmount)?;
    let released = match capture.rest {
        Rest::Keep => before.released(),
        Rest::Release => before
            .authorized()
            .checked_sub(captured)
            .map_err(|_out_of_range| Refusal::InvalidAmount)?,
    };
    with(intent, captured, released, before.refunded())
}

/// Lets what is held go: all of it voids the payment.
fn released(intent: &Intent) -> Result<Intent, Refusal> {
    let before = intent.amounts;
    if before.authorized().minor == 0 {
        return Ok(intent.clone().moved_to(IntentStatus::Cancelled));
    }
    let released = before
        .authorized()
        .checked_sub(before.captured())
        .map_err(|_out_of_range| Refusal::InvalidAmount)?;
    with(intent, before.captured(), released, before.refunded())
}

fn refunded(intent: &Intent, amount: Option<Money>) -> Result<Intent, Refusal> {
    let before = intent.amounts;
    let left = before.refundable();
    // Asked to give back all that is left of nothing: a payment that went back, or one of nothing.
    if amount.is_none() && left.minor == 0 {
        return Ok(if before.captured().minor == 0 {
            intent.clone().moved_to(IntentStatus::Refunded)
        } else {
            intent.clone()
        });
    }
    let amount = part(amount, left)?;
    let refunded = before.refunded().checked_add(amount).map_err(|_| Refusal::InvalidAmount)?;
    with(intent, before.captured(), before.released(), refunded)
}

/// Returns the part that is asked for, or all.
fn part(asked: Option<Money>, all: Money) -> Result<Money, Refusal> {
    let amount = asked.unwrap_or(all);
    let is_right = amount.currency == all.currency
        && amount.minor <= all.minor
        && (amount.minor > 0 || (asked.is_none() && all.minor == 0));
    is_right.then_some(amount).ok_or(Refusal::InvalidAmount)
}

fn with(
    intent: &Intent,
    captured: Money,
    released: Money,
    refunded: Money,
) -> Result<Intent, Refusal> {
    let amounts = Amounts::new(intent.amounts.authorized(), captured, released, refunded)
        .map_err(|_unbalanced| Refusal::InvalidAmount)?;
    let is_free = intent.amount.minor == 0;
    let status = match IntentStatus::of_moved(amounts) {
        Some(status) => status,
        None if is_free && released.minor == 0 => IntentStatus::Captured,
        None if amounts.capturable().minor > 0 => IntentStatus::Authorized,
        None => IntentStatus::Cancelled,
    };
    Ok(Intent { status, amounts, action: None, decline: None, ..intent.clone() })
}

/// Returns the pause after the `attempts`-th attempt (from 0) to deliver a webhook.
#[must_use]
pub fn webhook_pause(attempts: u32) -> Duration {
    WEBHOOK_PAUSE_FIRST.saturating_mul(1 << attempts.min(10)).min(WEBHOOK_PAUSE_MAX)
}

#[cfg(test)]
mod tests;
