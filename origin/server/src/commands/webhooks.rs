//! Sends the payment provider's webhooks until they are taken.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use providers::local::webhook_pause;
use providers::webhook::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
use store::payments_db::WebhookRow;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::payments::{Provider, by_itself};
use crate::listen::stopped;

/// Pause between two looks for webhooks that are due: 50 ms.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Webhooks sent at once: 16.
const SENT_MAX: u32 = 16;
/// Longest wait for one to be taken: 5 s.
const DEADLINE: Duration = Duration::from_secs(5);
/// Intents that settle or expire in one round: 256.
const SETTLED_MAX: u32 = 256;

type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// Does what intents do by themselves and sends webhooks until the process is asked to stop.
pub(crate) async fn run(provider: Arc<Provider>, urls: Vec<String>, stop: watch::Receiver<bool>) {
    let client: HttpClient = Client::builder(TokioExecutor::new()).build_http();
    loop {
        if let Err(error) = round(&provider, &client, &urls).await {
            tracing::error!(error = %error, "a round of webhooks failed");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stopped(stop.clone()) => return,
        }
    }
}

async fn round(
    provider: &Arc<Provider>,
    client: &HttpClient,
    urls: &[String],
) -> Result<(), store::StoreError> {
    let decider = Arc::clone(provider);
    let settle = move |row: &store::payments_db::IntentRow| by_itself(&decider, row);
    provider.db.settle_due(SETTLED_MAX, settle, provider.clock.now()).await?;
    let due = provider.db.claim_webhooks(SENT_MAX, webhook_pause, provider.clock.now()).await?;
    let mut sending = JoinSet::new();
    for webhook in due {
        let Some(url) = turn(urls, webhook.attempts) else { continue };
        let (provider, client, url) = (Arc::clone(provider), client.clone(), url.to_owned());
        sending.spawn(async move { deliver(&provider, &client, &url, webhook).await });
    }
    while sending.join_next().await.is_some() {}
    Ok(())
}

/// Chooses where an attempt goes. The first attempts go to the first address, further ones to the next: an instance that
/// is gone or that hangs does not keep the others from hearing.
fn turn(urls: &[String], attempts: u32) -> Option<&str> {
    let place = usize::try_from(attempts).ok()?.checked_rem(urls.len())?;
    urls.get(place).map(String::as_str)
}

async fn deliver(provider: &Provider, client: &HttpClient, url: &str, webhook: WebhookRow) {
    let (delivery, id, attempts) = (webhook.id.clone(), webhook.event.clone(), webhook.attempts);
    match tokio::time::timeout(DEADLINE, send(provider, client, url, webhook)).await {
        Ok(Ok(status)) if status.is_success() => {
            if let Err(error) = provider.db.mark_taken(delivery).await {
                tracing::error!(error = %error, "could not mark a webhook as taken; it will be sent again");
            }
        }
        Ok(Ok(status)) => {
            tracing::warn!(webhook.id = id, attempts, %status, "a webhook was not taken")
        }
        Ok(Err(error)) => {
            tracing::warn!(webhook.id = id, attempts, error = %error, "could not send a webhook")
        }
        Err(_elapsed) => {
            tracing::warn!(webhook.id = id, attempts, "a webhook was not taken in time")
        }
    }
}

async fn send(
    provider: &Provider,
    client: &HttpClient,
    url: &str,
    webhook: WebhookRow,
) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let now = provider.clock.now();
    let signature = sign(provider.secret.as_bytes(), &webhook.event, now, webhook.body.as_bytes());
    let request = Request::post(url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(ID_HEADER, webhook.event)
        .header(TIMESTAMP_HEADER, now.unix_s())
        .header(SIGNATURE_HEADER, signature)
        .body(Full::new(Bytes::from(webhook.body)))?;
    let response = client.request(request).await?;
    let status = response.status();
    // Read to its end, so that the connection can be used again; the answer's words do not matter.
    response.into_body().collect().await?;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::turn;

    #[test]
    fn further_attempts_take_turns_among_the_addresses() {
        let urls = ["one".to_owned(), "two".to_owned()];
        let turns: Vec<Option<&str>> = [0, 1, 2, u32::MAX].map(|n| turn(&urls, n)).into();
        assert_eq!(turns, [Some("one"), Some("two"), Some("one"), Some("two")]);
        assert_eq!(turn(&urls[..1], 7), Some("one"));
        assert_eq!(turn(&[], 0), None);
    }
}
