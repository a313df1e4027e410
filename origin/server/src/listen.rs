//! Listening, saying where, and stopping gracefully.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Longest wait for requests under way after a signal: 5 s.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Turns `true` when the process is asked to stop.
pub(crate) fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        sender.send_replace(true);
    });
    Ok(receiver)
}

/// Waits until the process is asked to stop.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone: the process is ending anyway.
    let _ = stop.wait_for(|&is_stopping| is_stopping).await;
}

/// Takes the address, so that a port in use is known before anything else is started.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))
}

/// Serves until the process is asked to stop, then finishes what is under way.
#[expect(clippy::print_stdout, reason = "the line is read by who started the process")]
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("read own address")?;
    println!("listening http://{address}");
    std::io::stdout().flush().context("write to standard output")?;
    let server = axum::serve(listener, router).with_graceful_shutdown(stopped(stop.clone()));
    tokio::select! {
        served = async { server.await } => served.context("serve"),
        () = deadline_after(stopped(stop)) => {
            tracing::warn!("left requests unfinished at the end of the drain");
            Ok(())
        }
    }
}

async fn deadline_after(stopped: impl Future<Output = ()>) {
    stopped.await;
    tokio::time::sleep(DRAIN_MAX).await;
}
