use h2::client;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{io::duplex, task::JoinHandle};

use super::*;

/// What a client gets for a request, while the answer goes on being sent.
struct Exchange {
    response: Response<h2::RecvStream>,
    sending: Sending,
}

impl Exchange {
    /// Reads to the end and gives room for more; returns the body and its trailers.
    async fn read(&mut self) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
        let stream = self.response.body_mut();
        let mut all = Vec::new();
        while let Some(data) = stream.data().await {
            let data = data?;
            all.extend_from_slice(&data);
            let released = stream.flow_control().release_capacity(data.len());
            released.expect("was taken");
        }
        Ok((all, stream.trailers().await?))
    }

    async fn sent(self) -> Result<(), Cut> {
        self.sending.await.expect("does not panic")
    }
}

/// Has `method` answered with `response`, whose head gets through.
async fn exchange(method: Method, response: Response<Body>) -> Exchange {
    let (response, sending) = asked(method, response).await;
    Exchange { response: response.expect("is answered"), sending }
}

/// Has a request answered with `response`; returns the code of the reset that cuts it, and why it was cut.
async fn cut(response: Response<Body>) -> (Option<Reason>, Cut) {
    let (response, sending) = asked(Method::GET, response).await;
    let reset = match response {
        Ok(response) => {
            let mut stream = response.into_body();
            loop {
                match stream.data().await.expect("does not end well") {
                    Ok(data) => {
                        stream.flow_control().release_capacity(data.len()).expect("was taken")
                    }
                    Err(error) => break error.reason(),
                }
            }
        }
        // A reset takes away what still waits to be sent, the head too.
        Err(error) => error.reason(),
    };
    (reset, sending.await.expect("does not panic").expect_err("is cut"))
}

type Sending = JoinHandle<Result<(), Cut>>;

async fn asked(
    method: Method,
    response: Response<Body>,
) -> (Result<Response<h2::RecvStream>, h2::Error>, Sending) {
    let (near, far) = duplex(16 * 1024);
    let sending = tokio::spawn(async move {
        let mut connection = h2::server::handshake(near).await.expect("shakes hands");
        let (request, respond) = connection.accept().await.expect("is asked").expect("is asked");
        tokio::spawn(async move { while connection.accept().await.is_some() {} });
        send(respond, response, request.method() == Method::HEAD).await
    });
    let (sender, connection) = client::handshake(far).await.expect("shakes hands");
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri("http://a/").body(());
    let mut sender = sender.ready().await.expect("is ready");
    let asked = sender.send_request(request.expect("is a request"), true);
    let (response, _) = asked.expect("is sent");
    (response.await, sending)
}

fn stream(frames: Vec<Frame<Bytes>>) -> Body {
    let frames = frames.into_iter().map(Ok::<_, runtime::BodyError>);
    StreamBody::new(futures::stream::iter(frames)).boxed_unsync()
}

fn word(word: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(word.as_bytes()))
}

fn saying(length: &str, body: Body) -> Response<Body> {
    let response = Response::builder().header("content-length", length).body(body);
    response.expect("is a response")
}

#[tokio::test]
async fn what_lies_ready_is_handed_over_as_the_client_makes_room() {
    let length = 1024 * 1024;
    let mut exchange = exchange(Method::GET, Response::new(runtime::full(vec![7; length]))).await;
    assert_eq!(exchange.response.headers()["content-length"], length.to_string());
    let first = exchange.response.body_mut().data().await.expect("is there").expect("is whole");
    tokio::task::yield_now().await;
    assert!(!exchange.sending.is_finished(), "it is all in memory, read or not");
    let stream = exchange.response.body_mut();
    stream.flow_control().release_capacity(first.len()).expect("was taken");
    let (rest, trailers) = exchange.read().await.expect("is whole");
    assert_eq!((first.len() + rest.len(), trailers), (length, None));
    exchange.sent().await.expect("is sent");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_no_room_is_waited_for_and_then_no_more() {
    let exchange = exchange(Method::GET, Response::new(runtime::full(vec![7; 1024 * 1024]))).await;
    let mut stream = exchange.response.into_body();
    let mut taken = 0;
    let reset = loop {
        match stream.data().await.expect("does not end well") {
            Ok(data) => taken += data.len(),
            Err(error) => break error.reason(),
        }
    };
    // As much as every client leaves room for at first.
    assert_eq!((taken, reset), (65_535, Some(Reason::CANCEL)));
    let cut = exchange.sending.await.expect("does not panic");
    assert!(matches!(cut, Err(Cut::Stalled)), "{cut:?}");
}

#[tokio::test]
async fn an_answer_that_is_not_as_long_as_it_says_is_cut() {
    for (length, body) in [
        ("5", stream(vec![word("word")])),
        ("5", runtime::full("word")),
        ("5", runtime::full("")),
        ("3", stream(vec![word("wo"), word("rd")])),
        ("5", stream(vec![word("word"), Frame::trailers(HeaderMap::new())])),
    ] {
        let (reset, why) = cut(saying(length, body)).await;
        assert_eq!(reset, Some(Reason::INTERNAL_ERROR), "{length}");
        assert!(matches!(why, Cut::Length), "{why}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_ends_with_a_reset() {
    let frames = [Ok(word("word")), Err(runtime::BodyError::ConnectionTerminated)];
    let body = StreamBody::new(futures::stream::iter(frames)).boxed_unsync();
    let (reset, why) = cut(Response::new(body)).await;
    assert_eq!(reset, Some(Reason::INTERNAL_ERROR));
    assert!(matches!(why, Cut::Broken(_)), "{why}");
}

#[tokio::test]
async fn trailers_come_after_the_body_without_what_is_about_a_connection() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "1".parse().expect("is a value"));
    trailers.insert("connection", "close".parse().expect("is a value"));
    let body = stream(vec![word("wo"), word(""), word("rd"), Frame::trailers(trailers)]);
    let mut exchange = exchange(Method::GET, Response::new(body)).await;
    let (body, trailers) = exchange.read().await.expect("is whole");
    let trailers = trailers.expect("are there");
    assert_eq!((body.as_slice(), trailers.len()), (&b"word"[..], 1));
    assert_eq!(trailers["x-sum"], "1");
    exchange.sent().await.expect("is sent");
}

#[tokio::test]
async fn what_has_no_content_ends_with_its_head() {
    for (method, status, length) in [
        (Method::HEAD, StatusCode::OK, Some("4")),
        (Method::GET, StatusCode::NO_CONTENT, None),
        (Method::GET, StatusCode::NOT_MODIFIED, None),
    ] {
        let mut response = Response::new(runtime::full("word"));
        *response.status_mut() = status;
        let exchange = exchange(method, response).await;
        assert!(exchange.response.body().is_end_stream(), "{status}");
        let said = exchange.response.headers().get("content-length");
        assert_eq!(said.map(|said| said.to_str().expect("is text")), length, "{status}");
        exchange.sent().await.expect("is sent");
    }
}
