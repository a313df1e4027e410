//! HTTPS: certificate and key from files, read anew when the operator asks for it.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use anyhow::{Context as _, ensure};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;

/// Where certificate and key are, and what they were when last read.
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    acceptor: RwLock<TlsAcceptor>,
}

impl Tls {
    /// Reads both files.
    pub(crate) fn load(certificate: PathBuf, key: PathBuf) -> anyhow::Result<Self> {
        let acceptor = RwLock::new(acceptor(&certificate, &key)?);
        Ok(Self { certificate, key, acceptor })
    }

    /// Returns what new connections shake hands with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads both files again; what they were stays in use if they are no good.
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        let acceptor = acceptor(&self.certificate, &self.key)?;
        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
        Ok(())
    }
}

/// Reads the files anew at each SIGHUP; never ends. Without TLS the signal keeps its usual meaning, which is the end.
pub(crate) async fn reload_on_signal(tls: Option<Arc<Tls>>) {
    let (Some(tls), Ok(mut asked)) = (tls, signal(SignalKind::hangup())) else {
        return std::future::pending().await;
    };
    while asked.recv().await.is_some() {
        match tls.reload() {
            Ok(()) => tracing::info!("certificate and key read anew"),
            Err(error) => tracing::error!("certificate and key stay as they were: {error:#}"),
        }
    }
}

fn acceptor(certificate: &PathBuf, key: &PathBuf) -> anyhow::Result<TlsAcceptor> {
    let read = || format!("read {}", certificate.display());
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .with_context(read)?
        .collect::<Result<_, _>>()
        .with_context(read)?;
    ensure!(!chain.is_empty(), "{} has no certificate", certificate.display());
    let secret = PrivateKeyDer::from_pem_file(key);
    let secret = secret.with_context(|| format!("read {}", key.display()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .context("set up TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .with_context(|| format!("use {} with {}", certificate.display(), key.display()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
