//! Against origins that are scripted byte for byte.

use std::sync::Mutex;

use http::{HeaderValue, header};
use http_body_util::{BodyExt as _, Full, StreamBody};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;
use crate::body::BodyError;

#[derive(Default)]
struct Kept(Mutex<Vec<Client<DuplexStream>>>);

impl Reuse<DuplexStream> for Kept {
    fn give_back(&self, connection: Client<DuplexStream>) {
        self.0.lock().expect("is not poisoned").push(connection);
    }
}

const LIMITS: Limits = Limits { head_bytes_max: 4096, fields_max: 100 };

struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Result<String, BodyError>,
    trailers: usize,
    interims: Vec<u16>,
    is_kept: bool,
}

/// Asks an origin that says `wire` and then closes.
async fn ask(method: Method, wire: &str) -> Result<Answered, SendError> {
    let (near, mut far) = duplex(1 << 16);
    let wire = wire.to_owned();
    tokio::spawn(async move {
        let mut asked = [0; 1024];
        let read = far.read(&mut asked).await.expect("is asked");
        assert!(read > 0);
        far.write_all(wire.as_bytes()).await.expect("is read");
    });
    let kept = Arc::new(Kept::default());
    let reuse: Arc<dyn Reuse<DuplexStream>> = Arc::clone(&kept) as _;
    let mut interims = Vec::new();
    let head = RequestHead { method: &method, target: "/x", headers: &HeaderMap::new() };
    let client = Client::new(near, LIMITS, Duration::from_secs(5));
    let mut on_interim = |status: StatusCode, _| interims.push(status.as_u16());
    let body = Full::new(Bytes::new());
    let response = client.send(head, body, &reuse, &mut on_interim).await;
    let (parts, body) = response.map_err(|failed| failed.error)?.into_parts();
    let (body, trailers) = match body.collect().await {
        Ok(body) => {
            let trailers = body.trailers().map_or(0, HeaderMap::len);
            (Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned()), trailers)
        }
        Err(error) => (Err(error), 0),
    };
    let is_kept = !kept.0.lock().expect("is not poisoned").is_empty();
    let (status, headers) = (parts.status.as_u16(), parts.headers);
    Ok(Answered { status, headers, body, trailers, interims, is_kept })
}

type Row = (Method, &'static str, u16, Result<&'static str, BodyError>, bool);

/// Method, what the origin says, status, body, and whether the connection is kept.
const BODIES: [Row; 21] = [
    (Method::GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, Ok("hi"), true),
    (Method::GET, "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", 200, Ok("hi"), true),
    (Method::GET, "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", 200, Ok("hi"), true),
    (
        Method::GET,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\nhi",
        200,
        Ok("hi"),
        true,
    ),
    (
        Method::GET,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        200,
        Ok("hi"),
        true,
    ),
    (
        Method::GET,
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        200,
        Ok("hi"),
        false,
    ),
    (Method::GET, "HTTP/1.1 200 OK\r\n\r\nhi until the end", 200, Ok("hi until the end"), false),
    (Method::GET, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, Ok("hi"), false),
    (
        Method::GET,
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
        200,
        Ok("hi"),
        true,
    ),
    (
        Method::GET,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        200,
        Ok("hi"),
        false,
    ),
    (
        Method::GET,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK",
        200,
        Ok("hi"),
        false,
    ),
    (Method::HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 200, Ok(""), true),
    (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n", 204, Ok(""), true),
    (Method::GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, Ok(""), true),
    (Method::GET, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, Ok(""), true),
    (Method::GET, "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", 999, Ok(""), true),
    (Method::GET, "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", 200, Ok("hi"), true),
    (Method::GET, "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi", 200, Ok("hi"), true),
    (
        Method::GET,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        200,
        Err(BodyError::Cut),
        false,
    ),
    (
        Method::GET,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi",
        200,
        Err(BodyError::Cut),
        false,
    ),
    (
        Method::GET,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        200,
        Err(BodyError::Malformed("a chunk's size is no number")),
        false,
    ),
];

#[tokio::test]
async fn rfc9112_6_3_reads_bodies_as_they_are_delimited() {
    for (method, wire, status, body, is_kept) in BODIES {
        let answered = ask(method, wire).await.expect(wire);
        let said = answered.body.as_deref().map_err(|error| *error);
        assert_eq!((answered.status, said, answered.is_kept), (status, body, is_kept), "{wire:?}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_told_apart_from_none() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(8192));
    for (wire, is_malformed) in [
        ("", false),
        ("garbage\r\n\r\n", true),
        ("HTTP/1.1 20 OK\r\n\r\n", true),
        ("HTTP/2.0 200 OK\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Le", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nX\0: 1\r\n\r\n", true),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", true),
        (&long, true),
    ] {
        match ask(Method::GET, wire).await {
            Err(SendError::Malformed(_)) => assert!(is_malformed, "{wire:?}"),
            Err(SendError::Closed) => assert!(!is_malformed, "{wire:?}"),
            other => panic!("{wire:?}: {:?}", other.map(|answered| answered.status)),
        }
    }
}

#[tokio::test]
async fn rfc9110_15_2_interim_answers_are_handed_on_but_for_continue() {
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let wire = format!(
        "HTTP/1.1 100 Continue\r\n\r\n{hint}{hint}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    );
    let answered = ask(Method::GET, &wire).await.expect("is answered");
    assert_eq!((answered.status, answered.interims), (200, vec![103, 103]));
    assert!(ask(Method::GET, &hint.repeat(100)).await.is_err(), "nothing but hints");
}

#[tokio::test]
async fn rfc9112_7_1_2_trailers_and_folded_fields_arrive() {
    let wire = "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n";
    let answered = ask(Method::GET, wire).await.expect("is answered");
    assert_eq!(answered.trailers, 1);
    assert_eq!(answered.headers.get("x").map(HeaderValue::as_bytes), Some(&b"a   b"[..]));
    assert!(!answered.headers.contains_key(header::TRANSFER_ENCODING));
}

/// What the origin hears of a request with this body.
async fn heard(
    method: Method,
    headers: &[(header::HeaderName, &'static str)],
    body: &'static str,
    is_streamed: bool,
) -> String {
    let (near, mut far) = duplex(1 << 16);
    let origin = tokio::spawn(async move {
        let mut heard = Vec::new();
        let mut some = [0; 1024];
        loop {
            let read = far.read(&mut some).await.expect("is read");
            heard.extend_from_slice(&some[..read]);
            let text = String::from_utf8_lossy(&heard);
            let is_waiting =
                text.contains("expect") && text.ends_with("\r\n\r\n") && !text.contains("hello");
            if is_waiting {
                far.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.expect("is sent");
            } else if read == 0
                || text.ends_with("hello")
                || text.ends_with("0\r\n\r\n")
                || text.ends_with("content-length: 0\r\n\r\n")
                || (body.is_empty() && text.ends_with("\r\n\r\n"))
            {
                far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("is sent");
                return text.into_owned();
            }
        }
    });
    let reuse: Arc<dyn Reuse<DuplexStream>> = Arc::new(Kept::default());
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
        .collect();
    let head = RequestHead { method: &method, target: "/x?y", headers: &headers };
    let client = Client::new(near, LIMITS, Duration::from_secs(5));
    let body = if is_streamed {
        let frames = futures::stream::iter([Ok::<_, std::convert::Infallible>(
            http_body::Frame::data(Bytes::from_static(body.as_bytes())),
        )]);
        StreamBody::new(frames).boxed_unsync()
    } else {
        Full::new(Bytes::from_static(body.as_bytes())).boxed_unsync()
    };
    let answered = client.send(head, body, &reuse, &mut |_, _| {}).await.expect("is answered");
    assert_eq!(answered.status(), 204);
    origin.await.expect("does not panic")
}

#[tokio::test]
async fn rfc9110_8_6_requests_say_how_long_they_are() {
    for (method, body, is_streamed, expected) in [
        (Method::GET, "", false, "GET /x?y HTTP/1.1\r\nhost: a\r\n\r\n"),
        (Method::POST, "", false, "POST /x?y HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"),
        (
            Method::POST,
            "hello",
            false,
            "POST /x?y HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
        ),
        (
            Method::POST,
            "hello",
            true,
            "POST /x?y HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            Method::GET,
            "hello",
            false,
            "GET /x?y HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
        ),
    ] {
        let headers = [
            (header::HOST, "a"),
            (header::TRANSFER_ENCODING, "chunked"),
            (header::CONTENT_LENGTH, "77"),
            (header::CONNECTION, "x"),
        ];
        assert_eq!(heard(method, &headers, body, is_streamed).await, expected);
    }
}

#[tokio::test]
async fn rfc9110_10_1_1_a_body_that_is_expected_is_sent_when_the_origin_asks() {
    let headers = [(header::HOST, "a"), (header::EXPECT, "100-continue")];
    let heard = heard(Method::PUT, &headers, "hello", false).await;
    assert_eq!(
        heard,
        "PUT /x?y HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\nhello"
    );
}

#[tokio::test]
async fn an_idle_connection_that_the_origin_closed_is_seen() {
    let (near, far) = duplex(64);
    let mut client = Client::new(near, LIMITS, Duration::from_secs(5));
    assert!(client.is_open());
    drop(far);
    assert!(!client.is_open());
}
