//! The other end of the socket, for the commands.

use std::{path::PathBuf, time::Duration};

use api_types::problem::Problem;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, time::timeout};

/// Longest answer: 4 MiB, some thousand versions.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why a command got no answer, or not the wanted one.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// The node says no.
    Refused(Box<Problem>),
    /// The node cannot be asked.
    Silent(anyhow::Error),
}

/// Asks the node behind a socket.
pub(crate) struct Client {
    pub(crate) socket: PathBuf,
    pub(crate) timeout: Duration,
}

impl Client {
    pub(crate) async fn list<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        self.ask(Method::GET, "/v1/versions", Bytes::new()).await
    }

    /// Sends `body` to `path`.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::Silent(error.into()))?;
        self.ask(Method::POST, path, body.into()).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let asked = timeout(self.timeout, self.exchange(method, path, body)).await;
        let silent = || anyhow::anyhow!("the node did not answer within {:?}", self.timeout);
        let (status, bytes) =
            asked.unwrap_or_else(|_| Err(silent())).map_err(ClientError::Silent)?;
        let strange = |error: serde_json::Error| {
            ClientError::Silent(anyhow::Error::from(error).context("read the node's answer"))
        };
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(strange);
        }
        let problem: Problem = serde_json::from_slice(&bytes).map_err(strange)?;
        Err(ClientError::Refused(Box::new(problem)))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| {
            let socket = self.socket.display();
            anyhow::anyhow!("no node listens on {socket}: {error}")
        })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse()?;
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("node"));
        let asking = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!("read the node's answer: {error}"))?;
            anyhow::Ok((status, body.to_bytes()))
        };
        tokio::pin!(connection);
        tokio::pin!(asking);
        tokio::select! {
            biased;
            asked = &mut asking => asked,
            // The rest of the answer is already here when the connection ends.
            _ = &mut connection => asking.await,
        }
    }
}
