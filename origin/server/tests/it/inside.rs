//! A shop inside the test's own process, with limits as wished and a provider that answers when it is told to.

use std::sync::Arc;
use std::time::Duration;

use app::{App, Clock, Parts, Settings};
use domain::{Money, Timestamp};
use http::HeaderMap;
use origin_http::{Context, EdgeSecrets, Limits, router};
use providers::http_payment::receive;
use providers::payment::{
    BoxFuture, Capture, Decision, Event, Intent, IntentStatus, Lookup, Method, NewIntent,
    PaymentError, PaymentProvider, Refund, Refunded,
};
use providers::webhook::WebhookError;
use store::{Store, StoreConfig};
use tokio::sync::{Semaphore, watch};

use crate::shop::{Asker, EDGE_SECRET, PAYMENTS_SECRET, catalogue};

/// Takes every payment, once it is let go.
#[derive(Debug)]
pub(crate) struct HeldProvider {
    asked: watch::Sender<u32>,
    gate: Semaphore,
}

impl HeldProvider {
    /// Waits until it was asked for so many payments.
    pub(crate) async fn was_asked(&self, times: u32) {
        let mut asked = self.asked.subscribe();
        let waiting = asked.wait_for(|&count| count >= times);
        tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap().unwrap();
    }

    pub(crate) fn let_go(&self) {
        self.gate.close();
    }
}

fn refused<T>() -> BoxFuture<'static, Result<T, PaymentError>> {
    Box::pin(async { Err(PaymentError::NotAllowed) })
}

impl PaymentProvider for HeldProvider {
    fn name(&self) -> &'static str {
        "test"
    }

    fn create(&self, key: String, new: NewIntent) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move {
            self.asked.send_modify(|count| *count += 1);
            // The gate never gives a place: it is closed to let everybody go.
            let _ = self.gate.acquire().await;
            let NewIntent { reference, amount, .. } = new;
            Ok(Intent::whole(key, reference, amount, IntentStatus::Captured))
        })
    }

    fn confirm(
        &self,
        _key: String,
        _id: String,
        _method: Method,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        refused()
    }

    fn lookup(&self, _by: Lookup) -> BoxFuture<'_, Result<Option<Intent>, PaymentError>> {
        Box::pin(async { Ok(None) })
    }

    fn act(
        &self,
        _key: String,
        _id: String,
        _decision: Decision,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        refused()
    }

    fn capture(
        &self,
        _key: String,
        _id: String,
        _capture: Capture,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        refused()
    }

    fn cancel(&self, _key: String, _id: String) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        refused()
    }

    fn refund(
        &self,
        _key: String,
        _id: String,
        _amount: Option<Money>,
    ) -> BoxFuture<'_, Result<Refunded, PaymentError>> {
        refused()
    }

    fn refunds(&self, _id: String) -> BoxFuture<'_, Result<Vec<Refund>, PaymentError>> {
        refused()
    }

    fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Event, WebhookError> {
        receive(PAYMENTS_SECRET.as_bytes(), headers, body, now)
    }
}

/// The shop.
pub(crate) struct Inside {
    _folder: tempfile::TempDir,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) client: Asker,
    pub(crate) provider: Arc<HeldProvider>,
}

impl Inside {
    pub(crate) async fn start(limits: Limits, settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig::file(folder.path().join("origin.db"));
        let store = Store::open(&config, "first").await;
        let (store, clock) = (Arc::new(store.unwrap()), Clock::default());
        let rows = app::parse_catalogue(catalogue(5).to_string().as_bytes()).unwrap();
        store.upsert_catalogue(rows, clock.now()).await.unwrap();
        let provider =
            Arc::new(HeldProvider { asked: watch::Sender::new(0), gate: Semaphore::new(0) });
        let payments: Arc<dyn PaymentProvider> = Arc::<HeldProvider>::clone(&provider);
        let app = App::start(Parts { store, payments, settings, clock });
        let secrets = EdgeSecrets::new(EDGE_SECRET.into());
        let context = Context::new(app.await.unwrap(), secrets, limits, None);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            axum::serve(listener, router::router(&context)).await.unwrap();
        });
        let client = Asker::new(&format!("http://{address}"));
        Self { _folder: folder, address, client, provider }
    }
}
