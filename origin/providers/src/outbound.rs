//! Calls merchants' webhooks: one connection for each attempt, to an address that was looked at first.
//!
//! The name is resolved, every address that it has must be public ([`crate::destination`]), and the connection goes to
//! one of those very addresses: a name that says something else a moment later leads nowhere else. Redirects are not
//! followed. Nothing of an answer but its status matters.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::destination::is_public;
use crate::tls;
use crate::webhook::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};

/// Longest attempt, from looking up the name to the end of the answer: 10 s.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// Most of an answer that is read: 16 KiB. What it says does not matter, but a subscriber that is cut off in the middle
/// may take that for a failure of its own.
const ANSWER_BYTES_MAX: usize = 16 * 1_024;

/// Whom we may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// The public internet, over TLS.
    #[default]
    Public,
    /// This machine too, and without TLS. For development alone.
    Loopback,
}

/// A message for a subscriber, ready to be sent.
#[derive(Debug, Clone)]
pub struct Message {
    /// Where it goes.
    pub url: String,
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp_s: i64,
    /// `webhook-signature`: one for each secret.
    pub signatures: String,
    /// The words that were signed.
    pub body: String,
}

/// Why there was no answer. Its name is all that the merchant is told: what lies behind is no business of theirs.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The address is none, or not one that may be called at all.
    #[error("the address cannot be called: {0}")]
    Url(UrlError),
    /// The name has no address.
    #[error("look up the name")]
    Resolve(#[source] Option<std::io::Error>),
    /// The name leads to an address that is not public.
    #[error("the name leads to an address that is not public")]
    Refused,
    /// Nobody takes connections there.
    #[error("connect")]
    Connect(#[source] std::io::Error),
    /// The certificate is not good, or TLS failed in another way.
    #[error("agree on TLS")]
    Tls(#[source] std::io::Error),
    /// The answer was no HTTP, or broke off.
    #[error("speak HTTP")]
    Http(#[source] hyper::Error),
    /// There was no answer in time.
    #[error("no answer within {} s", ATTEMPT_MAX.as_secs())]
    Timeout,
}

/// What is wrong with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It cannot be read.
    #[error("it is not an absolute URL")]
    Unreadable,
    /// It is not `https`.
    #[error("only https is called")]
    Scheme,
    /// It has a user or a password in it.
    #[error("it holds a user or a password")]
    Credentials,
    /// Its host is an address that is not public.
    #[error("its host is not public")]
    Private,
}

impl SendError {
    /// Returns the class, as deliveries are listed with it.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Url(_) => "bad_url",
            Self::Resolve(_) => "resolve",
            Self::Refused => "address_refused",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Http(_) => "http",
            Self::Timeout => "timeout",
        }
    }
}

/// What a subscriber answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What it means.
    pub verdict: Verdict,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has the message: 2xx.
    Taken,
    /// It does not want any more, ever: 410.
    Gone,
    /// It has not: everything else, redirects too.
    Refused,
}

impl From<StatusCode> for Answer {
    fn from(status: StatusCode) -> Self {
        let verdict = if status.is_success() {
            Verdict::Taken
        } else if status == StatusCode::GONE {
            Verdict::Gone
        } else {
            Verdict::Refused
        };
        Self { status: status.as_u16(), verdict }
    }
}

/// Where a checked URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    is_tls: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

/// Sends messages.
pub struct Sender {
    reach: Reach,
    /// Made at the first attempt: reading the machine's authorities takes a while.
    tls: OnceLock<TlsConnector>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender({:?})", self.reach)
    }
}

/// Speaks HTTP/1.1 over TLS with whom these settings trust.
fn connector(mut config: ClientConfig) -> TlsConnector {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

impl Sender {
    /// Makes a sender that trusts the machine's certificate authorities.
    #[must_use]
    pub const fn new(reach: Reach) -> Self {
        Self { reach, tls: OnceLock::new() }
    }

    /// Checks an address as far as that is possible without looking anything up.
    ///
    /// # Errors
    /// See [`UrlError`].
    pub fn check_url(&self, url: &str) -> Result<(), UrlError> {
        self.place(url).map(|_place| ())
    }

    /// Makes one attempt; returns the answer, whatever it says.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, message: Message) -> Result<Answer, SendError> {
        tokio::time::timeout(ATTEMPT_MAX, self.attempt(message))
            .await
            .map_err(|_elapsed| SendError::Timeout)?
            .map(Answer::from)
    }

    fn place(&self, url: &str) -> Result<Place, UrlError> {
        let uri: Uri = url.parse().map_err(|_unreadable| UrlError::Unreadable)?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if self.reach == Reach::Loopback => false,
            Some(_) => return Err(UrlError::Scheme),
            None => return Err(UrlError::Unreadable),
        };
        let authority = uri.authority().ok_or(UrlError::Unreadable)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::Credentials);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(UrlError::Unreadable);
        }
        if host.parse().is_ok_and(|address| !self.may_call(address)) {
            return Err(UrlError::Private);
        }
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Ok(Place { is_tls, host, port, authority: authority.as_str().to_owned(), path })
    }

    fn may_call(&self, address: IpAddr) -> bool {
        is_public(address)
            || (self.reach == Reach::Loopback && address.to_canonical().is_loopback())
    }

    async fn attempt(&self, message: Message) -> Result<StatusCode, SendError> {
        let place = self.place(&message.url).map_err(SendError::Url)?;
        let address = self.resolve(&place).await?;
        let stream = TcpStream::connect(address).await.map_err(SendError::Connect)?;
        // Small requests must not wait for each other's acknowledgements; without it they are only slower.
        let _ = stream.set_nodelay(true);
        let request = request(&place, message)?;
        if !place.is_tls {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(place.host)
            .map_err(|_invalid| SendError::Url(UrlError::Unreadable))?;
        let connector = self.tls.get_or_init(|| connector(tls::machine()));
        let stream = connector.connect(name, stream).await.map_err(SendError::Tls)?;
        exchange(stream, request).await
    }

    /// Looks a name up. One address that may not be called is enough to call none: no honest name has both.
    async fn resolve(&self, place: &Place) -> Result<SocketAddr, SendError> {
        let found = tokio::net::lookup_host((place.host.as_str(), place.port))
            .await
            .map_err(|error| SendError::Resolve(Some(error)))?;
        let addresses: Vec<SocketAddr> = found.collect();
        if addresses.iter().any(|address| !self.may_call(address.ip())) {
            return Err(SendError::Refused);
        }
        addresses.first().copied().ok_or(SendError::Resolve(None))
    }
}

fn request(place: &Place, message: Message) -> Result<Request<Full<Bytes>>, SendError> {
    Request::post(&place.path)
        .header(header::HOST, &place.authority)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "Vitrine-Webhooks/1")
        .header(header::CONNECTION, "close")
        .header(ID_HEADER, message.id)
        .header(TIMESTAMP_HEADER, message.timestamp_s)
        .header(SIGNATURE_HEADER, message.signatures)
        .body(Full::new(Bytes::from(message.body)))
        .map_err(|_invalid| SendError::Url(UrlError::Unreadable))
}

/// Sends a request and reads the answer, both over a connection that is closed after that.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<StatusCode, SendError> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(SendError::Http)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(SendError::Http)?;
        let status = response.status();
        // Longer than that, or broken off: the status was said, and that is what counts.
        let _ = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok(status)
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        status = &mut answer => status,
        // The connection ends first where the subscriber closes at once; the answer knows what came of it.
        _ = connection => answer.await,
    }
}

#[cfg(test)]
mod tests;
