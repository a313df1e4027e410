//! A Stripe account in memory, and our adapter over it.

use std::time::{Duration, SystemTime};

use domain::{Currency, Money, PaymentId, Timestamp};
use fake_stripe::{FakeStripe, SECRET_KEY, WEBHOOK_SECRET};
use http::HeaderMap;
use providers::payment::{
    CaptureMode, Event, Intent, Lookup, NewIntent, PaymentError, PaymentProvider as _,
};
use providers::secret::Secret;
use providers::stripe::{Settings, Stripe};
use providers::webhook::WebhookError;

/// Longer than anything takes that is not meant to be slow.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Shop {
    pub(crate) fake: FakeStripe,
    pub(crate) stripe: Stripe,
}

pub(crate) fn euro(minor: i64) -> Money {
    Money::new(minor, Currency::Eur)
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap())
}

/// A payment written down now; the same number, another payment every time the clock moved.
pub(crate) fn payment(number: u8) -> PaymentId {
    PaymentId::v7(now(), [number; 10])
}

pub(crate) fn new(reference: PaymentId, method: &str) -> NewIntent {
    NewIntent {
        reference,
        amount: euro(1_000),
        method: method.parse().unwrap(),
        capture: CaptureMode::Automatic,
        return_url: None,
    }
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::with_deadline(DEADLINE).await
    }

    pub(crate) async fn with_deadline(deadline: Duration) -> Self {
        let fake = FakeStripe::start().await.unwrap();
        let settings = Settings {
            base: fake.url().to_owned(),
            key: Secret::new(SECRET_KEY.to_owned()),
            webhook_secrets: vec![Secret::new(WEBHOOK_SECRET.to_owned())],
            deadline,
        };
        Self { stripe: Stripe::new(settings).unwrap(), fake }
    }

    /// Pays 10 EUR.
    pub(crate) async fn pay(&self, method: &str) -> Result<Intent, PaymentError> {
        let reference = payment(1);
        self.stripe.create(format!("{reference}:create"), new(reference, method)).await
    }

    /// Holds 10 EUR.
    pub(crate) async fn hold(&self) -> Intent {
        let reference = payment(2);
        let held = NewIntent { capture: CaptureMode::Manual, ..new(reference, "success") };
        self.stripe.create(format!("{reference}:create"), held).await.unwrap()
    }

    pub(crate) async fn by_reference(
        &self,
        reference: PaymentId,
    ) -> Result<Option<Intent>, PaymentError> {
        let key = format!("{reference}:create");
        self.stripe.lookup(Lookup::Ours { reference, key }).await
    }

    pub(crate) async fn by_id(&self, id: &str) -> Intent {
        self.stripe.lookup(Lookup::Id(id.to_owned())).await.unwrap().unwrap()
    }

    /// Everything that Stripe has told so far, checked and read.
    pub(crate) fn heard(&self) -> Vec<Result<Event, WebhookError>> {
        let deliveries = self.fake.deliveries();
        let read = |delivery: &fake_stripe::Delivery| {
            let mut headers = HeaderMap::new();
            headers.insert("stripe-signature", delivery.signature.parse().unwrap());
            self.stripe.verify_webhook(&headers, delivery.body.as_bytes(), now())
        };
        deliveries.iter().map(read).collect()
    }
}
