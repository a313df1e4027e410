//! Whole connections, over a stream in memory.

use std::{collections::VecDeque, convert::Infallible, io::Write as _, sync::Arc};

use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::{next::PREFACE, *};
use crate::reply::FilePart;

type Content = UnsyncBoxBody<Bytes, Infallible>;

/// Answers by path.
struct Paths;

impl Service for Paths {
    type Body = Content;
    type Relay = Infallible;

    async fn relay(&self, relay: Infallible, _out: &mut Vec<u8>) -> bool {
        match relay {}
    }

    async fn call(&self, request: Request<RequestBody>, interim: &Interim) -> Reply<Content> {
        let path = request.uri().path().to_owned();
        let whole = |text: String| Reply::whole(Response::new(text.into()));
        match path.as_str() {
            "/echo" => match request.into_body().collect().await {
                Ok(body) => {
                    let trailers = body.trailers().map_or(0, HeaderMap::len);
                    whole(format!("{}+{trailers}", String::from_utf8_lossy(&body.to_bytes())))
                }
                Err(error) => whole(format!("broken: {error}")),
            },
            "/ignore" => whole("ignored".into()),
            "/stream" => {
                let body = request.into_body().map_frame(|frame| frame).map_err(|_| unreachable!());
                Response::new(body.boxed_unsync()).into()
            }
            "/chunks" => {
                let trailers =
                    HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("\"t\""))]);
                let frames = VecDeque::from([
                    Frame::data(Bytes::from_static(b"one")),
                    Frame::data(Bytes::from(vec![b'x'; 20_000])),
                    Frame::trailers(trailers),
                ]);
                Response::new(Frames(frames).boxed_unsync()).into()
            }
            "/short" => {
                let frames = VecDeque::from([Frame::data(Bytes::from_static(b"abc"))]);
                let mut response = Response::new(Frames(frames).boxed_unsync());
                response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(9));
                response.into()
            }
            "/long" => {
                let frames = VecDeque::from([Frame::data(Bytes::from_static(b"abcdefghijkl"))]);
                let mut response = Response::new(Frames(frames).boxed_unsync());
                response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(9));
                response.into()
            }
            "/hints" => {
                let link = [(header::LINK, HeaderValue::from_static("</a.css>; rel=preload"))];
                interim.send(StatusCode::EARLY_HINTS, link.into_iter().collect());
                whole("hinted".into())
            }
            "/file" => {
                let mut file = tempfile::tempfile().expect("is made");
                file.write_all(b"0123456789").expect("is written");
                let part = FilePart { file: Arc::new(file), offset: 2, length: 5 };
                let mut reply = whole(String::new());
                reply.body = ReplyBody::File(part);
                reply
            }
            "/none" => {
                let mut reply = whole(String::new());
                reply.status = StatusCode::NO_CONTENT;
                reply
            }
            _ => Response::new(Full::from(path).boxed_unsync()).into(),
        }
    }

    fn refuse(&self, refusal: Refusal) -> Reply<Content> {
        let mut response = Response::new(Bytes::from_static(refusal.reason.as_bytes()));
        *response.status_mut() = refusal.kind.status();
        Reply::whole(response)
    }
}

struct Frames(VecDeque<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

const LIMITS: Limits = Limits { head_bytes_max: 2048, fields_max: 20 };

fn start(stream: DuplexStream) -> tokio::task::JoinHandle<io::Result<Ended<DuplexStream>>> {
    let clock = DateClock::new(|_| *b"Sun, 06 Nov 1994 08:49:37 GMT");
    let (head, stall) = (Duration::from_millis(300), Duration::from_secs(30));
    let connection = Connection::new(stream, LIMITS, head, stall, clock);
    tokio::spawn(async move {
        let stop = Stop { is_set: || false, wait: std::future::pending() };
        connection.serve(&Paths, stop).await
    })
}

/// Sends `wire`, then says that nothing more comes; returns all that is answered.
async fn ask(wire: &str) -> String {
    let (mut near, far) = duplex(4096);
    let served = start(far);
    let (mut reader, mut writer) = tokio::io::split(&mut near);
    let mut answer = Vec::new();
    let (sent, read) = tokio::join!(
        async {
            writer.write_all(wire.as_bytes()).await?;
            writer.shutdown().await
        },
        reader.read_to_end(&mut answer)
    );
    // The connection may have ended before all was sent.
    drop(sent);
    read.expect("is read");
    served.await.expect("does not panic").expect("is served");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Leaves the date out.
fn plain(answer: &str) -> String {
    answer.replace("date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "")
}

#[tokio::test]
async fn answers_one_after_the_other() {
    let answer = ask("GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyzGET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(
        plain(&answer),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n/aHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nxyz+0HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"
    );
}

#[tokio::test]
async fn bodies_come_by_length_and_by_chunks_in_one_piece_or_in_many() {
    let large = "y".repeat(100_000);
    for (wire, expected) in [
        ("Content-Length: 5\r\n\r\nhello".to_owned(), "hello+0".to_owned()),
        (
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nETag: x\r\n\r\n".into(),
            "abcde+1".into(),
        ),
        (format!("Content-Length: {}\r\n\r\n{large}", large.len()), format!("{large}+0")),
        (
            format!("Transfer-Encoding: chunked\r\n\r\n186a0\r\n{large}\r\n0\r\n\r\n"),
            format!("{large}+0"),
        ),
        (
            "Content-Length: 9\r\n\r\nhello".into(),
            "broken: the connection ended in the middle of the body".into(),
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n".into(),
            "broken: the body is malformed: a chunk is longer than it says".into(),
        ),
    ] {
        let answer = ask(&format!("POST /echo HTTP/1.1\r\nHost: a\r\n{wire}")).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("has a head");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert_eq!(body, expected);
    }
}

#[tokio::test]
async fn rfc9112_9_3_goes_on_behind_a_body_that_nobody_read_if_it_is_small() {
    let rest = "GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let small = "z".repeat(10_000);
    let answer = ask(&format!(
        "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n{small}{rest}"
    ))
    .await;
    assert!(answer.contains("ignored") && answer.ends_with("/b"), "{answer}");
    let answer = ask(&format!(
        "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n{small}"
    ))
    .await;
    assert!(answer.contains("connection: close") && answer.ends_with("ignored"), "{answer}");
}

#[tokio::test]
async fn a_refused_request_is_the_last_one() {
    for (wire, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417),
        ("\x16\x03\x01\x02\n", 400),
    ] {
        let answer = ask(&format!("{wire}GET /next HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{wire:?}: {answer}");
        assert!(answer.contains("connection: close") && !answer.contains("/next"), "{answer}");
    }
}

#[tokio::test]
async fn rfc9112_7_1_an_answer_of_unknown_length_is_chunked_and_keeps_its_trailers() {
    let answer = ask("GET /chunks HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let x = "x".repeat(20_000);
    assert_eq!(
        plain(&answer),
        format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n4e20\r\n{x}\r\n0\r\netag: \"t\"\r\n\r\n"
        )
    );
    let answer = ask("GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    assert_eq!(plain(&answer), format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\none{x}"));
}

#[tokio::test]
async fn a_length_is_kept_or_the_connection_ends() {
    for (path, body) in [("/short", "abc"), ("/long", "abcdefghi")] {
        let answer = ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"
        ))
        .await;
        assert_eq!(plain(&answer), format!("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{body}"));
    }
}

#[tokio::test]
async fn rfc9110_9_3_2_head_has_the_fields_and_no_content() {
    for (path, length) in [
        ("/a", "content-length: 2\r\n"),
        ("/long", "content-length: 9\r\n"),
        ("/chunks", ""),
        ("/file", "content-length: 5\r\n"),
    ] {
        let answer = ask(&format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(plain(&answer), format!("HTTP/1.1 200 OK\r\n{length}\r\n"), "{path}");
    }
}

#[tokio::test]
async fn parts_of_files_are_sent() {
    let answer =
        ask("GET /file HTTP/1.1\r\nHost: a\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        plain(&answer)
            .starts_with("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n23456HTTP/1.1 200 OK"),
        "{answer}"
    );
}

#[tokio::test]
async fn rfc9110_15_2_interim_answers_come_first_and_not_to_http_1_0() {
    let answer = ask("GET /hints HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        answer.starts_with(
            "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n"
        ),
        "{answer}"
    );
    let answer = ask("GET /hints HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn rfc9110_10_1_1_continue_is_sent_when_the_body_is_wanted_and_only_then() {
    let head = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let (mut near, far) = duplex(4096);
    let served = start(far);
    near.write_all(format!("POST /echo {head}").as_bytes()).await.expect("is sent");
    let mut told = [0; 25];
    near.read_exact(&mut told).await.expect("is told");
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    near.write_all(b"hello").await.expect("is sent");
    let mut answer = vec![0; 4096];
    let read = near.read(&mut answer).await.expect("is answered");
    assert!(String::from_utf8_lossy(&answer[..read]).ends_with("hello+0"));
    drop(near);
    served.await.expect("does not panic").expect("is served");

    let answer = ask(&format!("POST /ignore {head}")).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.contains("connection: close"),
        "{answer}"
    );
    let answer = ask(&format!("POST /echo {head}hello")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "it came without being asked for: {answer}");
}

#[tokio::test]
async fn a_body_may_be_sent_back_while_it_comes() {
    let (mut near, far) = duplex(4096);
    start(far);
    near.write_all(b"POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .expect("is sent");
    for piece in ["one", "two", "three"] {
        near.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes())
            .await
            .expect("is sent");
        let (mut heard, mut some) = (String::new(), [0; 512]);
        while !heard.ends_with(&format!("{piece}\r\n")) {
            let read = near.read(&mut some).await.expect("comes back");
            assert!(read > 0, "ended after {heard:?}");
            heard.push_str(&String::from_utf8_lossy(&some[..read]));
        }
    }
}

#[tokio::test]
async fn http_2_is_handed_on_with_what_was_read() {
    let (mut near, far) = duplex(4096);
    let served = start(far);
    near.write_all(&PREFACE[..5]).await.expect("is sent");
    near.write_all(&PREFACE[5..]).await.expect("is sent");
    near.write_all(b"more").await.expect("is sent");
    match served.await.expect("does not panic").expect("is served") {
        Ended::Http2 { read, .. } => assert!(read.starts_with(PREFACE)),
        ended @ Ended::Closed => panic!("{ended:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_told_so_and_a_silent_client_just_ends() {
    for (wire, answered) in [("", ""), ("GET / HT", "HTTP/1.1 408 Request Timeout")] {
        let (mut near, far) = duplex(4096);
        start(far);
        near.write_all(wire.as_bytes()).await.expect("is sent");
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.expect("ends");
        assert!(
            answer.starts_with(answered) && answer.is_empty() == answered.is_empty(),
            "{answer}"
        );
    }
}
