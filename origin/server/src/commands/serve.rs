//! `serve`: the shop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use app::{App, Clock, Parts, Settings};
use origin_http::{Context, EdgeSecrets, Limits, router};
use providers::http_payment::HttpPaymentProvider;

use super::{jobs, open_store};
use crate::cli::Serve;
use crate::{listen, secret};

pub(crate) async fn run(options: Serve) -> anyhow::Result<()> {
    let edge_secrets = edge_secrets(&options)?;
    let payments_secret = secret::read(&options.payments_secret_file)?;
    if let Some(folder) = &options.media_dir {
        ensure!(folder.is_dir(), "media folder {} is not there", folder.display());
    }
    let stop = listen::stop_signal()?;
    let listener = listen::bind(options.listen).await?;
    let deadline = Duration::from_millis(options.payments_timeout_ms);
    let payments = HttpPaymentProvider::new(&options.payments_url, payments_secret, deadline);
    let parts = Parts {
        store: Arc::new(open_store(&options.database).await?),
        payments: Arc::new(payments),
        settings: Settings {
            hold: Duration::from_secs(options.hold_seconds),
            ..Settings::default()
        },
        clock: Clock::default(),
    };
    let app = App::start(parts).await.context("start the shop")?;
    let context = Context::new(app, edge_secrets, Limits::default(), options.media_dir);
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

/// Reads whom to believe, before anything is opened or bound.
fn edge_secrets(options: &Serve) -> anyhow::Result<EdgeSecrets> {
    let own = EdgeSecrets::new(secret::read(&options.edge_secret_file)?.into_bytes());
    if !options.allow_development_secret {
        return Ok(own);
    }
    if !options.listen.ip().to_canonical().is_loopback() {
        bail!(
            "--allow-development-secret is for one machine alone, and {} can be reached from others: listen on \
             127.0.0.1, or leave the flag out and give every edge the secret of {}",
            options.listen,
            options.edge_secret_file.display()
        );
    }
    tracing::warn!(
        "believing the development secret: whoever reaches this address may speak as an edge"
    );
    Ok(own.with_development())
}
