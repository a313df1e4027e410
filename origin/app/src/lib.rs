//! What the shop can do: one method of [`App`] per use case, a file per noun.
//!
//! Layer: adapter (L3). Checks what was asked, lets `domain` decide, has `store` carry it out and asks `providers` for
//! money, outside of every transaction. Knows neither HTTP nor SQL.
//! Not here: routes and statuses (`origin/http`), statements (`store`), processes and intervals (`server`).
//! Start at [`App::start`]; the longest story is [`App::checkout`].

mod account;
mod cart;
mod checkout;
mod clock;
mod delivery;
mod error;
mod events;
mod export;
mod feed;
mod gift_card;
mod import;
mod inventory;
mod invoice;
mod jobs;
mod keys;
mod lease;
mod listing;
mod location;
mod merchant;
mod method;
mod operation;
mod order;
mod order_admin;
mod order_refusal;
mod order_view;
mod password;
mod product;
mod promotion;
mod seed;
mod shop;
mod staff;
mod stock;
mod supply;
mod tokens;
mod transfer;
mod validate;
mod webhook;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::{SessionId, UserId};
use hmac::{Hmac, KeyInit, Mac};
pub use providers::outbound::Reach;
use providers::outbound::Sender;
pub use providers::payment::CaptureMode;
use providers::payment::PaymentProvider;
use providers::stripe::field::Field;
use sha2::Sha256;
use store::Store;
use tokio::sync::watch;

pub use store::{Claim, ExportKind, FeedState, Lease, Leasing, WriterReport};

pub use cart::Precondition;
pub use clock::Clock;
pub use delivery::{UNDER_WAY_MAX, UNDER_WAY_MAX_EACH};
pub use documents::{FONT_BYTES_MAX, FontError, Fonts};
pub use error::{Error, Refusal};
pub use export::ExportFormat;
pub use feed::ChangesQuery;
pub use import::IMPORT_BYTES_MAX;
pub use invoice::NamedFile;
pub use jobs::{CHECKS_MAX, EVENTS_MAX, EXPIRED_MAX, INVOICES_MAX};
pub use lease::JOB_LEASE;
pub use operation::OPERATIONS_MAX;
pub use order_admin::{ParcelStep, ReturnDecision, StepAsked};
pub use product::ProductsQuery;
pub use seed::parse_catalogue;
pub use staff::{NewStaffKey, STAFF_KEY_PREFIX, Staff, StaffId};

use keys::Keys;
use password::Passwords;

/// How the shop behaves. Durations have their defaults in [`Settings::default`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a checkout holds its stock. Default 10 minutes.
    pub hold: Duration,
    /// How long activity may push a hold forward, from its start. Default 30 minutes; never less than `hold`.
    pub hold_max: Duration,
    /// How long a checkout under way is left alone by retries and the reconciler. Default 10 s; more than a call to
    /// the payment provider may take.
    pub lease: Duration,
    /// How long the price of a line holds after it was put into the cart. Default 1 hour.
    pub price_freeze: Duration,
    /// Life of an access token. Default 15 minutes; a stolen one is good for as long where an edge is cut off.
    pub access_life: Duration,
    /// Life of a refresh token. Default 30 days.
    pub refresh_life: Duration,
    /// Age at which the signing key is changed. Default 30 days.
    pub key_age_max: Duration,
    /// Whom merchants' webhooks may lead to. Default: the public internet, over TLS.
    pub webhook_reach: Reach,
    /// Whether money is taken at the checkout, or held until the staff takes it. Default: taken.
    pub capture: CaptureMode,
    /// How long money stays held for an order that nobody captures. Default 6 days; banks let it go after 7.
    pub hold_kept: Duration,
    /// Where payers come back to after a page of the provider or the bank, with [`ORDER_IN_URL`] for the order. Without
    /// it, methods that lead away are not offered.
    pub return_url: Option<String>,
    /// What pages need to show Stripe's own field. Default: nothing, and the pages show none.
    pub field: Option<Field>,
    /// Who sells, a line each, as invoices print it. Default: nothing.
    pub seller: Vec<String>,
    /// Fonts for letters that the font in the program does not have. Default: none.
    pub fonts: Fonts,
}

/// What stands for an order's id in [`Settings::return_url`].
pub const ORDER_IN_URL: &str = "{order_id}";

impl Default for Settings {
    fn default() -> Self {
        Self {
            hold: domain::cart::HOLD_DEFAULT,
            hold_max: domain::reservation::HOLD_MAX,
            lease: Duration::from_secs(10),
            price_freeze: domain::pricing::FREEZE_DEFAULT,
            access_life: Duration::from_mins(15),
            refresh_life: Duration::from_hours(30 * 24),
            key_age_max: Duration::from_hours(30 * 24),
            webhook_reach: Reach::Public,
            capture: CaptureMode::Automatic,
            hold_kept: Duration::from_hours(6 * 24),
            return_url: None,
            field: None,
            seller: Vec::new(),
            fonts: Fonts::default(),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// The account, if signed in.
    pub user: Option<UserId>,
    /// The session of that account.
    pub session: Option<SessionId>,
    /// The address of the client.
    pub client: IpAddr,
}

/// An answer, and whether it was given before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered<T> {
    /// The answer.
    pub value: T,
    /// Whether it repeats an earlier answer to the same key.
    pub is_replay: bool,
}

/// The shop.
#[derive(Debug)]
pub struct App {
    store: Arc<Store>,
    payments: Arc<dyn PaymentProvider>,
    settings: Settings,
    clock: Clock,
    secret: Secret,
    keys: Keys,
    passwords: Passwords,
    sender: Sender,
    closing: watch::Sender<bool>,
    /// Names this process among those that share the shop.
    process: String,
}

/// What the shop is made of.
#[derive(Debug)]
pub struct Parts {
    /// Its memory.
    pub store: Arc<Store>,
    /// Who moves its money.
    pub payments: Arc<dyn PaymentProvider>,
    /// How it behaves.
    pub settings: Settings,
    /// Its clock.
    pub clock: Clock,
}

impl App {
    /// Takes up work: frees what a killed process left behind, and makes sure there are keys to sign with.
    ///
    /// # Errors
    /// When the store does not answer or the system gives no randomness.
    pub async fn start(parts: Parts) -> Result<Self, Error> {
        let Parts { store, payments, settings, clock } = parts;
        if !store.is_shared() {
            // Nobody else serves this shop, so whatever is under way was left by a killed process.
            store.free_abandoned_checkouts(clock.now()).await?;
            store.free_abandoned_jobs().await?;
        }
        let secret = Secret(store.shared_secret("tokens", random()?).await?);
        let sender = Sender::new(settings.webhook_reach);
        let app = Self {
            store,
            payments,
            settings,
            clock,
            secret,
            keys: Keys::default(),
            passwords: Passwords::new()?,
            sender,
            closing: watch::Sender::new(false),
            process: UserId::v4(random()?).to_string(),
        };
        app.rotate_keys().await?;
        Ok(app)
    }

    /// Sends home whoever waits for something new: the process is about to stop. Everything else goes on.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Returns what the store's writer has done, for metrics.
    #[must_use]
    pub fn writer_report(&self) -> WriterReport {
        self.store.writer_report()
    }

    /// Returns the clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Makes the claim of a caller's idempotency key. `request` is everything that must be the same in a retry.
    #[must_use]
    pub fn claim(&self, scope: String, key: String, request: &[&[u8]]) -> Claim {
        Claim { scope, key, fingerprint: self.secret.mac("request", request) }
    }
}

/// The secret that tokens and fingerprints are made with.
struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Secret {
    /// Authenticates parts for one purpose. Each part is preceded by its length, so no two lists look the same.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length, RFC 2104 section 2")]
    fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("every key length is valid");
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Fault("read randomness", Box::new(error)))?;
    Ok(bytes)
}
