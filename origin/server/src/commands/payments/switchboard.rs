//! The switches of the running provider, and what they do to its requests.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::payment::TestMethod;
use http::Method;
use http_body::Frame;
use providers::local::switches::{Fault, Switches};

use super::{No, Provider};

/// Random bytes for the delays of a webhook's copies: two for each of up to 11.
const DICE: usize = 22;

/// Switches that change while they are used.
#[derive(Debug)]
pub(crate) struct Switchboard(Mutex<Switches>);

impl Switchboard {
    pub(super) const fn new(switches: Switches) -> Self {
        Self(Mutex::new(switches))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Switches) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns what a payment that would succeed plays instead, if anything.
    pub(super) fn outcome(&self) -> Result<Option<TestMethod>, No> {
        let [dice] = dice()?;
        Ok(self.with(|switches| {
            if switches.declines(dice) {
                return Some(TestMethod::Decline);
            }
            switches.force_3ds.then_some(TestMethod::RequiresAction)
        }))
    }

    pub(super) fn webhook_delays(&self) -> Result<Vec<Duration>, No> {
        let dice = dice::<DICE>()?;
        Ok(self.with(|switches| switches.webhook_delays(&dice)))
    }
}

fn dice<const N: usize>() -> Result<[u8; N], No> {
    let mut dice = [0; N];
    getrandom::fill(&mut dice).map_err(|_none| No::INTERNAL)?;
    Ok(dice)
}

/// Says how the switches stand.
pub(super) async fn read(State(provider): State<Arc<Provider>>) -> Json<Switches> {
    Json(provider.switchboard.with(|switches| *switches))
}

/// Sets all switches: those that are not named go back to their default.
pub(super) async fn set(
    State(provider): State<Arc<Provider>>,
    body: Bytes,
) -> Result<Json<Switches>, No> {
    let switches: Switches = serde_json::from_slice(&body).map_err(|_unreadable| No::UNREADABLE)?;
    let switches = switches.checked().map_err(|_out| No::refusal("switch-out-of-range"))?;
    provider.switchboard.with(|current| *current = switches);
    tracing::info!(?switches, "set the switches");
    Ok(Json(switches))
}

/// Lets a request go wrong, where the switches say so.
pub(super) async fn misbehave(
    State(provider): State<Arc<Provider>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let dice = match dice() {
        Ok(dice) => dice,
        Err(no) => return no.into_response(),
    };
    let is_change = request.method() != Method::GET;
    let (fault, delay) =
        provider.switchboard.with(|switches| (switches.fault(is_change, dice), switches.delay()));
    let response = match fault {
        Fault::Fail => No::INTERNAL.into_response(),
        Fault::None => next.run(request).await,
        Fault::LoseAnswer => {
            let _answer = next.run(request).await;
            cut()
        }
    };
    tokio::time::sleep(delay).await;
    response
}

/// An answer whose body breaks off before its first byte, and the connection with it.
fn cut() -> Response {
    Body::new(Broken).into_response()
}

/// A body that fails before its first byte.
struct Broken;

impl HttpBody for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(Err(io::Error::other("cut on demand"))))
    }
}
