//! Hears of the feed's new positions, whichever instance wrote them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::connect::Connector;
use super::session::FEED_CHANNEL;
use crate::StoreError;

/// Pause before the next try after the connection was lost: 1 s. Readers of the feed look by themselves as often.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens until nobody follows `head` any more.
pub(crate) async fn run(connector: Arc<Connector>, head: watch::Sender<u64>) {
    loop {
        if let Err(error) = listen(&connector, &head).await {
            tracing::warn!(error = %error, "do not hear of changes of the feed");
        }
        tokio::select! {
            () = head.closed() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn listen(connector: &Connector, head: &watch::Sender<u64>) -> Result<(), StoreError> {
    let publish = head.clone();
    let told = move |payload: &str| {
        if let Ok(position) = payload.parse() {
            advance(&publish, position);
        }
    };
    let (session, mut ended) = connector.connect_listener(told).await?;
    session.batch(&format!("LISTEN {FEED_CHANNEL}")).await?;
    // What was written while nobody listened.
    let rows = session.query("SELECT position FROM feed_state WHERE id = 1", &[]).await?;
    if let Some(row) = rows.first() {
        advance(head, u64::try_from(row.get::<i64>(0)?).unwrap_or(0));
    }
    tokio::select! {
        () = head.closed() => {}
        _ = ended.changed() => {}
    }
    Ok(())
}

fn advance(head: &watch::Sender<u64>, position: u64) {
    head.send_if_modified(|head| std::mem::replace(head, position) != position);
}
