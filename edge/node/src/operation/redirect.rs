//! From plain HTTP to HTTPS: 308, which keeps method and body, to the same address.
//!
//! The host is the client's own word: only what can be a host comes back in `Location`.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use api_types::problem::Problem;
use bytes::Bytes;
use domain::ErrorKind;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header, uri::Authority};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
    time::timeout,
};

/// Connections at once: 256. Each takes one answer; further ones wait.
const CONNECTIONS_MAX: usize = 256;
/// Largest request head: 16 KiB.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Longest life of a connection: 10 s, for a head and an answer that fit in a few packets.
const CONNECTION_MAX: Duration = Duration::from_secs(10);
/// After this pause the next accept is tried, for instance when file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Longest host name (RFC 1035, section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// A port that is taken, and does not answer yet.
pub(crate) struct Redirect(TcpListener);

/// Answers until it is dropped.
pub(crate) struct Redirecting {
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for Redirecting {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Redirect {
    /// Takes the port.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self)
    }

    /// Starts to answer, with HTTPS on `port`.
    pub(crate) fn start(self, port: u16) -> Redirecting {
        // It is bound, so it has an address.
        let unknown = || SocketAddr::from(([0, 0, 0, 0], 0));
        let address = self.0.local_addr().unwrap_or_else(|_| unknown());
        Redirecting { address, accepting: tokio::spawn(accept(self.0, port)) }
    }
}

async fn accept(listener: TcpListener, port: u16) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("connection not accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        tokio::spawn(async move {
            // Nothing is lost with whoever is too slow.
            let _ = timeout(CONNECTION_MAX, serve(stream, port)).await;
            drop(permit);
        });
    }
}

async fn serve(stream: TcpStream, port: u16) -> hyper::Result<()> {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let answer = answer(request.uri(), request.headers(), port);
        std::future::ready(Ok::<_, Infallible>(answer.map(Full::new)))
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn answer(uri: &Uri, headers: &HeaderMap, port: u16) -> Response<Bytes> {
    let Some(location) = location(uri, headers, port) else {
        let said = "the request needs one `Host` that is a name or an address";
        return Problem::of(ErrorKind::Unreadable).detail(said).into_response();
    };
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn location(uri: &Uri, headers: &HeaderMap, port: u16) -> Option<HeaderValue> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return None };
    // In absolute form the target's own host counts (RFC 9112, section 3.2.2).
    let authority = match uri.authority() {
        Some(authority) => authority.clone(),
        None => Authority::try_from(host.as_bytes()).ok()?,
    };
    if !is_host(authority.host()) || authority.as_str().contains('@') {
        return None;
    }
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    if !target.starts_with('/') {
        return None;
    }
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    HeaderValue::try_from(format!("https://{}{port}{target}", authority.host())).ok()
}

/// A name of letters, digits, `-`, `_` and dots, or an address.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').map(str::parse::<std::net::Ipv6Addr>);
        return matches!(address, Some(Ok(_)));
    }
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_good);
    let host = host.strip_suffix('.').unwrap_or(host);
    host.len() <= HOST_BYTES_MAX && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(uri: &str, hosts: &[&str], port: u16) -> Option<String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).expect("is a value"));
        }
        let location = location(&uri.parse().expect("is a target"), &headers, port)?;
        Some(location.to_str().expect("is text").to_owned())
    }

    #[test]
    fn sends_to_the_same_address_over_https() {
        for (uri, host, port, expected) in [
            ("/a?b=c", "shop.example", 443, "https://shop.example/a?b=c"),
            ("/", "shop.example:80", 8443, "https://shop.example:8443/"),
            ("/", "[2001:db8::1]:80", 443, "https://[2001:db8::1]/"),
            ("/", "192.0.2.1", 443, "https://192.0.2.1/"),
            ("http://other.example/a", "shop.example", 443, "https://other.example/a"),
            ("//evil.example/a", "shop.example", 443, "https://shop.example//evil.example/a"),
        ] {
            assert_eq!(sent(uri, &[host], port).as_deref(), Some(expected));
        }
    }

    #[test]
    fn refuses_hosts_that_are_none() {
        let long = "a.".repeat(200);
        for host in
            ["", "a b", "a/b", "u@a", "a..b", ".a", "[::1", "[x]", "a\\b", "a?b", "é", &long]
        {
            assert_eq!(sent("/", &[host], 443), None, "{host}");
        }
        assert_eq!((sent("/", &[], 443), sent("/", &["a", "b"], 443)), (None, None));
        assert_eq!(sent("*", &["a"], 443), None);
    }
}
