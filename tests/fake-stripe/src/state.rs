//! What it knows, and what each request does.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::Fault;
use crate::answer::{Answer, Answered, declined, invalid, missing, unexpected};
use crate::card::{Card, card};
use crate::form::Form;
use crate::intent::{Intent, Refund};

/// Largest amount: eight digits.
const AMOUNT_MAX: i64 = 99_999_999;
/// Currencies with three decimals, whose last digit must be 0.
const THREE_DECIMALS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// A key that was used.
#[derive(Debug, Clone)]
pub(crate) struct Used {
    pub(crate) request: String,
    /// `None` while it is being worked on.
    pub(crate) answer: Option<Answer>,
}

/// What a page's Stripe.js has made of what the payer typed: good for one confirmation of exactly this.
#[derive(Debug, Clone)]
pub(crate) struct ConfirmationToken {
    pub(crate) method: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) is_manual: bool,
    pub(crate) is_used: bool,
}

/// Everything.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) base: String,
    pub(crate) intents: Vec<Intent>,
    pub(crate) keys: BTreeMap<String, Used>,
    pub(crate) events: Vec<String>,
    pub(crate) requests: Vec<String>,
    pub(crate) faults: Vec<(String, Fault)>,
    pub(crate) is_search_behind: bool,
    tokens: BTreeMap<String, ConfirmationToken>,
    names: usize,
}

pub(crate) fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl State {
    /// A name as Stripe gives them: letters and digits after a prefix.
    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}_3Fake{}x", self.names)
    }

    fn place(&self, id: &str) -> Result<usize, Answer> {
        self.intents
            .iter()
            .position(|intent| intent.id == id)
            .ok_or_else(|| missing(&format!("payment_intent: '{id}'")))
    }

    fn tell(&mut self, kind: &str, object: Value) {
        let id = self.name("evt");
        let event = json!({"id": id, "object": "event", "api_version": "2024-06-20", "created": now_s(),
            "data": {"object": object}, "livemode": false, "pending_webhooks": 1, "type": kind,
            "request": {"id": null, "idempotency_key": null}});
        self.events.push(event.to_string());
    }

    fn tell_intent(&mut self, kind: &str, place: usize) {
        let object = self.intents[place].json(false);
        self.tell(&format!("payment_intent.{kind}"), object);
    }

    pub(crate) fn create(&mut self, form: &Form) -> Answered {
        let allowed = [
            "amount",
            "currency",
            "capture_method",
            "metadata[",
            "automatic_payment_methods[enabled]",
            "automatic_payment_methods[allow_redirects]",
            "payment_method",
            "confirmation_token",
            "confirm",
            "return_url",
            "expand[",
        ];
        check(form, &allowed)?;
        let currency =
            form.find("currency").ok_or_else(|| invalid("currency", "parameter_missing"))?;
        let amount = amount(form, "amount", currency)?;
        let amount = amount.ok_or_else(|| invalid("amount", "parameter_missing"))?;
        let is_manual = match form.find("capture_method") {
            Some("manual") => true,
            None | Some("automatic" | "automatic_async") => false,
            Some(_) => return Err(invalid("capture_method", "parameter_invalid_enum")),
        };
        let returns = form.find("return_url");
        let redirects = form.find("automatic_payment_methods[allow_redirects]");
        if returns.is_some() && (redirects == Some("never") || form.find("confirm").is_none()) {
            return Err(invalid("return_url", "parameter_invalid"));
        }
        let made = form.find("confirmation_token").filter(|name| self.tokens.contains_key(*name));
        let made = made.map(str::to_owned);
        let method = match &made {
            Some(name) => Some(self.use_token(name, amount, currency, is_manual, returns)?),
            None => method_of(form)?,
        };
        let is_confirmed = form.find("confirm") == Some("true");
        if is_confirmed && method.is_none() {
            return Err(unexpected("payment_intent_unexpected_state", None));
        }
        let (id, created_s) = (self.name("pi"), now_s());
        self.intents.push(Intent {
            page: format!("{}/fake/3ds/{id}", self.base),
            id,
            amount,
            currency: currency.to_owned(),
            is_manual,
            status: if method.is_some() {
                "requires_confirmation"
            } else {
                "requires_payment_method"
            },
            capturable: 0,
            received: 0,
            metadata: form.metadata().collect(),
            method,
            return_url: returns.map(str::to_owned),
            error: None,
            charge: None,
            refunds: Vec::new(),
            created_s,
            is_searchable: !self.is_search_behind,
            is_asked_by_sdk: made.is_some(),
        });
        let place = self.intents.len() - 1;
        self.tell_intent("created", place);
        if is_confirmed {
            self.charge(place)?;
        }
        Ok(self.intents[place].json(form.expands("latest_charge")))
    }

    pub(crate) fn confirm(&mut self, id: &str, form: &Form) -> Answered {
        check(form, &["payment_method", "return_url", "expand["])?;
        let place = self.place(id)?;
        let method = form.find("payment_method").map(known_method).transpose()?;
        let intent = &mut self.intents[place];
        if !matches!(
            intent.status,
            "requires_payment_method" | "requires_confirmation" | "requires_action"
        ) {
            let intent = intent.json(false);
            return Err(unexpected("payment_intent_unexpected_state", Some(intent)));
        }
        if let Some(method) = method {
            intent.method = Some(method.to_owned());
        }
        if intent.method.is_none() {
            let intent = intent.json(false);
            return Err(unexpected("payment_intent_unexpected_state", Some(intent)));
        }
        self.charge(place)?;
        Ok(self.intents[place].json(form.expands("latest_charge")))
    }

    /// Charges the method of an intent.
    fn charge(&mut self, place: usize) -> Result<(), Answer> {
        let method = self.intents[place].method.clone().unwrap_or_default();
        match card(&method) {
            Some(Card::Pays) => self.pay(place),
            Some(Card::Asks | Card::Redirects) => {
                self.intents[place].status = "requires_action";
                self.tell_intent("requires_action", place);
            }
            Some(Card::Declines(code, decline_code)) => {
                self.refuse(place, code, decline_code);
                let intent = self.intents[place].json(false);
                return Err(declined(code, decline_code, intent));
            }
            None => return Err(invalid("payment_method", "resource_missing")),
        }
        Ok(())
    }

    /// Keeps what a page's Stripe.js has made; returns it as the API shows it.
    pub(crate) fn keep_token(&mut self, token: ConfirmationToken) -> Value {
        let id = self.name("ctoken");
        let shown = json!({"id": id, "object": "confirmation_token", "created": now_s(), "livemode": false,
            "payment_intent": null, "use_stripe_sdk": true});
        self.tokens.insert(id, token);
        shown
    }

    /// Takes such a token for an intent that must be what the field was told.
    fn use_token(
        &mut self,
        name: &str,
        amount: i64,
        currency: &str,
        is_manual: bool,
        returns: Option<&str>,
    ) -> Result<String, Answer> {
        let wrong = |code| Err(invalid("confirmation_token", code));
        let Some(token) = self.tokens.get_mut(name) else { return wrong("resource_missing") };
        if token.is_used {
            return wrong("confirmation_token_already_used");
        }
        if (token.amount, token.currency.as_str(), token.is_manual) != (amount, currency, is_manual)
        {
            return wrong("parameter_invalid");
        }
        if token.method == "pm_ideal" && returns.is_none() {
            return Err(invalid("return_url", "parameter_missing"));
        }
        token.is_used = true;
        Ok(token.method.clone())
    }

    /// The secret of an intent, where there is such a one.
    pub(crate) fn client_secret(&self, id: &str) -> Option<String> {
        self.intents.iter().find(|intent| intent.id == id).map(Intent::client_secret)
    }

    /// Where the payer of an intent comes back to.
    pub(crate) fn return_url(&self, id: &str) -> Option<String> {
        self.intents.iter().find(|intent| intent.id == id)?.return_url.clone()
    }

    /// Whether an intent waits for its payer.
    pub(crate) fn is_asking(&self, id: &str) -> bool {
        self.intents.iter().any(|intent| intent.id == id && intent.status == "requires_action")
    }

    fn pay(&mut self, place: usize) {
        let charge = self.name("ch");
        let intent = &mut self.intents[place];
        intent.charge = Some(charge);
        intent.error = None;
        if intent.is_manual {
            intent.status = "requires_capture";
            intent.capturable = intent.amount;
            self.tell_intent("amount_capturable_updated", place);
        } else {
            intent.status = "succeeded";
            intent.received = intent.amount;
            self.tell_intent("succeeded", place);
        }
    }

    fn refuse(&mut self, place: usize, code: &'static str, decline_code: &'static str) {
        let intent = &mut self.intents[place];
        intent.status = "requires_payment_method";
        intent.method = None;
        intent.error = Some((code, decline_code));
        self.tell_intent("payment_failed", place);
    }

    pub(crate) fn capture(&mut self, id: &str, form: &Form) -> Answered {
        check(form, &["amount_to_capture", "final_capture", "expand["])?;
        let place = self.place(id)?;
        let currency = self.intents[place].currency.clone();
        let amount = amount(form, "amount_to_capture", &currency)?;
        let intent = &mut self.intents[place];
        if intent.status != "requires_capture" {
            let intent = intent.json(false);
            return Err(unexpected("payment_intent_unexpected_state", Some(intent)));
        }
        let amount = amount.unwrap_or(intent.capturable);
        if amount > intent.capturable {
            return Err(unexpected("amount_too_large", None));
        }
        intent.received += amount;
        intent.capturable -= amount;
        if form.find("final_capture") != Some("false") {
            intent.capturable = 0;
        }
        let is_done = intent.capturable == 0;
        if is_done {
            intent.status = "succeeded";
        }
        let charge = intent.charge_json();
        self.tell("charge.captured", charge);
        self.tell_intent(if is_done { "succeeded" } else { "amount_capturable_updated" }, place);
        Ok(self.intents[place].json(form.expands("latest_charge")))
    }

    pub(crate) fn cancel(&mut self, id: &str, form: &Form) -> Answered {
        check(form, &["cancellation_reason", "expand["])?;
        let place = self.place(id)?;
        let intent = &mut self.intents[place];
        if matches!(intent.status, "succeeded" | "canceled") {
            let intent = intent.json(false);
            return Err(unexpected("payment_intent_unexpected_state", Some(intent)));
        }
        intent.capturable = 0;
        intent.status = if intent.received > 0 { "succeeded" } else { "canceled" };
        let kind = intent.status;
        self.tell_intent(kind, place);
        Ok(self.intents[place].json(form.expands("latest_charge")))
    }

    pub(crate) fn retrieve(&self, id: &str, form: &Form) -> Answered {
        check(form, &["expand["])?;
        Ok(self.intents[self.place(id)?].json(form.expands("latest_charge")))
    }

    pub(crate) fn list(&self, form: &Form) -> Answered {
        check(form, &["limit", "created[gte]", "created[lte]", "starting_after", "expand["])?;
        let number = |name| form.find(name).map(|text| text.parse::<i64>());
        let limit = match number("limit") {
            None => 10,
            Some(Ok(limit @ 1..=100)) => usize::try_from(limit).unwrap_or(10),
            Some(_) => return Err(invalid("limit", "parameter_invalid_integer")),
        };
        let since = number("created[gte]").and_then(Result::ok).unwrap_or(0);
        let until = number("created[lte]").and_then(Result::ok).unwrap_or(i64::MAX);
        let skipped = match form.find("starting_after") {
            Some(id) => self.intents.len() - self.place(id)?,
            None => 0,
        };
        let mut found = self
            .intents
            .iter()
            .rev()
            .skip(skipped)
            .filter(|intent| (since..=until).contains(&intent.created_s));
        let expands = form.expands("data.latest_charge");
        let data: Vec<Value> =
            found.by_ref().take(limit).map(|intent| intent.json(expands)).collect();
        let has_more = found.next().is_some();
        Ok(
            json!({"object": "list", "url": "/v1/payment_intents", "has_more": has_more, "data": data}),
        )
    }

    /// Knows one kind of question: `metadata['name']:'value'`.
    pub(crate) fn search(&self, form: &Form) -> Answered {
        check(form, &["query", "limit", "expand["])?;
        let query = form.find("query").ok_or_else(|| invalid("query", "parameter_missing"))?;
        let parts = query.strip_prefix("metadata['").and_then(|rest| rest.split_once("']:'"));
        let (name, value) = parts
            .and_then(|(name, rest)| Some((name, rest.strip_suffix('\'')?)))
            .ok_or_else(|| invalid("query", "parameter_invalid"))?;
        let is_found = |intent: &&Intent| {
            intent.is_searchable && intent.metadata.get(name).is_some_and(|found| found == value)
        };
        let data: Vec<Value> =
            self.intents.iter().rev().filter(is_found).map(|intent| intent.json(false)).collect();
        Ok(json!({"object": "search_result", "has_more": false, "data": data}))
    }

    pub(crate) fn refund(&mut self, form: &Form) -> Answered {
        check(form, &["payment_intent", "amount", "metadata[", "expand["])?;
        let id = form.find("payment_intent");
        let id = id.ok_or_else(|| invalid("payment_intent", "parameter_missing"))?;
        let place =
            self.place(id).map_err(|_missing| invalid("payment_intent", "resource_missing"))?;
        let asked = amount(form, "amount", &self.intents[place].currency)?;
        let intent = &self.intents[place];
        if intent.received == 0 {
            return Err(unexpected("payment_intent_unexpected_state", Some(intent.json(false))));
        }
        let left = intent.received - intent.refunded();
        if left == 0 {
            return Err(unexpected("charge_already_refunded", None));
        }
        let amount = asked.unwrap_or(left);
        if amount > left {
            return Err(invalid("amount", ""));
        }
        let refund = Refund {
            id: self.name("re"),
            amount,
            status: "succeeded",
            metadata: form.metadata().collect(),
            created_s: now_s(),
        };
        self.intents[place].refunds.push(refund.clone());
        let intent = &self.intents[place];
        let (charge, plain) = (intent.charge_json(), intent.refund_json(&refund, json!(intent.id)));
        let shown = if form.expands("payment_intent.latest_charge") {
            intent.refund_json(&refund, intent.json(true))
        } else {
            plain.clone()
        };
        self.tell("refund.created", plain);
        self.tell("charge.refunded", charge);
        Ok(shown)
    }

    pub(crate) fn refunds(&self, form: &Form) -> Answered {
        check(form, &["payment_intent", "limit", "expand["])?;
        let id = form.find("payment_intent").unwrap_or_default();
        let intent = &self.intents[self.place(id)?];
        let data: Vec<Value> = intent
            .refunds
            .iter()
            .rev()
            .map(|refund| intent.refund_json(refund, json!(intent.id)))
            .collect();
        Ok(json!({"object": "list", "url": "/v1/refunds", "has_more": false, "data": data}))
    }

    pub(crate) fn authenticate(&mut self, id: &str, is_approved: bool) {
        let place = self.intents.iter().position(|intent| intent.id == id);
        let place = place.filter(|&place| self.intents[place].status == "requires_action");
        let Some(place) = place else { panic!("{id} waits for nobody") };
        if is_approved {
            self.pay(place);
        } else {
            let code = "payment_intent_authentication_failure";
            self.refuse(place, code, "");
        }
    }

    pub(crate) fn confirm_on_field(&mut self, client_secret: &str, method: &str) {
        let intent = self.intents.iter().find(|intent| intent.client_secret() == client_secret);
        let Some(id) = intent.map(|intent| intent.id.clone()) else { panic!("no such intent") };
        let mut form = Form::parse("");
        if !method.is_empty() {
            form = Form::parse(&format!("payment_method={method}"));
        }
        // A refusal is an answer that the payer sees on the field.
        if let Err(answer) = self.confirm(&id, &form) {
            assert_eq!(answer.status, 402, "{}", answer.body);
        }
    }

    pub(crate) fn fail_refund(&mut self, id: &str) {
        let is_it = |refund: &Refund| refund.id == id;
        let place = self.intents.iter().position(|intent| intent.refunds.iter().any(is_it));
        let Some(place) = place else { panic!("no such refund") };
        let mut told = Value::Null;
        let mut intent = self.intents[place].clone();
        for refund in intent.refunds.iter_mut().filter(|refund| refund.id == id) {
            refund.status = "failed";
            told = self.intents[place].refund_json(refund, json!(intent.id));
        }
        self.intents[place] = intent;
        self.tell("refund.failed", told);
    }
}

fn check(form: &Form, allowed: &[&str]) -> Result<(), Answer> {
    form.stranger(allowed).map_or(Ok(()), |name| Err(invalid(name, "parameter_unknown")))
}

/// Returns the card of a form: by its name, or by a token for one confirmation, `ctoken_card_…` for `pm_card_…`.
fn method_of(form: &Form) -> Result<Option<String>, Answer> {
    let Some(token) = form.find("confirmation_token") else {
        return Ok(form.find("payment_method").map(known_method).transpose()?.map(str::to_owned));
    };
    if form.find("payment_method").is_some() {
        return Err(invalid("confirmation_token", "parameter_invalid"));
    }
    let method = token.strip_prefix("ctoken_").map(|name| format!("pm_{name}"));
    match method.filter(|method| card(method).is_some()) {
        Some(method) => Ok(Some(method)),
        None => Err(invalid("confirmation_token", "resource_missing")),
    }
}

fn known_method(method: &str) -> Result<&str, Answer> {
    if card(method).is_some() {
        Ok(method)
    } else {
        Err(invalid("payment_method", "resource_missing"))
    }
}

fn amount(form: &Form, name: &str, currency: &str) -> Result<Option<i64>, Answer> {
    let Some(text) = form.find(name) else { return Ok(None) };
    let amount: i64 = text.parse().map_err(|_none| invalid(name, "parameter_invalid_integer"))?;
    let is_lower = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_lowercase());
    if !is_lower {
        return Err(invalid("currency", "parameter_invalid"));
    }
    if amount < 1 {
        return Err(invalid(name, "amount_too_small"));
    }
    if amount > AMOUNT_MAX {
        return Err(invalid(name, "amount_too_large"));
    }
    if THREE_DECIMALS.contains(&currency) && amount % 10 != 0 {
        return Err(invalid(name, "invalid_decimal_amount"));
    }
    Ok(Some(amount))
}
