//! HTTPS: certificate and key from files, read anew when the operator asks for it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use anyhow::{Context as _, ensure};
use quinn::crypto::rustls::QuicServerConfig;
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use crate::notify::{self, Step};

/// Where certificate and key are, and what they were when last read.
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    acceptor: RwLock<TlsAcceptor>,
    /// The same for QUIC; absent where there is none.
    quic: Option<watch::Sender<Arc<QuicServerConfig>>>,
}

/// Which transports hands are shaken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transports {
    Tcp,
    TcpAndQuic,
}

impl Tls {
    /// Reads both files.
    pub(crate) fn load(
        certificate: PathBuf,
        key: PathBuf,
        transports: Transports,
    ) -> anyhow::Result<Self> {
        let pair = Pair::read(&certificate, &key)?;
        let quic = match transports {
            Transports::Tcp => None,
            Transports::TcpAndQuic => Some(watch::Sender::new(pair.quic()?)),
        };
        let acceptor = RwLock::new(pair.acceptor()?);
        Ok(Self { certificate, key, acceptor, quic })
    }

    /// Returns what new connections over QUIC shake hands with, now and later.
    pub(crate) fn quic(&self) -> Option<watch::Receiver<Arc<QuicServerConfig>>> {
        self.quic.as_ref().map(watch::Sender::subscribe)
    }

    /// Returns what new connections shake hands with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads both files again; what they were stays in use if they are no good.
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        let pair = Pair::read(&self.certificate, &self.key)?;
        let acceptor = pair.acceptor()?;
        if let Some(quic) = &self.quic {
            quic.send_replace(pair.quic()?);
        }
        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
        Ok(())
    }
}

/// The operator's wishes that the files be read anew.
pub(crate) struct Reloads(Option<(Arc<Tls>, Signal)>);

impl Reloads {
    /// Starts to listen for SIGHUP: a wish that comes before anybody waits for it is kept. Without TLS the signal keeps
    /// its usual meaning, which is the end.
    pub(crate) fn listen(tls: Option<&Arc<Tls>>) -> io::Result<Self> {
        let Some(tls) = tls else { return Ok(Self(None)) };
        Ok(Self(Some((Arc::clone(tls), signal(SignalKind::hangup())?))))
    }

    /// Reads the files at each wish; never ends.
    pub(crate) async fn follow(&mut self) {
        let Some((tls, asked)) = &mut self.0 else {
            return std::future::pending().await;
        };
        while asked.recv().await.is_some() {
            notify::tell(Step::Reloading);
            match tls.reload() {
                Ok(()) => tracing::info!("certificate and key read anew"),
                Err(error) => tracing::error!("certificate and key stay as they were: {error:#}"),
            }
            notify::tell(Step::Ready);
        }
    }
}

/// A certificate with its key.
struct Pair {
    chain: Vec<CertificateDer<'static>>,
    secret: PrivateKeyDer<'static>,
    /// What is said when they do not fit.
    names: String,
}

impl Pair {
    fn read(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let read = || format!("read {}", certificate.display());
        let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
            .with_context(read)?
            .collect::<Result<_, _>>()
            .with_context(read)?;
        ensure!(!chain.is_empty(), "{} has no certificate", certificate.display());
        let secret = PrivateKeyDer::from_pem_file(key);
        let secret = secret.with_context(|| format!("read {}", key.display()))?;
        let names = format!("use {} with {}", certificate.display(), key.display());
        Ok(Self { chain, secret, names })
    }

    fn config(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> anyhow::Result<Arc<ServerConfig>> {
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .context("set up TLS")?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.secret.clone_key())
            .with_context(|| self.names.clone())?;
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }

    fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        Ok(TlsAcceptor::from(self.config(&[&TLS13, &TLS12], &["h2", "http/1.1"])?))
    }

    /// No early data: a request in it can be sent again by whoever has heard it.
    fn quic(&self) -> anyhow::Result<Arc<QuicServerConfig>> {
        let config = self.config(&[&TLS13], &["h3"])?;
        Ok(Arc::new(QuicServerConfig::try_from(config).context("set up TLS for QUIC")?))
    }
}
