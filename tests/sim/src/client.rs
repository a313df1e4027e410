//! Shoppers: they fill carts, buy, lose answers, ask again, click twice, approve, give up, and look at what became of it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use api_types::auth::{AccessClaims, Credentials};
use api_types::cart::{Cart, GiftCardEntry, LineChange, NewCart, NewLine};
use api_types::order::{
    Address, CheckoutAnswer, CheckoutRequest, Order, PaymentAction, PaymentChoice,
};
use app::{Answered, App, Caller, Error};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::cart::CartStatus;
use domain::payment::TestMethod;
use domain::{CartId, Currency, ErrorKind, OrderId, OrderStatus, UserId};
use providers::payment::BoxFuture;

use crate::dice::Dice;
use crate::history::log::{Answer, Call, Outcome};
use crate::sim::Owner;
use crate::world::{CODE, CURRENCIES, KeptAnswer, Lost, STOCK, Told, World};

/// The password of every account.
pub(crate) const PASSWORD: &str = "correct horse";
/// How often a shopper asks for the same thing before giving up.
const TRIES_MAX: u32 = 6;
/// How old a key may be when it is used again: 20 hours, for the shop keeps answers for 24.
const KEY_AGE_MAX_MS: i64 = 20 * 3_600 * 1_000;

/// A shopper.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    world: Arc<World>,
    number: u32,
    dice: Dice,
    caller: Caller,
    keys: u32,
    /// The cart of which every addition was answered: what its lines are is known, and goes into the history.
    clear_cart: Option<CartId>,
    /// The orders that were placed in the name of the account.
    own: Vec<OrderId>,
}

/// A checkout that may be asked for again.
#[derive(Debug, Clone)]
struct Attempt {
    cart: CartId,
    key: String,
    method: TestMethod,
    born_ms: i64,
}

/// How an attempt ended for its shopper.
enum Ending {
    Placed(Box<CheckoutAnswer>),
    Refused(&'static str),
    GivenUp,
}

/// The address of a shopper's account.
pub(crate) fn email(number: u32) -> String {
    format!("shopper{number}@example.org")
}

/// Lives the life of a shopper until the shop closes.
pub(crate) async fn shop(world: Arc<World>, number: u32, dice: Dice) {
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let caller = Caller { user: None, session: None, client };
    let mut me = Client { world, number, dice, caller, keys: 0, clear_cart: None, own: Vec::new() };
    loop {
        let pause = me.dice.between(10, 6_000);
        me.world.sim.sleep(pause).await;
        if !me.world.is_open() {
            break;
        }
        if me.caller.user.is_none() && me.dice.in_thousand(150) {
            me.sign_in().await;
        }
        me.visit().await;
    }
    me.read_own_orders().await;
}

impl Client {
    fn say(&self, text: impl AsRef<str>) {
        self.world.sim.say(format!("client {}: {}", self.number, text.as_ref()));
    }

    fn next_key(&mut self) -> String {
        self.keys += 1;
        format!("c{}-{}", self.number, self.keys)
    }

    /// Whose a key is, as `origin/http` says it.
    fn whose(&self) -> String {
        self.caller.user.map_or_else(|| "holder".to_owned(), |user: UserId| format!("user {user}"))
    }

    async fn call<T: Send + 'static>(
        &mut self,
        request: impl Fn(Arc<App>) -> BoxFuture<'static, Result<T, Error>> + Send + Sync + 'static,
    ) -> Result<Result<T, Error>, Lost> {
        let patience = if self.dice.in_thousand(100) { 300 } else { 12_000 };
        self.world.call(patience, request).await
    }

    /// Asks until there is an answer, a few times. `None`: given up, or refused.
    async fn insist<T: Send + 'static>(
        &mut self,
        what: &str,
        request: impl Fn(Arc<App>) -> BoxFuture<'static, Result<T, Error>>
        + Send
        + Sync
        + Clone
        + 'static,
    ) -> Option<T> {
        let born_ms = self.world.sim.now_ms();
        for _ in 0..TRIES_MAX {
            if self.world.sim.now_ms() - born_ms > KEY_AGE_MAX_MS {
                return None;
            }
            match self.call(request.clone()).await {
                Ok(Ok(value)) => return Some(value),
                Ok(Err(error)) if is_passing(&error) => {}
                Ok(Err(error)) => {
                    self.world.judge_error(what, &error);
                    self.say(format!("{what}: {error}"));
                    return None;
                }
                Err(_lost) => {}
            }
            let pause = self.dice.between(200, 3_000);
            self.world.sim.sleep(pause).await;
        }
        self.say(format!("{what}: gave up"));
        None
    }

    async fn sign_in(&mut self) {
        let email = email(self.number);
        let granted = self
            .insist("sign in", move |app| {
                let credentials =
                    Credentials { email: email.clone(), password: PASSWORD.to_owned() };
                Box::pin(async move { app.login(credentials, None).await })
            })
            .await;
        let claims = granted.and_then(|tokens| {
            let payload = tokens.value.access_token.split('.').nth(1).map(str::to_owned)?;
            let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
            serde_json::from_slice::<AccessClaims>(&payload).ok()
        });
        if let Some(claims) = claims {
            self.caller.user = Some(claims.sub);
            self.caller.session = Some(claims.sid);
            self.world.count("sign-ins");
            self.say("signed in");
        }
    }

    async fn visit(&mut self) {
        let Some(cart) = self.fill_cart().await else {
            return;
        };
        for _ in 0..3 {
            let methods: &[TestMethod] = &[
                TestMethod::Success,
                TestMethod::Success,
                TestMethod::Decline,
                TestMethod::RequiresAction,
                TestMethod::RequiresAction,
                TestMethod::Late,
                TestMethod::Timeout,
            ];
            let method = self.dice.pick(methods).copied().unwrap_or(TestMethod::Success);
            let attempt =
                Attempt { cart, key: self.next_key(), method, born_ms: self.world.sim.now_ms() };
            match self.check_out(attempt).await {
                Ending::Placed(answer) => {
                    self.follow(*answer).await;
                    return;
                }
                Ending::Refused("payment-declined" | "out-of-stock") => {
                    let pause = self.dice.between(100, 5_000);
                    self.world.sim.sleep(pause).await;
                    if self.dice.in_thousand(300) {
                        self.change_cart(cart).await;
                    }
                }
                Ending::Refused(_) | Ending::GivenUp => {
                    // Some leave; some go on with the same cart and a new key, not knowing what became of the old.
                    if self.dice.in_thousand(500) {
                        return;
                    }
                }
            }
        }
    }

    // === the cart ===

    async fn fill_cart(&mut self) -> Option<CartId> {
        let currency = self.dice.pick(&CURRENCIES).map(|currency| currency.code().to_owned());
        let (caller, key) = (self.caller, self.next_key());
        let whose = format!("{} POST /v1/carts", self.whose());
        let cart = self
            .insist("open a cart", move |app| {
                let (request, key) = (NewCart { currency: currency.clone() }, key.clone());
                let claim = app.claim(whose.clone(), key, &[b"open"]);
                Box::pin(async move { app.open_cart(&caller, &request, Some(claim)).await })
            })
            .await?
            .value;
        let (cart, currency) = (cart.id, cart.currency);
        self.world.sim.name("cart", &cart);
        let mut is_clear = true;
        for _ in 0..self.dice.between(1, 3) {
            let sku = self.dice.pick(&STOCK).map_or("CUP", |(sku, _)| sku);
            is_clear &= self.add_line(cart, sku).await;
        }
        self.clear_cart = is_clear.then_some(cart);
        if self.dice.in_thousand(250) {
            self.enter_code(cart).await;
        }
        if self.dice.in_thousand(250) {
            self.enter_gift_card(cart, currency).await;
        }
        if self.dice.in_thousand(300) {
            self.change_cart(cart).await;
        }
        Some(cart)
    }

    /// Says whether it was answered.
    async fn add_line(&mut self, cart: CartId, sku: &'static str) -> bool {
        let (quantity, key) = (self.dice.between(1, 3), self.next_key());
        let scope = format!("{} POST /v1/carts/{cart}/lines", self.whose());
        self.insist("add a line", move |app| {
            let line = NewLine { sku: sku.to_owned(), quantity };
            let claim = app.claim(scope.clone(), key.clone(), &[sku.as_bytes()]);
            Box::pin(async move { app.add_line(cart, &line, None, Some(claim)).await })
        })
        .await
        .is_some()
    }

    async fn enter_code(&mut self, cart: CartId) {
        let (scope, key) =
            (format!("{} PUT /v1/carts/{cart}/codes", self.whose()), self.next_key());
        self.world.count("codes entered");
        self.insist("enter a code", move |app| {
            let claim = app.claim(scope.clone(), key.clone(), &[CODE.as_bytes()]);
            Box::pin(async move { app.set_code(cart, CODE, true, None, Some(claim)).await })
        })
        .await;
    }

    async fn enter_gift_card(&mut self, cart: CartId, currency: Currency) {
        let Some(code) = self.world.gift_card(currency) else { return };
        let scope = format!("{} PUT /v1/carts/{cart}/gift-cards", self.whose());
        let key = self.next_key();
        self.world.count("gift cards entered");
        self.insist("enter a gift card", move |app| {
            let claim = app.claim(scope.clone(), key.clone(), &[code.as_bytes()]);
            let entry = GiftCardEntry { code: code.clone() };
            Box::pin(async move { app.enter_gift_card(cart, &entry, None, Some(claim)).await })
        })
        .await;
    }

    /// Sets or removes a line, as seen in a read; what is read and set goes into the history.
    async fn change_cart(&mut self, cart: CartId) {
        let Some(seen) = self.read_cart(cart).await else {
            return;
        };
        let mut skus: Vec<_> =
            seen.lines.iter().map(|line| (line.sku.to_string(), line.id)).collect();
        skus.sort();
        let Some((sku, line)) = self.dice.pick(&skus).cloned() else {
            return;
        };
        if skus.len() > 1 && self.dice.in_thousand(300) {
            let removed = self.insist("remove a line", move |app| {
                Box::pin(async move { app.remove_line(cart, line, None, None).await })
            });
            removed.await;
            return;
        }
        let quantity = self.dice.between(1, 3);
        let object = format!("{}/{sku}", self.world.sim.name("cart", &cart));
        let call = Call::Write(quantity.to_string());
        let since_us = self.world.sim.now_us();
        // Without a key, a doubled message would set it once more, later.
        let (scope, key) =
            (format!("{} PATCH /v1/carts/{cart}/lines/{line}", self.whose()), self.next_key());
        let answer = self
            .call(move |app| {
                let change = LineChange { quantity };
                let claim =
                    app.claim(scope.clone(), key.clone(), &[quantity.to_string().as_bytes()]);
                Box::pin(async move { app.set_line(cart, line, change, None, Some(claim)).await })
            })
            .await;
        let outcome = match &answer {
            Ok(Ok(_)) => Outcome::Done(None),
            Ok(Err(error)) if error.kind() != ErrorKind::Unavailable => Outcome::Refused,
            Ok(Err(_)) | Err(_) => Outcome::Unknown,
        };
        if self.clear_cart == Some(cart) {
            self.world.record(self.number, &object, since_us, call, outcome);
        }
        self.read_cart(cart).await;
    }

    async fn read_cart(&mut self, cart: CartId) -> Option<Cart> {
        let since_us = self.world.sim.now_us();
        let seen = self
            .insist("read a cart", move |app| Box::pin(async move { app.cart(cart).await }))
            .await?;
        if seen.status == CartStatus::Open && self.clear_cart == Some(cart) {
            let name = self.world.sim.name("cart", &cart);
            for line in &seen.lines {
                let object = format!("{name}/{}", line.sku);
                let value = Answer::Value(Some(line.quantity.to_string()));
                self.world.record(
                    self.number,
                    &object,
                    since_us,
                    Call::Read,
                    Outcome::Done(Some(value)),
                );
            }
        }
        Some(seen)
    }

    // === the checkout ===

    async fn check_out(&mut self, attempt: Attempt) -> Ending {
        if self.dice.in_thousand(200) {
            // A second click: the same request again, or one that the page took for a new one.
            let mut twin = self.clone();
            twin.dice = self.dice.fork(2);
            let mut second = attempt.clone();
            match self.dice.below(10) {
                0..=3 => {}
                4..=8 => second.key = format!("{}b", attempt.key),
                // A page that changes its mind and keeps the key: whoever comes second must be refused.
                _ => second.method = TestMethod::Late,
            }
            self.say("clicks twice");
            self.world.count("double clicks");
            self.world.sim.spawn(Owner::Client, async move {
                if let Ending::Placed(answer) = twin.insist_on(&second).await {
                    twin.follow(*answer).await;
                }
            });
        }
        self.insist_on(&attempt).await
    }

    /// Asks for a checkout until it is answered, always with the same key.
    async fn insist_on(&mut self, attempt: &Attempt) -> Ending {
        for try_number in 0..TRIES_MAX {
            if self.world.sim.now_ms() - attempt.born_ms > KEY_AGE_MAX_MS {
                break;
            }
            let since_us = self.world.sim.now_us();
            match self.ask_for_checkout(attempt).await {
                Ok(Ok(answered)) => return self.placed(answered, since_us),
                Ok(Err(error)) if is_passing(&error) => {
                    self.say(format!(
                        "{} {}: {error}, later again",
                        attempt.key,
                        attempt.method.as_str()
                    ));
                }
                Ok(Err(error)) => {
                    self.world.judge_error("check out", &error);
                    self.say(format!("{} {}: {error}", attempt.key, attempt.method.as_str()));
                    return Ending::Refused(code(&error));
                }
                Err(lost) => {
                    self.say(format!("{} {}: {lost:?}", attempt.key, attempt.method.as_str()));
                    self.world.count("lost checkouts");
                    if self.dice.in_thousand(150) {
                        break;
                    }
                }
            }
            let pause = self.dice.between(100, 2_000 << try_number.min(4));
            self.world.sim.sleep(pause).await;
        }
        Ending::GivenUp
    }

    async fn ask_for_checkout(
        &mut self,
        attempt: &Attempt,
    ) -> Result<Result<Answered<CheckoutAnswer>, Error>, Lost> {
        let Attempt { cart, ref key, method, .. } = *attempt;
        let has_token = pays_by_token(key, method);
        let scope = format!("{} POST /v1/carts/{cart}/checkout", self.whose());
        let (caller, key, world) = (self.caller, key.clone(), Arc::clone(&self.world));
        self.say(format!(
            "{key} checks out {} by {}",
            world.sim.name("cart", &cart),
            method.as_str()
        ));
        self.call(move |app| {
            let (scope, key, world) = (scope.clone(), key.clone(), Arc::clone(&world));
            Box::pin(async move {
                let claim = app.claim(scope.clone(), key.clone(), &[method.as_str().as_bytes()]);
                let answer = app.checkout(&caller, cart, &request(method, has_token), claim).await;
                keep_answer(&world, (scope, key), &answer);
                answer
            })
        })
        .await
    }

    fn placed(&mut self, answered: Answered<CheckoutAnswer>, since_us: i64) -> Ending {
        let Answered { value: answer, is_replay } = answered;
        let world = &self.world;
        let name = world.sim.name("order", &answer.order_id);
        self.say(format!(
            "{name} number {} is {}, payment {}, {} {}, replay {is_replay}",
            answer.number,
            answer.status.as_str(),
            answer.payment_status.as_str(),
            answer.totals.total.minor,
            answer.totals.currency.code()
        ));
        world.count("orders placed");
        // A replay tells what was so when the key was first answered, not what is so now.
        if !is_replay {
            world.record_order(self.number, answer.order_id, since_us, answer.status.as_str());
        }
        world.seen().told.push(Told {
            order: answer.order_id,
            number: answer.number.clone(),
            total_minor: answer.totals.total.minor,
            currency: answer.totals.currency,
            is_confirmed: answer.status == OrderStatus::Confirmed,
        });
        if self.caller.user.is_some() {
            self.own.push(answer.order_id);
        }
        Ending::Placed(Box::new(answer))
    }

    // === after the checkout ===

    /// Does what the payer has to do, or not, and looks at the order now and then.
    async fn follow(&mut self, answer: CheckoutAnswer) {
        if answer.next_action.is_some() {
            let pause = self.dice.between(100, 20_000);
            self.world.sim.sleep(pause).await;
            while self.dice.in_thousand(200) {
                self.ask_for_more_time(&answer).await;
            }
            match self.dice.below(4) {
                0 => self.say("walks away"),
                1 => self.act(&answer, "reject").await,
                _ => self.act(&answer, "approve").await,
            }
        }
        for _ in 0..self.dice.between(0, 3) {
            let pause = self.dice.between(50, 30_000);
            self.world.sim.sleep(pause).await;
            let (caller, id, token) = (self.caller, answer.order_id, answer.order_token.clone());
            let since_us = self.world.sim.now_us();
            let order = self.call(move |app| {
                let token = token.clone();
                Box::pin(async move { app.order(&caller, id, Some(&token)).await })
            });
            match order.await {
                Ok(Ok(order)) => self.saw(&order, since_us),
                Ok(Err(error)) => self.complain("read an order", &error),
                Err(_lost) => {}
            }
        }
        if self.dice.in_thousand(150) {
            self.call_off(&answer).await;
        }
    }

    /// Calls an order off, paid or not. One that has ended says no.
    async fn call_off(&mut self, answer: &CheckoutAnswer) {
        let (caller, id, token) = (self.caller, answer.order_id, answer.order_token.clone());
        let (whose, key) = (self.whose(), self.next_key());
        self.say(format!("calls {} off", self.world.sim.name("order", &id)));
        self.world.count("cancellations");
        self.world.seen().called_off.insert(id);
        let since_us = self.world.sim.now_us();
        let done = self
            .insist("call an order off", move |app| {
                let scope = format!("{whose} POST /v1/orders/{id}/cancel");
                let (token, claim) = (token.clone(), app.claim(scope, key.clone(), &[b"cancel"]));
                Box::pin(
                    async move { app.cancel_own_order(&caller, id, Some(&token), claim).await },
                )
            })
            .await;
        if let Some(answered) = done {
            self.saw(&answered.value, since_us);
        }
    }

    /// Keeps the stock for a while longer; what has ended must not come back.
    async fn ask_for_more_time(&mut self, answer: &CheckoutAnswer) {
        let (caller, id, token) = (self.caller, answer.order_id, answer.order_token.clone());
        let since_us = self.world.sim.now_us();
        let extended = self
            .call(move |app| {
                let token = token.clone();
                Box::pin(async move { app.extend_hold(&caller, id, Some(&token)).await })
            })
            .await;
        match extended {
            Ok(Ok(order)) => {
                self.world.count("extended holds");
                self.saw(&order, since_us);
            }
            Ok(Err(error)) if !is_passing(&error) => self.complain("extend a hold", &error),
            Ok(Err(_)) | Err(_) => {}
        }
        let pause = self.dice.between(20_000, 110_000);
        self.world.sim.sleep(pause).await;
    }

    async fn act(&mut self, answer: &CheckoutAnswer, word: &'static str) {
        let (caller, id, token) = (self.caller, answer.order_id, answer.order_token.clone());
        self.say(format!("{word}s {}", self.world.sim.name("order", &id)));
        for _ in 0..3 {
            let since_us = self.world.sim.now_us();
            let token = token.clone();
            let done = self
                .call(move |app| {
                    let (token, request) =
                        (token.clone(), PaymentAction { action: word.to_owned() });
                    Box::pin(async move {
                        app.act_on_payment(&caller, id, Some(&token), &request).await
                    })
                })
                .await;
            match done {
                Ok(Ok(order)) => return self.saw(&order, since_us),
                Ok(Err(error)) if !is_passing(&error) => {
                    return self.complain("act on a payment", &error);
                }
                Ok(Err(_)) | Err(_) => {}
            }
            let pause = self.dice.between(100, 4_000);
            self.world.sim.sleep(pause).await;
        }
    }

    fn saw(&self, order: &Order, since_us: i64) {
        let name = self.world.sim.name("order", &order.id);
        self.say(format!(
            "sees {name} {}, payment {}",
            order.status.as_str(),
            order.payment_status.as_str()
        ));
        self.world.record_order(self.number, order.id, since_us, order.status.as_str());
        self.world.seen().told.push(Told {
            order: order.id,
            number: order.number.clone(),
            total_minor: order.totals.total.minor,
            currency: order.totals.currency,
            is_confirmed: order.status == OrderStatus::Confirmed,
        });
    }

    /// An order that was told of cannot be unknown.
    fn complain(&self, doing: &str, error: &Error) {
        self.world.judge_error(doing, error);
        self.say(format!("{doing}: {error}"));
        if code(error) == "not-found" {
            self.world.problem(format!("{doing}: an order that a client was told of is not found"));
        }
    }

    async fn read_own_orders(&mut self) {
        if self.caller.user.is_none() {
            return;
        }
        let caller = self.caller;
        let list = self.insist("read own orders", move |app| {
            Box::pin(async move { app.orders(&caller).await })
        });
        if let Some(orders) = list.await {
            self.say(format!("has {} orders", orders.items.len()));
            let is_listed = |id: &OrderId| orders.items.iter().any(|order| order.id == *id);
            if !self.own.iter().all(is_listed) {
                self.world.problem(format!(
                    "client {} misses an order in the list of its own",
                    self.number
                ));
            }
        }
    }
}

/// Keeps what a key was answered. Refusals that the shop does not keep may change; these may not.
fn keep_answer(
    world: &World,
    key: (String, String),
    answer: &Result<Answered<CheckoutAnswer>, Error>,
) {
    let kept = match answer {
        Ok(Answered { value, .. }) => KeptAnswer {
            text: serde_json::to_string(value).unwrap_or_default(),
            order: Some(value.order_id),
        },
        Err(Error::Refused(refusal))
            if matches!(refusal.code, "payment-declined" | "out-of-stock") =>
        {
            let mut fields: Vec<String> = refusal
                .fields
                .iter()
                .map(|field| format!("{}: {}", field.pointer, field.detail))
                .collect();
            fields.sort();
            KeptAnswer { text: format!("{} {}", refusal.code, fields.join(", ")), order: None }
        }
        Err(_) => return,
    };
    world.seen().answers.entry(key).or_default().push(kept);
}

/// Every other attempt with what the provider's own field gave, for the same in other words. A token that makes the
/// provider silent is none: only a method of its own does that.
fn pays_by_token(key: &str, method: TestMethod) -> bool {
    let sum = key.bytes().map(u32::from).sum::<u32>();
    method != TestMethod::Timeout && sum.is_multiple_of(2)
}

fn request(method: TestMethod, has_token: bool) -> CheckoutRequest {
    let text = str::to_owned;
    CheckoutRequest {
        email: text("ada@example.org"),
        shipping_address: Address {
            name: text("Ada"),
            line1: text("Street 1"),
            line2: None,
            postal_code: text("10115"),
            city: text("Berlin"),
            region: None,
            country: text("DE"),
        },
        payment: PaymentChoice {
            provider: text("test"),
            method: text(if has_token { "token" } else { method.as_str() }),
            token: has_token.then(|| format!("tok_{}", method.as_str())),
        },
        expected_due: None,
        expected_promises: None,
    }
}

fn code(error: &Error) -> &'static str {
    match error {
        Error::Refused(refusal) => refusal.code,
        Error::Store(_) => "store",
        Error::Provider(_) => "provider",
        Error::Fault(..) => "fault",
    }
}

/// Whether the same request may be answered otherwise in a moment.
pub(crate) fn is_passing(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable || code(error) == "idempotency-in-flight"
}
