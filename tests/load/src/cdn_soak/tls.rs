//! How clients shake hands: with either of the two certificates that nodes change between.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use harness::Environment;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::cdn::certificate;

/// The certificates, by the names of their files.
pub(crate) const CERTIFICATES: [&str; 2] = ["one", "two"];
/// Whom both are for.
pub(crate) const HOST: &str = "edge.test";

/// What clients know.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) http1: TlsConnector,
    pub(crate) http2: TlsConnector,
    certificates: Arc<[CertificateDer<'static>]>,
}

/// Believes both certificates.
pub(crate) fn clients(environment: &Environment) -> Result<Clients> {
    let mut certificates = Vec::new();
    for name in CERTIFICATES {
        let (file, _) = certificate(environment, name);
        certificates
            .push(CertificateDer::from_pem_file(&file).with_context(|| format!("read {file}"))?);
    }
    let connector = |protocol: &str| -> Result<TlsConnector> {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).context("believe a certificate")?;
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("set up TLS")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Ok(TlsConnector::from(Arc::new(config)))
    };
    let (http1, http2) = (connector("http/1.1")?, connector("h2")?);
    Ok(Clients { http1, http2, certificates: certificates.into() })
}

impl Clients {
    /// The name of the certificate that was shown.
    pub(crate) fn name_of(&self, shown: Option<&[CertificateDer<'_>]>) -> &'static str {
        let shown = shown.and_then(<[_]>::first);
        let at = self.certificates.iter().position(|known| Some(known) == shown);
        at.and_then(|at| CERTIFICATES.get(at)).copied().unwrap_or("resumed")
    }
}

/// The name that is asked for.
pub(crate) fn host() -> Result<ServerName<'static>> {
    ServerName::try_from(HOST).context("name the host")
}
