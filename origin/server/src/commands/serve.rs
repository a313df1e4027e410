//! `serve`: the shop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use app::{App, Clock, Parts, Settings};
use origin_http::{Context, Limits, router};
use providers::http_payment::HttpPaymentProvider;

use super::{jobs, open_store};
use crate::cli::Serve;
use crate::{listen, secret};

pub(crate) async fn run(options: Serve) -> anyhow::Result<()> {
    let edge_secret = secret::read(&options.edge_secret_file)?;
    let payments_secret = secret::read(&options.payments_secret_file)?;
    if let Some(folder) = &options.media_dir {
        ensure!(folder.is_dir(), "media folder {} is not there", folder.display());
    }
    let stop = listen::stop_signal()?;
    let listener = listen::bind(options.listen).await?;
    let deadline = Duration::from_millis(options.payments_timeout_ms);
    let payments =
        HttpPaymentProvider::new(&options.payments_url, payments_secret.clone(), deadline);
    let parts = Parts {
        store: Arc::new(open_store(&options.data)?),
        payments: Arc::new(payments),
        webhook_secret: payments_secret.into_bytes(),
        settings: Settings {
            hold: Duration::from_secs(options.hold_seconds),
            ..Settings::default()
        },
        clock: Clock::default(),
    };
    let app = App::start(parts).await.context("start the shop")?;
    let context = Context::new(app, edge_secret.into_bytes(), Limits::default());
    let jobs = jobs::start(&context, &stop);
    let (closing, signal) = (Arc::clone(&context), stop.clone());
    tokio::spawn(async move {
        // Edges that wait for a change would hold up the drain to its end.
        listen::stopped(signal).await;
        closing.app().close();
    });
    listen::serve(listener, router::router(&context), stop).await?;
    jobs::finish(jobs).await;
    tracing::info!("stopped");
    Ok(())
}
