//! The collector: where it is, and one request to it.

use std::{str::FromStr, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// Longest time for a batch, from the connection to the end of the answer: 5 s. Beyond it the batch is dropped.
const POST_MAX: Duration = Duration::from_secs(5);
/// Longest answer that is read: 64 KiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where a collector takes spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    host: String,
    port: u16,
    authority: HeaderValue,
    path: String,
}

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "an endpoint is `http://host[:port][/path]`";
        let uri: Uri = text.parse().map_err(|_| SHAPE)?;
        if uri.scheme() == Some(&Scheme::HTTPS) {
            return Err("spans go to a collector on this machine or network, over `http://`");
        }
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or(SHAPE)?;
        if uri.scheme() != Some(&Scheme::HTTP) || uri.query().is_some() {
            return Err(SHAPE);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let field = HeaderValue::from_str(authority.as_str()).map_err(|_| SHAPE)?;
        // As the specification has it: the signal's path goes behind the endpoint's own.
        let path = format!("{}/v1/traces", uri.path().trim_end_matches('/'));
        Ok(Self { host, port: authority.port_u16().unwrap_or(4318), authority: field, path })
    }
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("the collector did not answer within 5 s")]
    TimedOut,
    #[error("connect to the collector: {0}")]
    Connect(#[source] std::io::Error),
    #[error("ask the collector: {0}")]
    Ask(#[source] hyper::Error),
    #[error("the collector answered {0}")]
    Status(StatusCode),
}

impl Endpoint {
    /// Sends a batch.
    pub(super) async fn post(&self, body: Vec<u8>) -> Result<(), PostError> {
        timeout(POST_MAX, self.exchange(body)).await.unwrap_or(Err(PostError::TimedOut))
    }

    async fn exchange(&self, body: Vec<u8>) -> Result<(), PostError> {
        let address = (self.host.as_str(), self.port);
        let stream = TcpStream::connect(address).await.map_err(PostError::Connect)?;
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(PostError::Ask)?;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.authority.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let asking = async {
            let answer = sender.send_request(request).await.map_err(PostError::Ask)?;
            let status = answer.status();
            // Read so that the collector sees no connection cut; what it says is for its own log.
            let _ = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            if status.is_success() { Ok(()) } else { Err(PostError::Status(status)) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_endpoints_as_the_specification_has_them() {
        for (text, host, port, path) in [
            ("http://localhost:4318", "localhost", 4318, "/v1/traces"),
            ("http://collector", "collector", 4318, "/v1/traces"),
            ("http://[::1]:1/otlp/", "::1", 1, "/otlp/v1/traces"),
        ] {
            let read: Endpoint = text.parse().expect(text);
            assert_eq!((read.host.as_str(), read.port, read.path.as_str()), (host, port, path));
        }
        for bad in ["", "localhost:4318", "https://a", "ftp://a", "http://u@a", "http://a?b", "/a"]
        {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
