//! Against a TLS server of our own; its certificates, beside this file, are for these tests alone and for nothing else.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use super::*;

const LIMIT: Duration = Duration::from_secs(5);

fn connector(authority: Option<&[u8]>) -> Connector {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = authority {
        let certificate = CertificateDer::from_pem_slice(pem).expect("is a certificate");
        roots.add(certificate).expect("is an authority");
    }
    let connector = Connector::new(&BlockedNetworks::default(), LIMIT);
    assert!(connector.tls.set(trusting(roots)).is_ok());
    connector
}

const AUTHORITY: &[u8] = include_bytes!("tests/authority.pem");

/// A TLS server for `localhost` that answers `ping` with `pong`.
async fn server(protocols: &[&str]) -> u16 {
    let chain = CertificateDer::from_pem_slice(include_bytes!("tests/server.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tests/server-key.pem"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("has versions")
        .with_no_client_auth()
        .with_single_cert(vec![chain.expect("is a certificate")], key.expect("is a key"))
        .expect("fit together");
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let port = listener.local_addr().expect("has an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that trusts nobody ends here.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut asked = [0; 4];
                stream.read_exact(&mut asked).await.expect("is asked");
                assert_eq!(&asked, b"ping");
                stream.write_all(b"pong").await.expect("answers");
                stream.shutdown().await.expect("ends");
            });
        }
    });
    port
}

async fn connect(connector: &Connector, uri: &str) -> Result<TokioIo<Stream>, ConnectError> {
    connector.clone().call(uri.parse().expect("is a URI")).await
}

#[tokio::test]
async fn speaks_tls_with_a_server_that_an_authority_vouches_for() {
    let port = server(&["h2", "http/1.1"]).await;
    let connector = connector(Some(AUTHORITY));
    let stream =
        connect(&connector, &format!("https://localhost:{port}/")).await.expect("connects");
    let mut stream = stream.into_inner();
    assert!(stream.connected().is_negotiated_h2());
    stream.write_all(b"ping").await.expect("asks");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("is answered");
    assert_eq!(answer, b"pong");
}

#[tokio::test]
async fn settles_for_http_1_where_the_server_knows_no_other() {
    let port = server(&["http/1.1"]).await;
    let connector = connector(Some(AUTHORITY));
    let stream =
        connect(&connector, &format!("https://localhost:{port}/")).await.expect("connects");
    assert!(!stream.into_inner().connected().is_negotiated_h2());
}

#[tokio::test]
async fn refuses_certificates_of_strangers_and_for_other_names() {
    let port = server(&[]).await;
    // The server's own certificate, taken for an authority, has not signed itself.
    let stranger = connector(Some(include_bytes!("tests/server.pem")));
    let refused = connect(&stranger, &format!("https://localhost:{port}/")).await;
    assert!(matches!(refused, Err(ConnectError::Certificate(_))), "{:?}", refused.err());
    let refused = connect(&connector(Some(AUTHORITY)), &format!("https://127.0.0.1:{port}/")).await;
    assert!(matches!(refused, Err(ConnectError::Certificate(_))), "{:?}", refused.err());
    let refused = connect(&connector(None), &format!("https://localhost:{port}/")).await;
    assert!(matches!(refused, Err(ConnectError::NoAuthorities)), "{:?}", refused.err());
}

#[tokio::test]
async fn a_server_without_tls_or_without_a_word_fails_the_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let port = listener.local_addr().expect("has an address").port();
    tokio::spawn(async move {
        let (mut garbage, _) = listener.accept().await.expect("accepts");
        garbage.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("writes");
        let (silent, _) = listener.accept().await.expect("accepts");
        std::future::pending::<()>().await;
        drop((garbage, silent));
    });
    let connector = connector(Some(AUTHORITY));
    let uri = format!("https://localhost:{port}/");
    let garbage = connect(&connector, &uri).await;
    assert!(matches!(garbage, Err(ConnectError::Handshake(_))), "{:?}", garbage.err());
    let silent = connect(&connector, &uri).await;
    assert!(matches!(silent, Err(ConnectError::HandshakeTimeout)), "{:?}", silent.err());
}
