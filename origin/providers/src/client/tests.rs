use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

// Certificates for tests alone; they are the node's, which has the same need.
const AUTHORITY: &[u8] =
    include_bytes!("../../../../edge/runtime/src/connector/tests/authority.pem");
const SERVER: &[u8] = include_bytes!("../../../../edge/runtime/src/connector/tests/server.pem");
const SERVER_KEY: &[u8] =
    include_bytes!("../../../../edge/runtime/src/connector/tests/server-key.pem");

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Answers every connection with these bytes once it was asked, and closes it.
async fn server(answer: &'static [u8], tls: Option<TlsAcceptor>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let mut asked = [0; 1024];
                if let Some(tls) = tls {
                    // A client that trusts nobody ends here.
                    let Ok(mut stream) = tls.accept(stream).await else { return };
                    let _ = stream.read(&mut asked).await;
                    let _ = stream.write_all(answer).await;
                    let _ = stream.shutdown().await;
                } else {
                    let _ = stream.read(&mut asked).await;
                    let _ = stream.write_all(answer).await;
                }
            });
        }
    });
    port
}

fn acceptor() -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(SERVER).unwrap()],
            PrivateKeyDer::from_pem_slice(SERVER_KEY).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn client(authority: Option<&[u8]>) -> HttpClient {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = authority {
        roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
    }
    HttpClient::with(tls::trusting(roots), 16)
}

async fn ask(client: &HttpClient, uri: String) -> Result<Answer, PaymentError> {
    let request = Request::get(uri).body(Full::default()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), client.exchange(request)).await.unwrap()
}

#[tokio::test]
async fn speaks_tls_with_a_server_that_an_authority_vouches_for() {
    let port = server(ANSWER, Some(acceptor())).await;
    let answer = ask(&client(Some(AUTHORITY)), format!("https://localhost:{port}/")).await.unwrap();
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, &b"hello"[..]));
}

#[tokio::test]
async fn refuses_certificates_of_strangers_and_for_other_names() {
    let port = server(ANSWER, Some(acceptor())).await;
    for (authority, host) in
        [(Some(SERVER), "localhost"), (Some(AUTHORITY), "127.0.0.1"), (None, "localhost")]
    {
        let answer = ask(&client(authority), format!("https://{host}:{port}/")).await;
        assert!(matches!(answer, Err(PaymentError::Unknown(_))), "{host} {answer:?}");
    }
}

#[tokio::test]
async fn whatever_is_no_whole_answer_is_an_unknown_outcome() {
    for answer in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel",
        b"HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n01234567890123456",
        b"\x16\x03\x01 garbage\r\n\r\n",
    ] {
        let port = server(answer, None).await;
        let got = ask(&client(None), format!("http://127.0.0.1:{port}/")).await;
        assert!(matches!(got, Err(PaymentError::Unknown(_))), "{got:?}");
    }
    let nobody = ask(&client(None), "http://127.0.0.1:1/".to_owned()).await;
    assert!(matches!(nobody, Err(PaymentError::Unknown(_))), "{nobody:?}");
}

#[test]
fn retry_after_is_read_in_seconds_only() {
    let with = |text: &str| {
        let name = http::header::RETRY_AFTER;
        retry_after(&HeaderMap::from_iter([(name, text.parse().unwrap())]))
    };
    assert_eq!(with("3"), Some(Duration::from_secs(3)));
    assert_eq!(with("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    assert_eq!(retry_after(&HeaderMap::new()), None);
}
