//! Whom a TLS client of ours believes: rustls with ring, TLS 1.2 and 1.3.
//!
//! Who may sign a server's certificate is what the machine says (`SSL_CERT_FILE`, `SSL_CERT_DIR`, the system's store), so
//! that an operator's own authority needs no setting of ours. Where it names nobody, every server is a stranger.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// Trusts whom the machine trusts. Reading that takes a millisecond or ten.
pub(crate) fn machine() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    trusting(roots)
}

/// Trusts these authorities alone.
#[expect(clippy::expect_used, reason = "ring has suites for both versions of TLS")]
pub(crate) fn trusting(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
