//! Stripe over HTTP: payment intents and refunds, with tokens or Stripe's own field, never with card data.
//!
//! Every intent carries our name for the payment in its metadata, so that it can be found without an answer and its
//! webhooks know whom they are about. The rules of each part are in the modules below: amounts in [`amount`], what
//! Stripe says and what it means in `object` and `error`, retries in `call`, signed webhooks in [`signature`].
//!
//! Not here: customers, saved methods, disputes, Connect. Stripe's wire is documented at docs.stripe.com/api.

pub mod amount;
mod call;
mod error;
mod event;
pub mod field;
mod form;
mod object;
pub mod signature;

use std::fmt;
use std::time::Duration;

use domain::payment::TestMethod;
use domain::{Money, PaymentId, Timestamp};
use http::{HeaderMap, Method as Verb, Uri};

use crate::payment::{
    BoxFuture, Capture, CaptureMode, Decision, Event, Intent, IntentStatus, Lookup, Method,
    NewIntent, PaymentError, PaymentProvider, Refund, Refunded, Rest,
};
use crate::secret::Secret;
use crate::webhook::WebhookError;

use call::Caller;
use form::{Form, segment};
use object::{Listed, PaymentIntentObject, RefundObject};

/// Where Stripe is, unless configured otherwise.
pub const BASE_DEFAULT: &str = "https://api.stripe.com";
/// The version of Stripe's API that is asked for, whatever the account's own is.
pub const API_VERSION: &str = "2024-06-20";
/// The key of an intent's metadata that has our name for the payment.
const REFERENCE: &str = "vitrine_reference";
/// The key of the metadata that has our idempotency key.
const KEY: &str = "vitrine_key";
/// What the names of Stripe's confirmation tokens begin with.
const CONFIRMATION_TOKEN_PREFIX: &str = "ctoken_";
/// Intents on one page of a list: 100, Stripe's largest.
const PAGE: usize = 100;
/// Pages looked through for an intent that the search does not know yet: 10. A shop with more than 1 000 payments in
/// an hour gets [`PaymentError::Unknown`] in place of a certain "there is none".
const PAGES_MAX: usize = 10;
/// How far Stripe's search may be behind its lists: an hour. Usually it is less than a minute.
const SEARCH_LAG_S: i64 = 3_600;
/// How far our clock may be ahead of Stripe's: 5 minutes.
const CLOCK_SKEW_S: i64 = 300;

/// How to reach Stripe.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where Stripe is: [`BASE_DEFAULT`], or a stand-in. Plain HTTP only on this machine.
    pub base: String,
    /// The account's secret key, `sk_live_…`, `sk_test_…`, or a restricted one.
    pub key: Secret,
    /// The signing secrets of our webhook endpoint, `whsec_…`: two while one is being changed.
    pub webhook_secrets: Vec<Secret>,
    /// The longest that one call may take, with its retries.
    pub deadline: Duration,
}

/// Settings that cannot be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The address is none, has a path, or is plain HTTP to another machine: the key would be read on the way.
    #[error("Stripe's address must be an https URL without a path")]
    Base,
    /// The key is not one for a server.
    #[error("Stripe's key must begin with sk_ or rk_")]
    Key,
    /// There is no secret to check webhooks with.
    #[error("there is no secret for Stripe's webhooks")]
    WebhookSecret,
}

/// Stripe as a payment provider.
pub struct Stripe {
    caller: Caller,
    is_test: bool,
    webhook_secrets: Vec<Secret>,
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stripe({}, ***)", self.caller.base())
    }
}

impl Stripe {
    /// Makes a client.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let base = settings.base.trim_end_matches('/');
        let uri: Uri = base.parse().map_err(|_not_a_url| SettingsError::Base)?;
        let host = uri.host().unwrap_or_default();
        let is_here = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
        let is_secure = uri.scheme_str() == Some("https");
        let is_plain_here = uri.scheme_str() == Some("http") && is_here;
        if host.is_empty() || !matches!(uri.path(), "" | "/") || !(is_secure || is_plain_here) {
            return Err(SettingsError::Base);
        }
        let key = settings.key.expose();
        let is_test = is_test_key(&settings.key);
        let is_printable = key.bytes().all(|byte| byte.is_ascii_graphic());
        if !(key.starts_with("sk_") || key.starts_with("rk_")) || !is_printable {
            return Err(SettingsError::Key);
        }
        let is_empty = |secret: &Secret| secret.expose().is_empty();
        if settings.webhook_secrets.is_empty() || settings.webhook_secrets.iter().any(is_empty) {
            return Err(SettingsError::WebhookSecret);
        }
        Ok(Self {
            caller: Caller::new(base.to_owned(), settings.key, settings.deadline),
            is_test,
            webhook_secrets: settings.webhook_secrets,
        })
    }

    /// Names a method as Stripe does, with the parameter that takes it; `None` when the payer gives one on Stripe's field.
    fn method(&self, method: &Method) -> Result<Option<(&'static str, String)>, PaymentError> {
        let test = match method {
            Method::Hosted => return Ok(None),
            Method::Token(token) => {
                let token = token.as_str();
                // What Stripe's field makes: a token for one confirmation, or a method by its name.
                let is_confirmation = token.starts_with(CONFIRMATION_TOKEN_PREFIX);
                let name = if is_confirmation { "confirmation_token" } else { "payment_method" };
                return Ok(Some((name, token.to_owned())));
            }
            Method::Test(test) => *test,
        };
        let name = match test {
            TestMethod::Success => "pm_card_visa",
            TestMethod::Decline => "pm_card_chargeDeclined",
            TestMethod::RequiresAction => "pm_card_threeDSecure2Required",
            // Stripe plays neither.
            TestMethod::Late | TestMethod::Timeout => {
                return Err(PaymentError::Invalid("test_method".to_owned()));
            }
        };
        if !self.is_test {
            return Err(PaymentError::Invalid("test_method_in_live_mode".to_owned()));
        }
        Ok(Some(("payment_method", name.to_owned())))
    }

    async fn create_intent(&self, key: &str, new: NewIntent) -> Result<Intent, PaymentError> {
        let mut form = Form::new();
        form.add("amount", amount::to_wire(new.amount)?.to_string());
        form.add("currency", new.amount.currency.code().to_ascii_lowercase());
        form.add(
            "capture_method",
            match new.capture {
                CaptureMode::Automatic => "automatic",
                CaptureMode::Manual => "manual",
            },
        );
        form.add(&format!("metadata[{REFERENCE}]"), new.reference.to_string());
        form.add(&format!("metadata[{KEY}]"), key);
        form.add("automatic_payment_methods[enabled]", "true");
        if let Some((name, method)) = self.method(&new.method)? {
            form.add(name, method);
            form.add("confirm", "true");
            if let Some(url) = new.return_url {
                form.add("return_url", url);
            } else {
                // Without a page to come back to, methods that lead away cannot be offered.
                form.add("automatic_payment_methods[allow_redirects]", "never");
            }
        }
        form.add("expand[]", "latest_charge");
        let answer = self.caller.post("/v1/payment_intents", key, form).await?;
        // A refused card leaves its intent in the error: an answer about a payment like any other.
        let intent = answer.object::<PaymentIntentObject>()?.intent(REFERENCE)?;
        intent.ok_or_else(|| PaymentError::unknown("an intent without our reference"))
    }

    /// Posts to an intent and reads it as it is then.
    async fn change(
        &self,
        key: &str,
        id: &str,
        operation: &str,
        mut form: Form,
    ) -> Result<Intent, PaymentError> {
        form.add("expand[]", "latest_charge");
        let path = format!("/v1/payment_intents/{}/{operation}", segment(id));
        let answer = self.caller.post(&path, key, form).await?;
        known(answer.object::<PaymentIntentObject>()?)
    }

    async fn retrieve(&self, id: &str) -> Result<Intent, PaymentError> {
        known(self.retrieve_object(id).await?)
    }

    async fn retrieve_object(&self, id: &str) -> Result<PaymentIntentObject, PaymentError> {
        let path = format!("/v1/payment_intents/{}", segment(id));
        let mut query = Form::new();
        query.add("expand[]", "latest_charge");
        self.caller.get(&path, query).await?.object()
    }

    /// Finds an intent by our name: Stripe's search first, which is behind; then its list, which is not.
    async fn find(&self, reference: PaymentId) -> Result<Option<Intent>, PaymentError> {
        let mut query = Form::new();
        query.add("query", format!("metadata['{REFERENCE}']:'{reference}'"));
        query.add("limit", "1");
        let found = match self.caller.get("/v1/payment_intents/search", query).await {
            Ok(answer) => answer.object::<Listed<PaymentIntentObject>>()?.data.into_iter().next(),
            // Not every account may search; the list knows as well.
            Err(PaymentError::Invalid(_) | PaymentError::NotFound) => None,
            Err(error) => return Err(error),
        };
        if let Some(found) = found {
            // What the search knows of it may be old.
            return self.retrieve(&found.id).await.map(Some);
        }
        self.scan(reference).await
    }

    /// Looks through the newest intents, back to before the payment was written down or to where the search has been.
    async fn scan(&self, reference: PaymentId) -> Result<Option<Intent>, PaymentError> {
        let since_s = made_at_s(reference).saturating_sub(CLOCK_SKEW_S);
        let (mut last, mut searched_until_s) = (None::<String>, None);
        for _ in 0..PAGES_MAX {
            let mut query = Form::new();
            query.add("limit", PAGE.to_string());
            query.add("created[gte]", since_s.to_string());
            query.add("expand[]", "data.latest_charge");
            if let Some(last) = &last {
                query.add("starting_after", last.as_str());
            }
            let page = self.caller.get("/v1/payment_intents", query).await?;
            let page = page.object::<Listed<PaymentIntentObject>>()?;
            let newest_s = page.data.first().map(|object| object.created);
            let searched_s = *searched_until_s
                .get_or_insert_with(|| newest_s.unwrap_or(0).saturating_sub(SEARCH_LAG_S));
            let oldest = page.data.last().map(|object| (object.id.clone(), object.created));
            for object in page.data {
                if let Some(intent) = object.intent(REFERENCE)?
                    && intent.reference == reference
                {
                    return Ok(Some(intent));
                }
            }
            match oldest {
                Some((id, created_s)) if page.has_more && created_s >= searched_s => {
                    last = Some(id);
                }
                _ => return Ok(None),
            }
        }
        Err(PaymentError::unknown("too many newer payments to look through"))
    }

    async fn cancel_intent(&self, key: &str, id: &str) -> Result<Intent, PaymentError> {
        match self.change(key, id, "cancel", Form::new()).await {
            // It has ended otherwise: how, it says itself.
            Err(PaymentError::NotAllowed) => self.retrieve(id).await,
            answer => answer,
        }
    }

    async fn act_on(
        &self,
        key: &str,
        id: &str,
        decision: Decision,
    ) -> Result<Intent, PaymentError> {
        match decision {
            Decision::Reject => self.cancel_intent(key, id).await,
            Decision::Approve => {
                let object = self.retrieve_object(id).await?;
                if object.status == "requires_confirmation" {
                    return self.change(key, id, "confirm", Form::new()).await;
                }
                known(object)
            }
        }
    }

    async fn refund_intent(
        &self,
        key: &str,
        id: &str,
        asked: Option<Money>,
    ) -> Result<Refunded, PaymentError> {
        let mut form = Form::new();
        form.add("payment_intent", id);
        if let Some(amount) = asked {
            form.add("amount", amount::to_wire(amount)?.to_string());
        }
        form.add(&format!("metadata[{KEY}]"), key);
        form.add("expand[]", "payment_intent.latest_charge");
        let object: RefundObject = match self.caller.post("/v1/refunds", key, form).await {
            Ok(answer) => answer.object()?,
            // All of it went back before, maybe by this very call: that is what was asked for.
            Err(PaymentError::NotAllowed) if asked.is_none() => {
                return self.refunded_before(id).await;
            }
            Err(error) => return Err(error),
        };
        let refund = object.refund(KEY)?;
        let intent = match object.payment_intent.and_then(object::Expandable::object) {
            Some(intent) => known(intent)?,
            None => self.retrieve(id).await?,
        };
        Ok(Refunded { refund, intent })
    }

    async fn refunded_before(&self, id: &str) -> Result<Refunded, PaymentError> {
        let intent = self.retrieve(id).await?;
        let newest = self.list_refunds(id).await?.into_iter().next();
        match newest {
            Some(refund) if intent.status == IntentStatus::Refunded => {
                Ok(Refunded { refund, intent })
            }
            _ => Err(PaymentError::NotAllowed),
        }
    }

    async fn list_refunds(&self, id: &str) -> Result<Vec<Refund>, PaymentError> {
        let mut query = Form::new();
        query.add("payment_intent", id);
        query.add("limit", PAGE.to_string());
        let answer = self.caller.get("/v1/refunds", query).await?;
        let listed = answer.object::<Listed<RefundObject>>()?;
        listed.data.iter().map(|object| object.refund(KEY)).collect()
    }
}

/// Reads an intent that must be one of ours.
fn known(object: PaymentIntentObject) -> Result<Intent, PaymentError> {
    object.intent(REFERENCE)?.ok_or(PaymentError::NotFound)
}

/// Tells whether a key is one of the account's test mode, in which no money moves.
fn is_test_key(key: &Secret) -> bool {
    let key = key.expose();
    key.starts_with("sk_test_") || key.starts_with("rk_test_")
}

/// Returns when a payment was written down, by its name (UUIDv7, RFC 9562 section 5.7), in seconds since 1970.
fn made_at_s(reference: PaymentId) -> i64 {
    let [a, b, c, d, e, f, ..] = *reference.as_bytes();
    i64::from_be_bytes([0, 0, a, b, c, d, e, f]) / 1_000
}

impl PaymentProvider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn accepts(&self, method: &Method) -> Result<(), PaymentError> {
        self.method(method).map(drop)
    }

    fn create(
        &self,
        key: String,
        intent: NewIntent,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move { self.caller.within(self.create_intent(&key, intent)).await })
    }

    fn confirm(
        &self,
        key: String,
        id: String,
        method: Method,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move {
            let mut form = Form::new();
            if let Some((name, method)) = self.method(&method)? {
                form.add(name, method);
            }
            self.caller.within(self.change(&key, &id, "confirm", form)).await
        })
    }

    fn lookup(&self, by: Lookup) -> BoxFuture<'_, Result<Option<Intent>, PaymentError>> {
        Box::pin(async move {
            match by {
                Lookup::Ours { reference, .. } => self.caller.within(self.find(reference)).await,
                Lookup::Id(id) => match self.caller.within(self.retrieve(&id)).await {
                    Ok(intent) => Ok(Some(intent)),
                    Err(PaymentError::NotFound) => Ok(None),
                    Err(error) => Err(error),
                },
            }
        })
    }

    fn act(
        &self,
        key: String,
        id: String,
        decision: Decision,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move { self.caller.within(self.act_on(&key, &id, decision)).await })
    }

    fn capture(
        &self,
        key: String,
        id: String,
        capture: Capture,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move {
            let mut form = Form::new();
            if let Some(amount) = capture.amount {
                form.add("amount_to_capture", amount::to_wire(amount)?.to_string());
            }
            if capture.rest == Rest::Keep {
                form.add("final_capture", "false");
            }
            self.caller.within(self.change(&key, &id, "capture", form)).await
        })
    }

    fn cancel(&self, key: String, id: String) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move { self.caller.within(self.cancel_intent(&key, &id)).await })
    }

    fn refund(
        &self,
        key: String,
        id: String,
        amount: Option<Money>,
    ) -> BoxFuture<'_, Result<Refunded, PaymentError>> {
        Box::pin(async move { self.caller.within(self.refund_intent(&key, &id, amount)).await })
    }

    fn refunds(&self, id: String) -> BoxFuture<'_, Result<Vec<Refund>, PaymentError>> {
        Box::pin(async move { self.caller.within(self.list_refunds(&id)).await })
    }

    fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Event, WebhookError> {
        let header = headers.get(signature::HEADER).ok_or(WebhookError::Malformed)?;
        let header = header.to_str().map_err(|_not_text| WebhookError::Malformed)?;
        signature::verify(&self.webhook_secrets, header, body, now)?;
        event::read(body, REFERENCE, KEY)
    }
}

/// Whether a call changes something, and under which key.
const fn verb(key: Option<&str>) -> Verb {
    if key.is_some() { Verb::POST } else { Verb::GET }
}

#[cfg(test)]
mod tests;
