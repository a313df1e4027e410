//! Against real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use rustls::RootCertStore;

use super::*;

/// Answers every connection with the same bytes; counts them and keeps the last request.
struct Subscriber {
    port: u16,
    connections: Arc<AtomicUsize>,
    request: Arc<std::sync::Mutex<String>>,
}

async fn subscriber(answer: &'static str, is_endless: bool) -> Subscriber {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (connections, request) = (Arc::new(AtomicUsize::new(0)), Arc::default());
    let (counter, seen) = (Arc::clone(&connections), Arc::clone(&request));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            let mut bytes = vec![0; 4_096];
            let length = stream.read(&mut bytes).await.unwrap();
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            *std::sync::Mutex::lock(&seen).unwrap() = text;
            let _ = stream.write_all(answer.as_bytes()).await;
            while is_endless && stream.write_all(&[b'x'; 1_024]).await.is_ok() {}
        }
    });
    Subscriber { port, connections, request }
}

// Certificates for tests alone; they are the node's, which has the same need.
const AUTHORITY: &[u8] =
    include_bytes!("../../../../edge/runtime/src/connector/tests/authority.pem");
const SERVER: &[u8] = include_bytes!("../../../../edge/runtime/src/connector/tests/server.pem");
const SERVER_KEY: &[u8] =
    include_bytes!("../../../../edge/runtime/src/connector/tests/server-key.pem");

/// Answers over TLS in the name of `localhost`.
async fn subscriber_over_tls() -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = vec![CertificateDer::from_pem_slice(SERVER).unwrap()];
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificate, PrivateKeyDer::from_pem_slice(SERVER_KEY).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that trusts nobody ends here.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn over_tls_a_subscriber_must_be_whom_an_authority_vouches_for() {
    let port = subscriber_over_tls().await;
    for (authority, host, expected) in [
        (Some(AUTHORITY), "localhost", Ok(202)),
        (Some(AUTHORITY), "127.0.0.1", Err("tls")),
        (Some(SERVER), "localhost", Err("tls")),
        (None, "localhost", Err("tls")),
    ] {
        let mut roots = RootCertStore::empty();
        if let Some(pem) = authority {
            roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
        }
        let sender = Sender::new(Reach::Loopback);
        assert!(sender.tls.set(connector(tls::trusting(roots))).is_ok());
        let sent = sender.send(message(format!("https://{host}:{port}/"))).await;
        let sent = sent.map(|answer| answer.status).map_err(|error| error.class());
        assert_eq!(sent, expected, "{host}");
    }
}

fn message(url: String) -> Message {
    Message {
        url,
        id: "evt_1".to_owned(),
        timestamp_s: 1_614_265_330,
        signatures: "v1,AAAA v1,BBBB".to_owned(),
        body: "{\"type\":\"test\"}".to_owned(),
    }
}

async fn send(reach: Reach, url: &str) -> Result<Answer, SendError> {
    Sender::new(reach).send(message(url.to_owned())).await
}

#[tokio::test]
async fn a_message_arrives_with_its_three_headers_and_its_very_words() {
    let subscriber = subscriber("HTTP/1.1 204 No Content\r\n\r\n", false).await;
    let url = format!("http://127.0.0.1:{}/hooks?shop=1", subscriber.port);
    let answer = send(Reach::Loopback, &url).await.unwrap();
    assert_eq!(answer, Answer { status: 204, verdict: Verdict::Taken });
    let request = subscriber.request.lock().unwrap().clone();
    assert!(request.starts_with("POST /hooks?shop=1 HTTP/1.1\r\n"), "{request}");
    for line in [
        "webhook-id: evt_1",
        "webhook-timestamp: 1614265330",
        "webhook-signature: v1,AAAA v1,BBBB",
        "content-type: application/json",
        &format!("host: 127.0.0.1:{}", subscriber.port),
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line}: {request}");
    }
    assert!(request.ends_with("\r\n\r\n{\"type\":\"test\"}"), "{request}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_another_and_is_not_followed() {
    let elsewhere = subscriber("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
    let target =
        format!("HTTP/1.1 307 T\r\nlocation: http://127.0.0.1:{}/\r\n\r\n", elsewhere.port);
    let subscriber = subscriber(target.leak(), false).await;
    let url = format!("http://127.0.0.1:{}/", subscriber.port);
    let answer = send(Reach::Loopback, &url).await.unwrap();
    assert_eq!(answer, Answer { status: 307, verdict: Verdict::Refused });
    assert_eq!(subscriber.connections.load(Ordering::Relaxed), 1);
    assert_eq!(elsewhere.connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_answer_without_end_is_read_up_to_its_limit() {
    let subscriber = subscriber("HTTP/1.1 200 OK\r\n\r\n", true).await;
    let url = format!("http://127.0.0.1:{}/", subscriber.port);
    let sent = tokio::time::timeout(ATTEMPT_MAX / 2, send(Reach::Loopback, &url)).await;
    assert_eq!(sent.unwrap().unwrap().status, 200);
}

#[tokio::test]
async fn what_is_no_http_and_who_is_not_there_are_told_apart() {
    let rude = subscriber("220 mail.example ESMTP\r\n", false).await;
    let url = format!("http://127.0.0.1:{}/", rude.port);
    assert_eq!(send(Reach::Loopback, &url).await.unwrap_err().class(), "http");
    let url = format!("https://127.0.0.1:{}/", rude.port);
    assert_eq!(send(Reach::Loopback, &url).await.unwrap_err().class(), "tls");
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{free}/");
    assert_eq!(send(Reach::Loopback, &url).await.unwrap_err().class(), "connect");
    let error = send(Reach::Loopback, "http://no-such-name.invalid/").await.unwrap_err();
    assert_eq!(error.class(), "resolve");
}

#[tokio::test]
async fn nobody_on_this_side_of_the_internet_is_called() {
    let inside = subscriber("HTTP/1.1 200 OK\r\n\r\n", false).await;
    let at = |host: &str| format!("https://{host}:{}/", inside.port);
    // A name is looked up first, an address is known at once.
    for (url, class) in [
        (at("localhost"), "address_refused"),
        (at("127.0.0.1"), "bad_url"),
        (at("[::1]"), "bad_url"),
        (at("[::ffff:127.0.0.1]"), "bad_url"),
        (at("0.0.0.0"), "bad_url"),
        ("https://169.254.169.254/latest/meta-data".to_owned(), "bad_url"),
    ] {
        let error = send(Reach::Public, &url).await.unwrap_err();
        assert_eq!(error.class(), class, "{url}: {error}");
    }
    // Other spellings of 127.0.0.1 are names to us; the resolver may know them, and then the address is refused.
    for host in ["127.1", "2130706433", "0x7f000001", "017700000001"] {
        let error = send(Reach::Public, &at(host)).await.unwrap_err();
        assert!(["address_refused", "resolve"].contains(&error.class()), "{host}: {error}");
    }
    assert_eq!(inside.connections.load(Ordering::Relaxed), 0);
}

#[test]
fn addresses_are_checked_before_they_are_kept() {
    let public = Sender::new(Reach::Public);
    let development = Sender::new(Reach::Loopback);
    for (url, by_public, in_development) in [
        ("https://shop.example/hooks", Ok(()), Ok(())),
        ("https://shop.example:8443", Ok(()), Ok(())),
        ("http://shop.example/", Err(UrlError::Scheme), Ok(())),
        ("http://127.0.0.1:9/", Err(UrlError::Scheme), Ok(())),
        ("https://127.0.0.1:9/", Err(UrlError::Private), Ok(())),
        ("https://10.0.0.1/", Err(UrlError::Private), Err(UrlError::Private)),
        ("https://[fd00::1]/", Err(UrlError::Private), Err(UrlError::Private)),
        (
            "https://user:secret@shop.example/",
            Err(UrlError::Credentials),
            Err(UrlError::Credentials),
        ),
        ("ftp://shop.example/", Err(UrlError::Scheme), Err(UrlError::Scheme)),
        ("file:///etc/passwd", Err(UrlError::Unreadable), Err(UrlError::Unreadable)),
        ("/hooks", Err(UrlError::Unreadable), Err(UrlError::Unreadable)),
        ("shop.example", Err(UrlError::Unreadable), Err(UrlError::Unreadable)),
        ("", Err(UrlError::Unreadable), Err(UrlError::Unreadable)),
    ] {
        assert_eq!(public.check_url(url), by_public, "{url}");
        assert_eq!(development.check_url(url), in_development, "{url}");
    }
}
