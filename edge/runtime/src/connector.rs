//! Connections for the HTTP client: plain or TLS, never to a blocked network, each step with a limit.
//!
//! TLS is rustls with ring. Who may sign a server's certificate is what the machine says (`SSL_CERT_FILE`,
//! `SSL_CERT_DIR`, the system's store), as in Spin, so that an operator's own authority needs no setting of ours.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use manifest::BlockedNetworks;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::dial::{DialError, dial};

/// Longest TLS handshake: 2 s, five round trips to the other side of the world.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The URI has no host, or another scheme than `http` and `https`.
    #[error("the address is of no HTTP server")]
    Address,
    /// The machine trusts no authority.
    #[error("this machine has no certificates of authorities")]
    NoAuthorities,
    /// The server's certificate is not to be trusted for that name.
    #[error("the certificate is refused")]
    Certificate(#[source] io::Error),
    /// The server does not speak TLS, or not ours.
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    /// The handshake took too long.
    #[error("the TLS handshake took too long")]
    HandshakeTimeout,
}

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    blocked: Arc<BlockedNetworks>,
    connect_timeout: Duration,
    tls: Arc<OnceLock<Option<Arc<ClientConfig>>>>,
}

impl Connector {
    pub(crate) fn new(blocked: &BlockedNetworks, connect_timeout: Duration) -> Self {
        Self { blocked: Arc::new(blocked.clone()), connect_timeout, tls: Arc::default() }
    }

    async fn connect(self, uri: Uri) -> Result<TokioIo<Stream>, ConnectError> {
        let host = uri.host().ok_or(ConnectError::Address)?;
        let (is_tls, default_port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(ConnectError::Address),
        };
        let port = uri.port_u16().unwrap_or(default_port);
        let stream = dial(host, port, &self.blocked, self.connect_timeout).await?;
        if !is_tls {
            return Ok(TokioIo::new(Stream::Plain(stream)));
        }
        // Read when it is first needed: it takes a millisecond or ten.
        let tls = self.tls.get_or_init(client_config).clone().ok_or(ConnectError::NoAuthorities)?;
        let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| ConnectError::Address)?;
        let shaking = TlsConnector::from(tls).connect(name, stream);
        match timeout(HANDSHAKE_TIMEOUT, shaking).await {
            Ok(Ok(stream)) => Ok(TokioIo::new(Stream::Tls(Box::new(stream)))),
            Ok(Err(error)) if is_about_certificate(&error) => Err(ConnectError::Certificate(error)),
            Ok(Err(error)) => Err(ConnectError::Handshake(error)),
            Err(_) => Err(ConnectError::HandshakeTimeout),
        }
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Stream>, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// Trusts whom the machine trusts; `None` if that is nobody.
fn client_config() -> Option<Arc<ClientConfig>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!("a certificate of this machine cannot be read: {error}");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    trusting(roots)
}

fn trusting(roots: RootCertStore) -> Option<Arc<ClientConfig>> {
    if roots.is_empty() {
        return None;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Some(Arc::new(config))
}

fn is_about_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(
        inner,
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)
    )
}

/// A connection, plain or not.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        match self {
            Self::Plain(stream) => stream.connected(),
            Self::Tls(stream) => {
                let (inner, session) = stream.get_ref();
                let connected = inner.connected();
                match session.alpn_protocol() {
                    Some(b"h2") => connected.negotiated_h2(),
                    _ => connected,
                }
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests;
