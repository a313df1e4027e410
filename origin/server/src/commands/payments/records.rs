//! Between the provider's records and its rules.

use domain::Timestamp;
use providers::local::{self, Refusal, Wish};
use providers::payment::{
    CaptureMode, DeclineCode, Intent, IntentStatus, PayerAction, Refund, RefundStatus,
};
use providers::webhook::PaymentWebhook;
use store::payments_db::{Change, IntentRow, NewDelivery, RefundRow};

use super::{No, Provider};
use crate::secret::random_hex;

/// What a word of the records must be.
const CORRUPT: &str = "internal";

/// Makes a name.
pub(super) fn name(prefix: &str) -> Result<String, No> {
    random_hex::<16>().map(|hex| format!("{prefix}_{hex}")).map_err(|_none| No::INTERNAL)
}

/// Reads an intent out of its record.
pub(super) fn intent(provider: &Provider, row: &IntentRow) -> Result<Intent, No> {
    let status = IntentStatus::parse(&row.status).ok_or(No::INTERNAL)?;
    let url = || format!("{}/3ds/{}", provider.public_url, row.id);
    let is_waiting = status == IntentStatus::RequiresAction;
    Ok(Intent {
        id: row.id.clone(),
        reference: row.reference.parse().map_err(|_invalid| No::INTERNAL)?,
        amount: row.amount,
        status,
        amounts: row.amounts,
        action: is_waiting.then(|| PayerAction::Redirect { url: url() }),
        decline: row.decline_code.as_deref().and_then(DeclineCode::parse),
    })
}

pub(super) fn refund(row: RefundRow) -> Refund {
    let RefundRow { id, key, amount } = row;
    Refund { id, key: Some(key), amount, status: RefundStatus::Succeeded }
}

fn mode(row: &IntentRow) -> CaptureMode {
    if row.capture == "manual" { CaptureMode::Manual } else { CaptureMode::Automatic }
}

/// Writes an intent's state into its record.
pub(super) fn update(
    provider: &Provider,
    row: &IntentRow,
    intent: &Intent,
    now: Timestamp,
) -> IntentRow {
    let is_held = intent.amounts.capturable().minor > 0;
    let due_at = match intent.status {
        IntentStatus::Processing => Some(now.after(provider.late)),
        // The clock of an authorization starts once.
        _ if is_held => {
            let is_new = row.amounts.capturable().minor == 0;
            if is_new { Some(now.after(provider.authorization_life)) } else { row.due_at }
        }
        _ => None,
    };
    IntentRow {
        status: intent.status.as_str().to_owned(),
        amounts: intent.amounts,
        decline_code: intent.decline.map(|code| code.as_str().to_owned()),
        due_at,
        ..row.clone()
    }
}

/// Returns what is told of an intent: nothing of one that goes on by itself, once or more of every other.
pub(super) fn told(
    provider: &Provider,
    intent: &Intent,
    now: Timestamp,
) -> Result<Vec<NewDelivery>, No> {
    if matches!(intent.status, IntentStatus::Processing | IntentStatus::RequiresAction) {
        return Ok(Vec::new());
    }
    let body = serde_json::to_string(&PaymentWebhook::about(intent.clone(), now))
        .map_err(|_unwritable| No::INTERNAL)?;
    let event = name("evt")?;
    let deliver = |delay| NewDelivery { event: event.clone(), body: body.clone(), delay };
    Ok(provider.switchboard.webhook_delays()?.into_iter().map(deliver).collect())
}

/// Carries a wish out on a record; the error is the word that refuses it.
pub(super) fn change(
    provider: &Provider,
    row: &IntentRow,
    wish: Wish,
    key: Option<&str>,
) -> Result<Change, &'static str> {
    let now = provider.clock.now();
    let before = intent(provider, row).map_err(|_corrupt| CORRUPT)?;
    let after = local::advance(&before, mode(row), wish).map_err(word)?;
    if after == before {
        return Ok(Change { intent: row.clone(), refund: None, deliveries: Vec::new() });
    }
    let refund = match (wish, key) {
        (Wish::Refund(_), Some(key)) => {
            let amount = after.amounts.refunded().checked_sub(before.amounts.refunded());
            Some(RefundRow {
                id: name("re").map_err(|_none| CORRUPT)?,
                key: key.to_owned(),
                amount: amount.map_err(|_out_of_range| CORRUPT)?,
            })
        }
        _ => None,
    };
    let deliveries = told(provider, &after, now).map_err(|_fault| CORRUPT)?;
    Ok(Change { intent: update(provider, row, &after, now), refund, deliveries })
}

/// Does what an intent does by itself when it is due: a late one settles, an authorization expires.
pub(crate) fn by_itself(provider: &Provider, row: &IntentRow) -> Option<Change> {
    let is_late = IntentStatus::parse(&row.status) == Some(IntentStatus::Processing);
    change(provider, row, if is_late { Wish::Settle } else { Wish::Expire }, None).ok()
}

/// Returns a refusal's word on the wire.
pub(super) const fn word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NotAllowed => "not-allowed",
        Refusal::InvalidAmount => "invalid-amount",
        Refusal::UnknownToken => "unknown-token",
    }
}
