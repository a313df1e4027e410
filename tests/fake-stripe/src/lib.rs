//! A stand-in for Stripe that speaks its wire: payment intents, charges, refunds, idempotency keys, events, and faults
//! on demand; and that serves a Stripe.js with which pages do what they do with Stripe's. In memory; for tests.
//!
//! Layer: dev (L5). Written from Stripe's reference without the types of our adapter, so that no mistake is made twice:
//! it refuses parameters that Stripe does not know, and keys that are used for something else.
//! Not here: TLS, customers, other methods of payment than Stripe's test cards, disputes, payouts.
//! Start at [`FakeStripe::start`].

mod answer;
mod browser;
mod card;
mod form;
mod intent;
mod server;
mod state;
pub mod webhook;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use state::State;

/// The secret key that it believes.
pub const SECRET_KEY: &str = "sk_test_fake_key_of_the_stand_in";
/// The key for browsers that it believes.
pub const PUBLISHABLE_KEY: &str = "pk_test_fake_key_of_the_stand_in";
/// The secret that its webhooks are signed with.
pub const WEBHOOK_SECRET: &str = "whsec_fake_secret_of_the_stand_in";

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is done, and its connection is cut before the answer.
    LoseAnswer,
    /// It is not done and answered with 500; Stripe remembers that under the key.
    Fail {
        /// What `Stripe-Should-Retry` says, if anything.
        should_retry: Option<bool>,
    },
    /// It is not done and answered with 429.
    RateLimit {
        /// What `Retry-After` says, in seconds.
        retry_after_s: u64,
        /// What `Stripe-Should-Retry` says, if anything.
        should_retry: Option<bool>,
    },
    /// It is done, and its answer comes so much later.
    Slow(Duration),
    /// It is done, and its answer is no JSON.
    Garbage,
}

/// A webhook, signed for an attempt to deliver it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The value of `Stripe-Signature`.
    pub signature: String,
    /// What was signed.
    pub body: String,
}

/// A Stripe that runs until it is dropped.
#[derive(Debug)]
pub struct FakeStripe {
    url: String,
    shared: Shared,
    task: JoinHandle<()>,
}

/// The state, as the server and the tests see it.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeStripe {
    /// Starts to answer on a free port of this machine.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> Result<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Starts to answer at an address.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn start_at(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await.context("listen")?;
        let url = format!("http://{}", listener.local_addr().context("read the address")?);
        let shared = Shared::default();
        shared.lock().base = url.clone();
        let router = server::router(shared.clone());
        let task = tokio::spawn(async move {
            // Ends with the listener, and that with the task.
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { url, shared, task })
    }

    /// Where its Stripe.js is.
    #[must_use]
    pub fn script_url(&self) -> String {
        format!("{}/stripe.js", self.url)
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets the next request whose path has `path` in it go wrong. Several are taken in their order.
    pub fn fail_next(&self, path: &str, fault: Fault) {
        self.shared.lock().faults.push((path.to_owned(), fault));
    }

    /// Keeps intents that are made from now on out of the search, as Stripe's does for a while.
    pub fn hold_search_back(&self) {
        self.shared.lock().is_search_behind = true;
    }

    /// The payer proves who they are, or fails to.
    ///
    /// # Panics
    /// When the intent waits for nobody.
    pub fn authenticate(&self, intent: &str, is_approved: bool) {
        self.shared.lock().authenticate(intent, is_approved);
    }

    /// The payer gives a card to Stripe's own field, which confirms with the client secret.
    ///
    /// # Panics
    /// When no intent has that secret, or it cannot be confirmed.
    pub fn confirm_on_field(&self, client_secret: &str, method: &str) {
        self.shared.lock().confirm_on_field(client_secret, method);
    }

    /// A bank sends a refund back that had succeeded.
    ///
    /// # Panics
    /// When there is no such refund.
    pub fn fail_refund(&self, refund: &str) {
        self.shared.lock().fail_refund(refund);
    }

    /// Every intent as the API shows it, oldest first.
    #[must_use]
    pub fn intents(&self) -> Vec<Value> {
        let state = self.shared.lock();
        state.intents.iter().map(|intent| intent.json(true)).collect()
    }

    /// How many requests came, counted by the end of their path.
    #[must_use]
    pub fn requests(&self, path: &str) -> usize {
        self.shared.lock().requests.iter().filter(|asked| asked.ends_with(path)).count()
    }

    /// Every event so far, oldest first, each signed for this moment.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        let now_s = state::now_s();
        let state = self.shared.lock();
        let deliver = |body: &String| Delivery {
            signature: webhook::sign(WEBHOOK_SECRET, now_s, body),
            body: body.clone(),
        };
        state.events.iter().map(deliver).collect()
    }
}

impl Drop for FakeStripe {
    fn drop(&mut self) {
        self.task.abort();
    }
}
