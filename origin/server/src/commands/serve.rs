//! `serve`: the shop.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use app::{App, CaptureMode, Clock, Parts, Reach, Settings};
use origin_http::{Context, EdgeSecrets, Limits, router};
use providers::http_payment::HttpPaymentProvider;
use providers::payment::PaymentProvider;
use providers::secret::Secret;
use providers::stripe::field::Field;
use providers::stripe::{Settings as StripeSettings, Stripe};

use super::{jobs, open_store};
use crate::cli::{Capture, Serve};
use crate::{fonts, listen, secret};

pub(crate) async fn run(options: Serve) -> anyhow::Result<()> {
    let edge_secrets = edge_secrets(&options)?;
    let payments = payment_provider(&options)?;
    let field = stripe_field(&options)?;
    let fonts = fonts::read(&options.document_font)?;
    if let Some(folder) = &options.media_dir {
        ensure!(folder.is_dir(), "media folder {} is not there", folder.display());
    }
    let stop = listen::stop_signal()?;
    let listener = listen::bind(options.listen).await?;
    let parts = Parts {
        store: Arc::new(open_store(&options.database).await?),
        payments,
        settings: Settings {
            hold: Duration::from_secs(options.hold_seconds),
            webhook_reach: webhook_reach(&options),
            capture: match options.capture {
                Capture::Automatic => CaptureMode::Automatic,
                Capture::Manual => CaptureMode::Manual,
            },
            hold_kept: Duration::from_hours(24 * u64::from(options.hold_kept_days)),
            return_url: options.return_url.clone(),
            field,
            seller: options.seller.clone(),
            fonts,
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

/// Makes the client of whoever moves the money, before anything is opened or bound.
fn payment_provider(options: &Serve) -> anyhow::Result<Arc<dyn PaymentProvider>> {
    let deadline = Duration::from_millis(options.payments_timeout_ms);
    if let Some(key) = &options.stripe_key_file {
        let read = |path: &PathBuf| secret::read(path).map(Secret::new);
        let settings = StripeSettings {
            base: options.stripe_url.clone(),
            key: read(key)?,
            webhook_secrets: options
                .stripe_webhook_secret_file
                .iter()
                .map(read)
                .collect::<anyhow::Result<_>>()?,
            deadline,
        };
        return Ok(Arc::new(Stripe::new(settings).context("set up Stripe")?));
    }
    // The command line demands both where Stripe is not named.
    let url = options.payments_url.as_ref().context("no --payments-url")?;
    let file = options.payments_secret_file.as_ref().context("no --payments-secret-file")?;
    Ok(Arc::new(HttpPaymentProvider::new(url, secret::read(file)?, deadline)))
}

/// Says what pages need for Stripe's own field, where the operator wants them to show it.
fn stripe_field(options: &Serve) -> anyhow::Result<Option<Field>> {
    let Some(publishable_key) = &options.stripe_publishable_key else { return Ok(None) };
    // The command line demands it beside a publishable key.
    let file = options.stripe_key_file.as_ref().context("no --stripe-key-file")?;
    let key = Secret::new(secret::read(file)?);
    let field = Field::new(publishable_key, &options.stripe_js_url, &key);
    field.map(Some).context("set up Stripe's field")
}

/// Says whom merchants' webhooks may lead to.
fn webhook_reach(options: &Serve) -> Reach {
    if options.allow_local_webhooks {
        tracing::warn!("merchants' webhooks may lead to this machine, and need no TLS");
        return Reach::Loopback;
    }
    Reach::Public
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
