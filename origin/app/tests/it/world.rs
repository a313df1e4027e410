//! A shop with one product, a scripted payment provider, and helpers to buy.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use api_types::cart::{NewCart, NewLine};
use api_types::order::{CheckoutAnswer, CheckoutRequest, Order};
use app::{Answered, App, Caller, Clock, Error, Parts, Reach, Settings};
use domain::{CartId, Money, OrderId, PaymentId, Sku, Timestamp};
use http::HeaderMap;
use providers::http_payment::receive;
use providers::local::{self, Wish};
use providers::payment::{
    BoxFuture, Capture, CaptureMode, Decision, Event, Intent, IntentStatus, Lookup, Method,
    NewIntent, PaymentError, PaymentProvider, Refund, RefundStatus, Refunded,
};
use providers::webhook::{
    ID_HEADER, PaymentWebhook, SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookError, sign,
};
use store::Store;

use engines::Engine;

const WEBHOOK_SECRET: &[u8] = b"a secret of sixteen bytes or more";

/// A provider in memory. While `is_silent`, it does what it is asked and its answers are lost.
#[derive(Debug, Default)]
pub(crate) struct Provider {
    intents: Mutex<BTreeMap<String, Intent>>,
    /// Refunds with the payments that they are of, oldest first.
    refunds: Mutex<Vec<(String, Refund)>>,
    /// Keys of captures and cancellations that were done.
    done: Mutex<BTreeSet<String>>,
    /// What the next webhook says, instead of what is in it.
    pub(crate) said: Mutex<Option<Event>>,
    /// While set, money is only held.
    pub(crate) is_manual: AtomicBool,
    /// While set, refunds are said to be on their way.
    pub(crate) is_slow_to_refund: AtomicBool,
    pub(crate) is_silent: AtomicBool,
    /// While set, requests do not even arrive.
    pub(crate) is_gone: AtomicBool,
    /// While set, nothing that is asked for ever ends.
    pub(crate) is_hanging: AtomicBool,
}

fn lost() -> PaymentError {
    PaymentError::unknown("lost")
}

impl Provider {
    fn answer(&self, intent: Intent) -> Result<Intent, PaymentError> {
        if self.is_silent.load(Ordering::Relaxed) { Err(lost()) } else { Ok(intent) }
    }

    /// Every payment it knows.
    pub(crate) fn all(&self) -> Vec<Intent> {
        self.intents.lock().unwrap().values().cloned().collect()
    }

    pub(crate) fn wish(&self, id: &str, wish: Wish) -> Result<Intent, PaymentError> {
        if self.is_gone.load(Ordering::Relaxed) {
            return Err(lost());
        }
        let mut intents = self.intents.lock().unwrap();
        let intent =
            intents.values_mut().find(|intent| intent.id == id).ok_or(PaymentError::NotFound)?;
        *intent = local::advance(intent, CaptureMode::Automatic, wish)
            .map_err(|_refusal| PaymentError::NotAllowed)?;
        self.answer(intent.clone())
    }

    /// Does what it is asked by a key; once.
    fn once(&self, key: String, id: &str, wish: Wish) -> Result<Intent, PaymentError> {
        if self.done.lock().unwrap().contains(&key) {
            let intents = self.intents.lock().unwrap();
            let intent = intents.values().find(|intent| intent.id == id).unwrap().clone();
            return self.answer(intent);
        }
        let is_done = !self.is_gone.load(Ordering::Relaxed);
        let answer = self.wish(id, wish);
        if is_done && !matches!(answer, Err(PaymentError::NotAllowed | PaymentError::NotFound)) {
            self.done.lock().unwrap().insert(key);
        }
        answer
    }

    fn give_back(
        &self,
        key: String,
        id: &str,
        amount: Option<Money>,
    ) -> Result<Refunded, PaymentError> {
        let known = |key: &str| {
            let refunds = self.refunds.lock().unwrap();
            let found = refunds.iter().find(|(_, refund)| refund.key.as_deref() == Some(key));
            found.map(|(_, refund)| refund.clone())
        };
        if known(&key).is_none() {
            let is_silent = self.is_silent.swap(false, Ordering::Relaxed);
            let asked = self.wish(id, Wish::Refund(amount));
            self.is_silent.store(is_silent, Ordering::Relaxed);
            let intent = asked?;
            let amount = amount.unwrap_or(intent.amount);
            let status = if self.is_slow_to_refund.load(Ordering::Relaxed) {
                RefundStatus::Pending
            } else {
                RefundStatus::Succeeded
            };
            let refund = Refund { id: format!("re_{key}"), key: Some(key.clone()), amount, status };
            self.refunds.lock().unwrap().push((id.to_owned(), refund));
        }
        let refund = known(&key).unwrap();
        let intents = self.intents.lock().unwrap();
        let intent = intents.values().find(|intent| intent.id == id).unwrap().clone();
        Ok(Refunded { refund, intent: self.answer(intent)? })
    }

    /// Every refund, oldest first.
    pub(crate) fn all_refunds(&self) -> Vec<Refund> {
        self.refunds.lock().unwrap().iter().map(|(_, refund)| refund.clone()).collect()
    }

    pub(crate) fn intent_of(&self, payment: PaymentId) -> Intent {
        self.intents
            .lock()
            .unwrap()
            .values()
            .find(|intent| intent.reference == payment)
            .unwrap()
            .clone()
    }

    /// The payer approves at the provider, and no webhook tells us.
    pub(crate) fn approve_behind_our_back(&self, payment: PaymentId) {
        self.wish(&self.intent_of(payment).id, Wish::Act(Decision::Approve)).unwrap();
    }

    pub(crate) fn count(&self) -> usize {
        self.intents.lock().unwrap().len()
    }
}

impl PaymentProvider for Provider {
    fn name(&self) -> &'static str {
        "test"
    }

    fn create(&self, key: String, new: NewIntent) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move {
            if self.is_hanging.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            if self.is_gone.load(Ordering::Relaxed) {
                return Err(lost());
            }
            let mut intents = self.intents.lock().unwrap();
            let mut new = new;
            if self.is_manual.load(Ordering::Relaxed) {
                new.capture = CaptureMode::Manual;
            }
            let intent = intents
                .entry(key.clone())
                .or_insert_with(|| local::create(&new, format!("pi_{key}")).unwrap());
            self.answer(intent.clone())
        })
    }

    fn confirm(
        &self,
        _key: String,
        id: String,
        method: Method,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move {
            let played = local::played(&method).ok().flatten().ok_or(PaymentError::NotAllowed)?;
            self.wish(&id, Wish::Confirm(played))
        })
    }

    fn lookup(&self, by: Lookup) -> BoxFuture<'_, Result<Option<Intent>, PaymentError>> {
        Box::pin(async move {
            if self.is_gone.load(Ordering::Relaxed) {
                return Err(lost());
            }
            let intents = self.intents.lock().unwrap();
            Ok(match by {
                Lookup::Ours { key, .. } => intents.get(&key).cloned(),
                Lookup::Id(id) => intents.values().find(|intent| intent.id == id).cloned(),
            })
        })
    }

    fn capture(
        &self,
        key: String,
        id: String,
        capture: Capture,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move { self.once(key, &id, Wish::Capture(capture)) })
    }

    fn act(
        &self,
        _key: String,
        id: String,
        decision: Decision,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move { self.wish(&id, Wish::Act(decision)) })
    }

    fn cancel(&self, key: String, id: String) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move { self.once(key, &id, Wish::Cancel) })
    }

    fn refund(
        &self,
        key: String,
        id: String,
        amount: Option<Money>,
    ) -> BoxFuture<'_, Result<Refunded, PaymentError>> {
        Box::pin(async move { self.give_back(key, &id, amount) })
    }

    fn refunds(&self, id: String) -> BoxFuture<'_, Result<Vec<Refund>, PaymentError>> {
        Box::pin(async move {
            if self.is_gone.load(Ordering::Relaxed) || self.is_silent.load(Ordering::Relaxed) {
                return Err(lost());
            }
            let refunds = self.refunds.lock().unwrap();
            let of_it = refunds.iter().rev().filter(|(intent, _)| *intent == id);
            Ok(of_it.map(|(_, refund)| refund.clone()).collect())
        })
    }

    fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Event, WebhookError> {
        if let Some(event) = self.said.lock().unwrap().take() {
            return Ok(event);
        }
        receive(WEBHOOK_SECRET, headers, body, now)
    }
}

/// The shop and everything around it.
pub(crate) struct World {
    _engine: Engine,
    pub(crate) app: App,
    pub(crate) store: Arc<Store>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) clock: Clock,
}

pub(crate) const GUEST: Caller =
    Caller { user: None, session: None, client: IpAddr::V4(Ipv4Addr::LOCALHOST) };

impl World {
    pub(crate) async fn with_stock(engine: Engine, stock: u32) -> Self {
        Self::with_settings(engine, stock, Settings::default()).await
    }

    pub(crate) async fn with_settings(engine: Engine, stock: u32, settings: Settings) -> Self {
        let store = Arc::new(engine.open("first").await);
        let (provider, clock) = (Arc::new(Provider::default()), Clock::default());
        let catalogue = app::parse_catalogue(catalogue(stock).to_string().as_bytes()).unwrap();
        store.upsert_catalogue(catalogue, clock.now()).await.unwrap();
        let app = start(&store, &provider, &clock, settings).await;
        Self { _engine: engine, app, store, provider, clock }
    }

    /// Takes up the shop anew over the same store, as after a crash.
    pub(crate) async fn restart(&mut self) {
        if self.store.is_shared() {
            // Nobody may say that the others have ended: what they left is free when their lease is over.
            self.clock.advance(Settings::default().lease);
        }
        self.app = start(&self.store, &self.provider, &self.clock, Settings::default()).await;
    }

    /// Opens the store once more, as another instance does.
    pub(crate) async fn open_again(&self, epoch: &str) -> Store {
        self._engine.open(epoch).await
    }

    pub(crate) async fn cart(&self, quantity: i64) -> CartId {
        let cart =
            self.app.open_cart(&GUEST, &NewCart { currency: None }, None).await.unwrap().value;
        let line = NewLine { sku: "CUP".to_owned(), quantity };
        self.app.add_line(cart.id, &line, None, None).await.unwrap();
        cart.id
    }

    pub(crate) async fn checkout(
        &self,
        cart: CartId,
        method: &str,
        key: &str,
    ) -> Result<Answered<CheckoutAnswer>, Error> {
        let payment = serde_json::json!({"provider": "test", "method": method});
        self.pay(cart, payment, key).await
    }

    pub(crate) async fn pay(
        &self,
        cart: CartId,
        payment: serde_json::Value,
        key: &str,
    ) -> Result<Answered<CheckoutAnswer>, Error> {
        let words = payment["token"]
            .as_str()
            .or_else(|| payment["method"].as_str())
            .unwrap_or_default()
            .to_owned();
        let request: CheckoutRequest = serde_json::from_value(serde_json::json!({
            "email": "ada@example.org",
            "shipping_address": {"name": "Ada", "line1": "Street 1", "postal_code": "10115", "city": "Berlin",
                "country": "DE"},
            "payment": payment
        }))
        .unwrap();
        let claim = self.app.claim(format!("test {cart}"), key.to_owned(), &[words.as_bytes()]);
        self.app.checkout(&GUEST, cart, &request, claim).await
    }

    /// Buys as somebody, to somewhere, if it comes to what was shown.
    pub(crate) async fn buy(
        &self,
        caller: &Caller,
        cart: CartId,
        wish: serde_json::Value,
        key: &str,
    ) -> Result<Answered<CheckoutAnswer>, Error> {
        let mut request = serde_json::json!({
            "email": "ada@example.org",
            "shipping_address": {"name": "Ada", "line1": "Street 1", "postal_code": "10115", "city": "Berlin",
                "country": "DE"},
            "payment": {"provider": "test", "method": "success"}
        });
        let both = request.as_object_mut().unwrap();
        for (name, value) in wish.as_object().unwrap() {
            both.insert(name.clone(), value.clone());
        }
        let claim = self.app.claim(format!("test {cart}"), key.to_owned(), &[key.as_bytes()]);
        let request: CheckoutRequest = serde_json::from_value(request).unwrap();
        self.app.checkout(caller, cart, &request, claim).await
    }

    /// Writes products over the catalogue: SKU, minor units, currency.
    pub(crate) async fn sell(&self, prices: &[(&str, i64, &str)]) {
        let mut skus: Vec<&str> = prices.iter().map(|(sku, ..)| *sku).collect();
        skus.dedup();
        let mut currencies: Vec<&str> = prices.iter().map(|(.., currency)| *currency).collect();
        currencies.sort_unstable();
        currencies.dedup();
        let products: Vec<_> = skus
            .into_iter()
            .map(|sku| {
                let of_sku = prices.iter().filter(|(name, ..)| *name == sku);
                let prices: Vec<_> = of_sku
                    .map(|(_, minor, currency)| serde_json::json!({"currency": currency, "minor": minor}))
                    .collect();
                serde_json::json!({"handle": sku.to_lowercase(), "title": sku, "subtitle": "", "description": "",
                    "category": "table", "tags": ["new"], "created_at": "2026-11-01T00:00:00Z",
                    "variants": [{"sku": sku, "title": "Plain", "prices": prices, "stock": 1_000,
                        "image_url": "/m/x.webp"}]})
            })
            .collect();
        let text = serde_json::json!({
            "currencies": currencies, "default_currency": "EUR",
            "categories": [{"handle": "table", "title": "Table", "description": "", "position": 1}],
            "products": products
        });
        let catalogue = app::parse_catalogue(text.to_string().as_bytes()).unwrap();
        self.store.upsert_catalogue(catalogue, self.clock.now()).await.unwrap();
    }

    pub(crate) async fn order(&self, answer: &CheckoutAnswer) -> Order {
        self.app.order(&GUEST, answer.order_id, Some(&answer.order_token)).await.unwrap()
    }

    pub(crate) async fn payment_of(&self, order: OrderId) -> PaymentId {
        self.store.order(order).await.unwrap().unwrap().payment.id
    }

    pub(crate) async fn available(&self) -> i64 {
        self.app.inventory("CUP".parse::<Sku>().unwrap()).await.unwrap().available
    }

    /// Buys with a provider that never answers, and goes away once the stock is held: what a caller that gave up or a
    /// process that died leaves behind.
    pub(crate) async fn abandon_checkout(&self, cart: CartId, key: &str) {
        let payment = serde_json::json!({"provider": "test", "method": "success"});
        self.abandon_payment(cart, payment, key).await;
    }

    pub(crate) async fn abandon_payment(
        &self,
        cart: CartId,
        payment: serde_json::Value,
        key: &str,
    ) {
        let before = self.available().await;
        self.provider.is_hanging.store(true, Ordering::Relaxed);
        let until_held = async {
            while self.available().await == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = until_held => {}
            answer = self.pay(cart, payment, key) => panic!("{answer:?}"),
        }
        self.provider.is_hanging.store(false, Ordering::Relaxed);
    }

    /// Delivers a webhook about a payment, as its provider would sign it.
    pub(crate) async fn deliver(
        &self,
        id: &str,
        payment: PaymentId,
        status: IntentStatus,
    ) -> Result<(), Error> {
        self.deliver_intent(id, self.provider.intent_of(payment).moved_to(status)).await
    }

    /// Delivers a webhook that says what it is told to say.
    pub(crate) async fn deliver_intent(&self, id: &str, intent: Intent) -> Result<(), Error> {
        let now = self.clock.now();
        let body = serde_json::to_vec(&PaymentWebhook::about(intent, now)).unwrap();
        let (timestamp, signature) =
            (now.unix_s().to_string(), sign(WEBHOOK_SECRET, id, now, &body));
        let mut headers = HeaderMap::new();
        for (name, value) in
            [(ID_HEADER, id), (TIMESTAMP_HEADER, &timestamp), (SIGNATURE_HEADER, &signature)]
        {
            headers.insert(name, value.parse().unwrap());
        }
        self.app.take_webhook(&headers, &body).await
    }

    /// Counters, movements, holds and ledger agree.
    pub(crate) async fn check_sums(&self) {
        let sums = self.store.sums().await.unwrap();
        assert_eq!(sums.on_hand, sums.on_hand_moved, "{sums:?}");
        assert_eq!(
            (sums.reserved, sums.reserved),
            (sums.reserved_moved, sums.reserved_held),
            "{sums:?}"
        );
        assert_eq!(sums.backordered, sums.backordered_promised, "{sums:?}");
        assert_eq!(sums.ledger_imbalance, 0, "{sums:?}");
        let mut owed = 0;
        for card in self.store.gift_card_sums().await.unwrap() {
            assert_eq!(card.balance_minor, card.moved_minor, "{card:?}");
            owed += card.balance_minor + card.held_minor;
        }
        // What the shop owes on gift cards: what is on them, and what unfinished orders have taken off them.
        assert_eq!(self.store.ledger_sum("gift_card_liability").await.unwrap(), -owed);
    }
}

pub(crate) async fn start(
    store: &Arc<Store>,
    provider: &Arc<Provider>,
    clock: &Clock,
    settings: Settings,
) -> App {
    let payments: Arc<dyn PaymentProvider> = Arc::<Provider>::clone(provider);
    let parts = Parts {
        store: Arc::clone(store),
        payments,
        settings: Settings { webhook_reach: Reach::Loopback, ..settings },
        clock: clock.clone(),
    };
    App::start(parts).await.unwrap()
}

fn catalogue(stock: u32) -> serde_json::Value {
    serde_json::json!({
        "currencies": ["EUR"],
        "categories": [{"handle": "table", "title": "Table", "description": "", "position": 1}],
        "products": [{"handle": "cup", "title": "Cup", "subtitle": "", "description": "", "category": "table",
            "created_at": "2026-11-01T00:00:00Z",
            "variants": [{"sku": "CUP", "title": "Plain", "prices": [{"currency": "EUR", "minor": 1900}],
                "stock": stock, "image_url": "/m/cup.webp"}]}]
    })
}
