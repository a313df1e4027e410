//! Against real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

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
    Sender::new(reach).unwrap().send(message(url.to_owned())).await
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
    let public = Sender::new(Reach::Public).unwrap();
    let development = Sender::new(Reach::Loopback).unwrap();
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
