//! A stand-in that runs until it is dropped.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use axum::Router;
use http::HeaderMap;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server on a free port of this machine.
#[derive(Debug)]
pub struct Server {
    url: String,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts to answer.
    ///
    /// # Errors
    /// When no port can be had.
    pub(crate) async fn start(router: Router) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen")?;
        let url = format!("http://{}", listener.local_addr().context("read the address")?);
        let task = tokio::spawn(async move {
            // Ends with the listener, and that with the task.
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { url, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether a request has the token as its bearer.
pub(crate) fn is_authorized(headers: &HeaderMap, token: &str) -> bool {
    headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .is_some_and(|sent| sent == token)
}
