//! How a shop can be paid, on the wire, and where the script of Stripe's own field may come from.

use serde::{Deserialize, Serialize};

/// Where Stripe's script is. It must come from there: what is kept elsewhere is not Stripe's (docs.stripe.com/js/including).
pub const STRIPE_JS_URL: &str = "https://js.stripe.com/v3/";
/// The origin of Stripe's script.
const STRIPE_JS_ORIGIN: &str = "https://js.stripe.com/";
/// What the address of a stand-in begins with.
const HERE: &str = "http://127.0.0.1:";

/// Whose script pages may load for a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StripeJs {
    /// Nobody's: the shop shows no field of Stripe's.
    #[default]
    Off,
    /// Stripe's.
    Official,
    /// That of a stand-in on this machine, by its port. For tests.
    Here(u16),
}

/// A text is no address of Stripe's script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be empty, below https://js.stripe.com/, or of a stand-in at http://127.0.0.1:PORT/")]
pub struct NotStripeJs;

impl StripeJs {
    /// Reads a script's address; the empty text is [`StripeJs::Off`].
    ///
    /// # Errors
    /// When it is elsewhere than at Stripe's or on this machine.
    pub fn parse(text: &str) -> Result<Self, NotStripeJs> {
        if text.is_empty() {
            return Ok(Self::Off);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NotStripeJs);
        }
        if text.starts_with(STRIPE_JS_ORIGIN) {
            return Ok(Self::Official);
        }
        let (port, _path) =
            text.strip_prefix(HERE).and_then(|rest| rest.split_once('/')).ok_or(NotStripeJs)?;
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| is_number && *port != 0);
        port.map(Self::Here).ok_or(NotStripeJs)
    }
}

/// Answer of `GET /v1/payment-methods`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMethods {
    /// Who can be asked for money, as a checkout's `payment` names them.
    pub providers: Vec<PaymentOption>,
}

/// A provider, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentOption {
    /// For `payment.provider`.
    pub provider: String,
    /// For `payment.method`. A `token` comes from the provider's own field.
    pub methods: Vec<String>,
    /// How a page shows that field; absent where the operator gave no publishable key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<PaymentField>,
}

/// A provider's own field, which takes card data so that the shop does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentField {
    /// The account's key for browsers; no secret.
    pub publishable_key: String,
    /// The script that shows the field. Never load it from elsewhere.
    pub script_url: String,
    /// `automatic` or `manual`: when money is taken, which the field must know.
    pub capture: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_comes_from_stripe_or_from_this_machine() {
        for (text, expected) in [
            ("", Some(StripeJs::Off)),
            (STRIPE_JS_URL, Some(StripeJs::Official)),
            ("https://js.stripe.com/clover/stripe.js", Some(StripeJs::Official)),
            ("http://127.0.0.1:4711/stripe.js", Some(StripeJs::Here(4711))),
            ("http://js.stripe.com/v3/", None),
            ("https://js.stripe.com", None),
            ("https://js.stripe.com.example/v3/", None),
            ("https://js.stripe.com@example.com/", None),
            ("https://example.com/stripe.js", None),
            ("http://127.0.0.1/stripe.js", None),
            ("http://127.0.0.1:0/stripe.js", None),
            ("http://127.0.0.1:+80/stripe.js", None),
            ("http://127.0.0.1:80", None),
            ("http://127.0.0.1:80@example.com/", None),
            ("http://localhost:80/stripe.js", None),
            ("https://js.stripe.com/v3/ https://example.com", None),
        ] {
            assert_eq!(StripeJs::parse(text).ok(), expected, "{text}");
        }
    }
}
