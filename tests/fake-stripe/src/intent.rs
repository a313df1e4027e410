//! An intent with its charge and its refunds, and how the API shows them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A refund.
#[derive(Debug, Clone)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) status: &'static str,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) created_s: i64,
}

/// An intent.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) is_manual: bool,
    pub(crate) status: &'static str,
    pub(crate) capturable: i64,
    pub(crate) received: i64,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) method: Option<String>,
    pub(crate) return_url: Option<String>,
    pub(crate) error: Option<(&'static str, &'static str)>,
    pub(crate) charge: Option<String>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) created_s: i64,
    pub(crate) is_searchable: bool,
    /// Whether the bank asks in Stripe's own field and not on its page: what a page's Stripe.js has made is so.
    pub(crate) is_asked_by_sdk: bool,
    /// Where the bank's page is.
    pub(crate) page: String,
}

impl Intent {
    pub(crate) fn client_secret(&self) -> String {
        format!("{}_secret_fake", self.id)
    }

    /// What was held and let go without being taken.
    pub(crate) const fn let_go(&self) -> i64 {
        if matches!(self.status.as_bytes(), b"succeeded") { self.amount - self.received } else { 0 }
    }

    pub(crate) fn refunded(&self) -> i64 {
        let counts = |refund: &&Refund| !matches!(refund.status, "failed" | "canceled");
        self.refunds.iter().filter(counts).map(|refund| refund.amount).sum()
    }

    pub(crate) fn json(&self, expands_charge: bool) -> Value {
        let charge = match &self.charge {
            Some(id) if !expands_charge => json!(id),
            Some(_) => self.charge_json(),
            None => Value::Null,
        };
        let is_page = !self.is_asked_by_sdk || self.method.as_deref() == Some("pm_ideal");
        let next_action = match (self.status, self.return_url.as_ref().filter(|_| is_page)) {
            ("requires_action", Some(url)) => json!({"type": "redirect_to_url",
                "redirect_to_url": {"url": self.page, "return_url": url}}),
            ("requires_action", None) => {
                json!({"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}})
            }
            _ => Value::Null,
        };
        let error = self.error.map(|(code, decline_code)| {
            json!({"type": "card_error", "code": code, "decline_code": decline_code,
                "message": "Your card was declined."})
        });
        let canceled_at = (self.status == "canceled").then_some(self.created_s);
        json!({"id": self.id, "object": "payment_intent", "amount": self.amount, "amount_capturable": self.capturable,
            "amount_received": self.received, "canceled_at": canceled_at, "cancellation_reason": null,
            "capture_method": if self.is_manual { "manual" } else { "automatic" },
            "client_secret": self.client_secret(), "confirmation_method": "automatic", "created": self.created_s,
            "currency": self.currency, "last_payment_error": error, "latest_charge": charge, "livemode": false,
            "metadata": self.metadata, "next_action": next_action, "payment_method": self.method,
            "payment_method_types": ["card"], "status": self.status})
    }

    /// The charge: what a partial capture let go counts as refunded.
    pub(crate) fn charge_json(&self) -> Value {
        let refunded = self.refunded() + self.let_go();
        json!({"id": self.charge, "object": "charge", "amount": self.amount, "amount_captured": self.received,
            "amount_refunded": refunded, "captured": self.received > 0, "created": self.created_s,
            "currency": self.currency, "livemode": false, "metadata": self.metadata, "paid": true,
            "payment_intent": self.id, "refunded": refunded == self.amount, "status": "succeeded"})
    }

    pub(crate) fn refund_json(&self, refund: &Refund, intent: Value) -> Value {
        json!({"id": refund.id, "object": "refund", "amount": refund.amount, "charge": self.charge,
            "created": refund.created_s, "currency": self.currency, "metadata": refund.metadata,
            "payment_intent": intent, "reason": null, "status": refund.status})
    }
}
