//! A payment as its provider sees it.

use domain::payment::{Amounts, AmountsError, PaymentEvent, PaymentStatus, Report};
use domain::{Money, PaymentId};
use serde::{Deserialize, Serialize};

use super::DeclineCode;
use crate::secret::Secret;

/// A payment as the provider sees it at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Intent {
    /// The provider's name for it.
    pub id: String,
    /// Our name for it.
    pub reference: PaymentId,
    /// How much is to be paid.
    pub amount: Money,
    /// Where it stands.
    pub status: IntentStatus,
    /// How much went where.
    pub amounts: Amounts,
    /// What the payer has to do, while the status is [`IntentStatus::RequiresAction`]. Client secrets do not go over
    /// our own wire.
    pub action: Option<PayerAction>,
    /// Why it was declined, if it was and the provider said.
    pub decline: Option<DeclineCode>,
}

/// What the payer has to do before the provider goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayerAction {
    /// Go to this page of the provider or the bank.
    Redirect {
        /// The page.
        url: String,
    },
    /// Go on in the provider's own field, which needs this secret of the intent.
    ClientSecret {
        /// The secret, for this payer's browser alone.
        secret: Secret,
    },
}

/// Where a payment stands at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentStatus {
    /// Ends later; a webhook tells.
    Processing,
    /// The payer must approve, or give a method first.
    RequiresAction,
    /// The money is held and waits for its capture.
    Authorized,
    /// Some of the money was taken and the rest is held.
    PartiallyCaptured,
    /// The money was taken; what was not has been let go.
    Captured,
    /// Refused.
    Declined,
    /// Given up before money moved.
    Cancelled,
    /// Some of the money went back.
    PartiallyRefunded,
    /// The money went back.
    Refunded,
}

impl IntentStatus {
    /// Every status.
    pub const ALL: [Self; 9] = [
        Self::Processing,
        Self::RequiresAction,
        Self::Authorized,
        Self::PartiallyCaptured,
        Self::Captured,
        Self::Declined,
        Self::Cancelled,
        Self::PartiallyRefunded,
        Self::Refunded,
    ];

    /// Returns the word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.event().status().as_str()
    }

    /// Reads a word of the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Returns what it tells about our payment, in a word.
    #[must_use]
    pub const fn event(self) -> PaymentEvent {
        match self {
            Self::Processing => PaymentEvent::Processing,
            Self::RequiresAction => PaymentEvent::RequiresAction,
            Self::Authorized => PaymentEvent::Authorized,
            Self::PartiallyCaptured => PaymentEvent::PartiallyCaptured,
            Self::Captured => PaymentEvent::Captured,
            Self::Declined => PaymentEvent::Declined,
            Self::Cancelled => PaymentEvent::Cancelled,
            Self::PartiallyRefunded => PaymentEvent::PartiallyRefunded,
            Self::Refunded => PaymentEvent::Refunded,
        }
    }

    /// Returns the status of a payment of which money moved; `None` when none did.
    #[must_use]
    pub const fn of_moved(amounts: Amounts) -> Option<Self> {
        if amounts.captured().minor == 0 {
            return None;
        }
        Some(match (amounts.refunded().minor > 0, amounts.refundable().minor > 0) {
            (true, true) => Self::PartiallyRefunded,
            (true, false) => Self::Refunded,
            (false, _) if amounts.capturable().minor > 0 => Self::PartiallyCaptured,
            (false, _) => Self::Captured,
        })
    }
}

impl Intent {
    /// Makes an intent that is wholly in a state, with nothing for the payer to do.
    #[must_use]
    pub const fn whole(
        id: String,
        reference: PaymentId,
        amount: Money,
        status: IntentStatus,
    ) -> Self {
        let amounts = Amounts::whole(status.event().status(), amount);
        Self { id, reference, amount, status, amounts, action: None, decline: None }
    }

    /// Returns the same intent wholly in another state.
    #[must_use]
    pub fn moved_to(self, status: IntentStatus) -> Self {
        Self::whole(self.id, self.reference, self.amount, status)
    }

    /// Returns what it tells about our payment, with amounts.
    ///
    /// # Errors
    /// [`AmountsError`] when the provider contradicts itself.
    pub fn report(&self) -> Result<Report, AmountsError> {
        Report::new(self.status.event(), self.amount, self.amounts)
    }
}

/// An intent over our own wire. The amounts may be missing: the first local provider did not tell them.
#[derive(Serialize, Deserialize)]
struct Wire {
    id: String,
    reference: PaymentId,
    amount: Money,
    status: IntentStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authorized: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    captured: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    released: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refunded: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redirect_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decline_code: Option<DeclineCode>,
}

impl TryFrom<Wire> for Intent {
    type Error = AmountsError;

    fn try_from(wire: Wire) -> Result<Self, AmountsError> {
        let status: PaymentStatus = wire.status.event().status();
        let amounts = match (wire.authorized, wire.captured, wire.released, wire.refunded) {
            (Some(authorized), Some(captured), Some(released), Some(refunded)) => {
                Amounts::new(authorized, captured, released, refunded)?
            }
            _ => Amounts::whole(status, wire.amount),
        };
        let intent = Self {
            id: wire.id,
            reference: wire.reference,
            amount: wire.amount,
            status: wire.status,
            amounts,
            action: wire.redirect_url.map(|url| PayerAction::Redirect { url }),
            decline: wire.decline_code,
        };
        intent.report()?;
        Ok(intent)
    }
}

impl From<Intent> for Wire {
    fn from(intent: Intent) -> Self {
        let redirect_url = match intent.action {
            Some(PayerAction::Redirect { url }) => Some(url),
            Some(PayerAction::ClientSecret { .. }) | None => None,
        };
        Self {
            id: intent.id,
            reference: intent.reference,
            amount: intent.amount,
            status: intent.status,
            authorized: Some(intent.amounts.authorized()),
            captured: Some(intent.amounts.captured()),
            released: Some(intent.amounts.released()),
            refunded: Some(intent.amounts.refunded()),
            redirect_url,
            decline_code: intent.decline,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Currency;
    use serde_json::json;

    use super::*;

    const REFERENCE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn money(minor: i64) -> Money {
        Money::new(minor, Currency::Eur)
    }

    #[test]
    fn words_read_back() {
        for status in IntentStatus::ALL {
            assert_eq!(IntentStatus::parse(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }

    #[test]
    fn an_intent_goes_over_the_wire_and_back() {
        let amounts = Amounts::new(money(100), money(60), money(40), money(10)).unwrap();
        let intent = Intent {
            amounts,
            action: Some(PayerAction::Redirect { url: "https://bank.example/1".into() }),
            decline: Some(DeclineCode::ExpiredCard),
            ..Intent::whole(
                "pi_1".into(),
                REFERENCE.parse().unwrap(),
                money(100),
                IntentStatus::PartiallyRefunded,
            )
        };
        let json = serde_json::to_string(&intent).unwrap();
        assert_eq!(serde_json::from_str::<Intent>(&json).unwrap(), intent);
    }

    #[test]
    fn an_intent_without_amounts_is_wholly_in_its_state() {
        let amount = json!({"minor": 100, "currency": "EUR"});
        let text =
            json!({"id": "pi_1", "reference": REFERENCE, "amount": amount, "status": "captured"});
        let intent: Intent = serde_json::from_value(text).unwrap();
        assert_eq!(intent.amounts.captured(), money(100));
    }

    #[test]
    fn an_intent_that_contradicts_itself_is_refused() {
        let money = |minor| json!({"minor": minor, "currency": "EUR"});
        for (status, captured) in [("captured", 0), ("declined", 100), ("captured", 101)] {
            let text = json!({"id": "pi_1", "reference": REFERENCE, "amount": money(100), "status": status,
                "authorized": money(100), "captured": money(captured), "released": money(0), "refunded": money(0)});
            assert!(serde_json::from_value::<Intent>(text).is_err(), "{status} {captured}");
        }
    }

    #[test]
    fn a_client_secret_is_neither_printed_nor_sent_on() {
        let secret = Secret::new("pi_1_secret_2".into());
        let mut intent = Intent::whole(
            "pi_1".into(),
            REFERENCE.parse().unwrap(),
            money(1),
            IntentStatus::RequiresAction,
        );
        intent.action = Some(PayerAction::ClientSecret { secret });
        assert!(!format!("{intent:?}").contains("secret_2"));
        assert!(!serde_json::to_string(&intent).unwrap().contains("secret_2"));
    }
}
