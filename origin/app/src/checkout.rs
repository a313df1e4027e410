//! From a cart to a paid order.
//!
//! Two short transactions with the provider's call between them: place (claim the key, hold the stock, write order and
//! payment), then settle what the provider said. Whatever ends the story in between (a crash, a lost answer), the
//! reconciler or a retry with the same key takes it up again; the provider knows every call by its key.

use api_types::order::{CheckoutAnswer, CheckoutRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::inventory::ShortageReason;
use domain::payment::{Amounts, PaymentEvent};
use domain::{CartId, Email, ErrorKind, OrderId, OrderStatus, PaymentId, PaymentStatus};
use providers::payment::{Intent, Lookup, NewIntent, PayerAction, PaymentError};
use store::{
    CheckoutOutcome, Claim, OrderRecord, PaymentRecord, PlaceOrder, Placed, Settle, Settled,
    Shortage, Terms,
};

use crate::error::{in_flight, reused};
use crate::method::{is_waiting, kept, next_action};
use crate::{Answered, App, Caller, Error, Refusal, cart, random, tokens, validate};

impl App {
    /// Buys a cart.
    ///
    /// # Errors
    /// `invalid-input`, `not-found`, `cart-empty`, `cart-checked-out`, `out-of-stock`, `payment-declined`, `price-changed`,
    /// `due-changed`, `promise-changed`, `shipping-not-chosen`, `shipping-unavailable`, `code-refused`,
    /// `gift-card-refused`, and what a key may refuse.
    pub async fn checkout(
        &self,
        caller: &Caller,
        cart: CartId,
        request: &CheckoutRequest,
        claim: Claim,
    ) -> Result<Answered<CheckoutAnswer>, Error> {
        let input = validate::checkout(request, self.payments.as_ref())?;
        let now = self.clock.now();
        let terms = Terms {
            buyer: self.buyer(caller, &input.email),
            expected_due: request.expected_due,
            expected_promises: request.expected_promises.clone(),
            freeze: self.settings.price_freeze,
        };
        let order = OrderId::v7(now, random()?);
        let payment = PaymentId::v7(now, random()?);
        let command = PlaceOrder {
            cart,
            order,
            payment,
            line_seed: random()?,
            token_hash: tokens::digest(&self.secret.order_token(order)),
            user: caller.user,
            email: input.email,
            address: input.address,
            provider: self.payments.name(),
            method: kept(&input.method),
            token: self.seal(payment, &input.method)?,
            claim: claim.clone(),
            hold: self.settings.hold,
            lease: self.settings.lease,
            terms,
            now,
        };
        let order = match self.store.place_order(command).await? {
            Placed::Order(order) => order,
            Placed::Decided { outcome, is_replay } => {
                let payment = self.waiting_payment(&outcome).await?;
                return self.answer(outcome, is_replay, payment.as_ref(), None);
            }
            Placed::Refused(refusal) => return Err(cart::refuse(refusal).into()),
            Placed::InFlight => return Err(in_flight()),
            Placed::Reused => return Err(reused()),
        };
        let report = match (order.status, order.payment.status) {
            (OrderStatus::PendingPayment, PaymentStatus::Created | PaymentStatus::Unknown) => {
                Some(self.ask_for_payment(&order).await)
            }
            // Taken up again after others had settled it: only the answer is missing.
            _ => None,
        };
        let settle = Settle {
            payment: order.payment.id,
            event: report.as_ref().map(|report| report.event),
            amounts: report.as_ref().and_then(|report| report.amounts),
            amount: None,
            provider_ref: report.as_ref().and_then(|report| report.provider_ref.clone()),
            answer: Some(claim),
            webhook: None,
            now: self.clock.now(),
        };
        match self.store.settle_payment(settle).await? {
            Settled::Order { order, kept, .. } => {
                let outcome = order.outcome();
                let is_replay = kept.as_ref().is_some_and(|kept| *kept != outcome);
                let action = report.and_then(|report| report.action);
                self.answer(kept.unwrap_or(outcome), is_replay, Some(&order.payment), action)
            }
            Settled::UnknownPayment => Err(lost_payment()),
        }
    }

    /// Says who buys, as uses of promotions are counted: by account, else by e-mail address, of which a digest is enough.
    fn buyer(&self, caller: &Caller, email: &Email) -> String {
        match caller.user {
            Some(user) => format!("account:{user}"),
            None => {
                let email = email.as_str().to_lowercase();
                let digest = self.secret.mac("buyer", &[email.as_bytes()]);
                format!("guest:{}", STANDARD.encode(digest))
            }
        }
    }

    /// Asks the provider for the money. No answer is an answer too: the outcome is unknown, and said so.
    pub(crate) async fn ask_for_payment(&self, order: &OrderRecord) -> Reported {
        let payment = &order.payment;
        if let Some(settled) = without_provider(payment) {
            return settled;
        }
        let Some(method) = self.method_of(payment) else {
            // Nothing to pay with: the order ends with its hold.
            tracing::warn!(payment.id = %payment.id, "cannot ask for a payment whose token is gone");
            return Reported::word(PaymentEvent::TimedOut);
        };
        let intent = NewIntent {
            reference: payment.id,
            amount: payment.amount,
            method,
            capture: self.settings.capture,
            return_url: self.return_url(order.id),
        };
        match self.payments.create(provider_key(payment.id, "create"), intent).await {
            // It will never do it as it is, and nothing moved: as good as a decline, and the shopper can go on.
            Err(error @ (PaymentError::Invalid(_) | PaymentError::Method(_))) => {
                tracing::error!(payment.id = %payment.id, error = %error, "the provider refused a request to pay");
                Reported::word(PaymentEvent::Declined)
            }
            answer => report(payment, answer),
        }
    }

    /// Reads the payment of a checkout that was answered before, where its payer has to do something.
    async fn waiting_payment(
        &self,
        outcome: &CheckoutOutcome,
    ) -> Result<Option<PaymentRecord>, Error> {
        let CheckoutOutcome::Placed(snapshot) = outcome else { return Ok(None) };
        if !is_waiting(snapshot.status, snapshot.payment_status) {
            return Ok(None);
        }
        Ok(self.store.order(snapshot.order).await?.map(|order| order.payment))
    }

    fn answer(
        &self,
        outcome: CheckoutOutcome,
        is_replay: bool,
        payment: Option<&PaymentRecord>,
        action: Option<PayerAction>,
    ) -> Result<Answered<CheckoutAnswer>, Error> {
        match outcome {
            CheckoutOutcome::Placed(snapshot) => {
                let next_action = payment
                    .filter(|_| is_waiting(snapshot.status, snapshot.payment_status))
                    .map(|payment| next_action(snapshot.order, payment, action));
                let value = CheckoutAnswer {
                    order_id: snapshot.order,
                    number: snapshot.style.text(snapshot.number),
                    status: snapshot.status,
                    payment_status: snapshot.payment_status,
                    totals: snapshot.totals,
                    order_token: self.secret.order_token(snapshot.order),
                    next_action,
                    promises: snapshot.promises,
                };
                Ok(Answered { value, is_replay })
            }
            CheckoutOutcome::Declined => {
                let refusal = Refusal::new(ErrorKind::PaymentRefused, "payment-declined", "The payment was declined")
                    .detail("nothing was charged; the cart can be checked out again with a new Idempotency-Key");
                Err(Refusal { is_replay, ..refusal }.into())
            }
            CheckoutOutcome::OutOfStock(shortages) => {
                Err(Refusal { is_replay, ..out_of_stock(&shortages) }.into())
            }
        }
    }
}

/// Names a call to the provider: asking twice by this name does it once.
pub(crate) fn provider_key(payment: PaymentId, operation: &str) -> String {
    format!("{payment}:{operation}")
}

/// Names a payment as the provider knows it from us.
pub(crate) fn ours(payment: PaymentId) -> Lookup {
    Lookup::Ours { reference: payment, key: provider_key(payment, "create") }
}

/// What is to be said of a payment of nothing, where gift cards or promotions paid everything: no provider is asked.
pub(crate) fn without_provider(payment: &PaymentRecord) -> Option<Reported> {
    (payment.amount.minor == 0).then(|| Reported::word(PaymentEvent::Captured))
}

/// What the provider has told about a payment.
#[derive(Debug, Clone)]
pub(crate) struct Reported {
    /// The word.
    pub(crate) event: PaymentEvent,
    /// How much went where, where it said.
    pub(crate) amounts: Option<Amounts>,
    /// Its name for the payment, where it said.
    pub(crate) provider_ref: Option<String>,
    /// What the payer has to do, where it said.
    pub(crate) action: Option<PayerAction>,
}

impl Reported {
    /// A word alone: the whole or nothing.
    pub(crate) const fn word(event: PaymentEvent) -> Self {
        Self { event, amounts: None, provider_ref: None, action: None }
    }
}

/// Says what an answer of the provider tells about our payment.
pub(crate) fn report(payment: &PaymentRecord, answer: Result<Intent, PaymentError>) -> Reported {
    match answer {
        Ok(intent) if intent.reference == payment.id && intent.amount == payment.amount => {
            Reported {
                event: intent.status.event(),
                amounts: Some(intent.amounts),
                provider_ref: Some(intent.id),
                action: intent.action,
            }
        }
        Ok(_other) => {
            tracing::error!(payment.id = %payment.id, "the provider answered about another payment");
            Reported::word(PaymentEvent::TimedOut)
        }
        Err(PaymentError::Declined(_)) => Reported::word(PaymentEvent::Declined),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(payment.id = %payment.id, error = %error, cause, "could not settle a payment yet");
            Reported::word(PaymentEvent::TimedOut)
        }
    }
}

pub(crate) fn lost_payment() -> Error {
    Error::Fault("settle a payment", "the payment is not there".into())
}

/// Returns the code of a reason, and what is added to the sentence.
fn why_short(reason: ShortageReason) -> (&'static str, String) {
    match reason {
        ShortageReason::OutOfStock | ShortageReason::Unknown => ("out-of-stock", String::new()),
        ShortageReason::BackorderLimit => {
            ("backorder-limit", ", no more may be promised".to_owned())
        }
        ShortageReason::OrderLimit { max } => {
            ("order-limit", format!(", one order may have {max}"))
        }
        ShortageReason::NotServed => {
            ("not-served", ", nothing is shipped to that country from where it lies".to_owned())
        }
    }
}

fn out_of_stock(shortages: &[Shortage]) -> Refusal {
    let first = Refusal::new(ErrorKind::Conflict, "out-of-stock", "Not enough in stock");
    let refusal = shortages.iter().fold(first, |refusal, shortage| {
        let Shortage { line, sku, wanted, available, reason } = shortage;
        let (code, why) = why_short(reason.unwrap_or(ShortageReason::OutOfStock));
        let detail = format!("{sku}: {available} available, {wanted} wanted{why}");
        refusal.field(format!("/lines/{line}"), code, detail)
    });
    let skus: Vec<&str> = shortages.iter().map(|shortage| shortage.sku.as_str()).collect();
    refusal.detail(format!("not enough of {}", skus.join(", ")))
}

impl App {
    /// Settles a report that no caller waits for.
    pub(crate) async fn settle(
        &self,
        order: &OrderRecord,
        report: Reported,
    ) -> Result<OrderRecord, Error> {
        let (payment, now) = (order.payment.id, self.clock.now());
        let settle = Settle {
            payment,
            event: Some(report.event),
            amounts: report.amounts,
            amount: None,
            provider_ref: report.provider_ref,
            answer: None,
            webhook: None,
            now,
        };
        match self.store.settle_payment(settle).await? {
            Settled::Order { order, .. } => Ok(*order),
            Settled::UnknownPayment => Err(lost_payment()),
        }
    }
}
