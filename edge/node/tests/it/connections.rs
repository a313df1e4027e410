//! HTTP/1.1 on the wire, and clients that are slow or too many.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{Answer, Node, manifest};

#[test]
fn answers_pipelined_requests_in_order() {
    let node = Node::start(&manifest(""), &[]);
    let mut all = Vec::new();
    for number in 0..16 {
        let close = if number == 15 { "connection: close\r\n" } else { "" };
        let body = format!("<{number}>");
        let length = body.len();
        let request = format!(
            "POST /echo HTTP/1.1\r\nhost: a\r\n{close}content-length: {length}\r\n\r\n{body}"
        );
        all.extend_from_slice(request.as_bytes());
    }
    let mut stream = node.connect();
    stream.write_all(&all).expect("is sent");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("reads to the end");
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 16, "{answers}");
    let places: Vec<_> = (0..16).map(|number| answers.find(&format!("<{number}>"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
}

#[test]
fn keeps_a_connection_for_many_requests() {
    let node = Node::start(&manifest(""), &[]);
    let mut stream = node.connect();
    for _ in 0..50 {
        stream.write_all(b"GET /empty HTTP/1.1\r\nhost: a\r\n\r\n").expect("is sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("is answered");
            head.push(byte[0]);
        }
        assert_eq!(Answer::parse(&head).status, 204);
    }
}

#[test]
fn ends_a_head_that_comes_too_slowly() {
    let node = Node::start(&manifest(""), &["--head-timeout-ms", "400"]);
    let head = b"GET /hello HTTP/1.1\r\nhost: a\r\nx-slow: ";
    for has_asked_before in [false, true] {
        let mut stream = node.connect();
        if has_asked_before {
            stream.write_all(b"GET /empty HTTP/1.1\r\nhost: a\r\n\r\n").expect("is sent");
        }
        let (lasted, answer) = trickle(stream, head.iter().copied().chain(std::iter::repeat(b'x')));
        assert!(lasted >= Duration::from_millis(300), "{lasted:?}");
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(text.matches("HTTP/1.1 204").count(), usize::from(has_asked_before), "{text}");
        assert_eq!(text.matches("HTTP/1.1 408").count(), 1, "{text}");
    }
    assert_eq!(node.get("/hello", &[]).status, 200);
}

#[test]
fn refuses_a_body_that_comes_too_slowly_with_408() {
    let node = Node::start(&manifest(""), &["--body-stall-timeout-ms", "400"]);
    let head = b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\nabc";
    // Nothing at all any more.
    let mut stalled = node.connect();
    stalled.write_all(head).expect("is sent");
    let mut answer = Vec::new();
    stalled.read_to_end(&mut answer).expect("is closed in time");
    Answer::parse(&answer).assert_problem(408, "body-too-slow");
    // Always something, and never much.
    let mut trickling = node.connect();
    trickling.write_all(head).expect("is sent");
    let (lasted, answer) = trickle(trickling, std::iter::repeat(b'x'));
    assert!(lasted >= Duration::from_millis(400), "{lasted:?}");
    Answer::parse(&answer).assert_problem(408, "body-too-slow");
    assert_eq!(node.send("POST", "/echo", &[], b"quick").text(), "quick");
}

#[test]
fn takes_a_slow_body_where_no_rate_is_asked() {
    let arguments = ["--body-stall-timeout-ms", "2000", "--body-rate-min", "0"];
    let node = Node::start(&manifest(""), &arguments);
    let mut stream = node.connect();
    let head = b"POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 30\r\n\r\n";
    stream.write_all(head).expect("is sent");
    let (_, answer) = trickle(stream, [b'x'; 30].into_iter());
    let answer = Answer::parse(&answer);
    assert_eq!((answer.status, answer.body), (200, vec![b'x'; 30]));
}

#[test]
fn refuses_more_headers_than_allowed() {
    let many = |count: usize| -> String {
        let headers: String = (0..count).map(|number| format!("x-{number}: 1\r\n")).collect();
        format!("GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n")
    };
    let node = Node::start(&manifest(""), &["--headers-max", "10"]);
    assert_eq!(node.raw(many(8).as_bytes()).status, 200);
    node.raw(many(9).as_bytes()).assert_problem(431, "head-too-large");
    // Beyond what is read at all there is no body.
    assert_eq!(node.raw(many(120).as_bytes()).status, 431);
    let node = Node::start(&manifest(""), &[]);
    assert_eq!(node.raw(many(126).as_bytes()).status, 200);
    assert_eq!(node.raw(many(127).as_bytes()).status, 431);
}

#[test]
fn connections_beyond_the_limit_wait_until_another_ends() {
    let node = Node::start(&manifest(""), &["--connections-max", "1", "--threads", "3"]);
    let ask = |stream: &mut TcpStream| {
        stream.write_all(b"GET /empty HTTP/1.1\r\nhost: a\r\n\r\n").expect("is sent");
        let mut head = [0; 12];
        stream.read_exact(&mut head).map(|()| head)
    };
    let mut first = node.connect();
    assert_eq!(ask(&mut first).expect("is answered"), *b"HTTP/1.1 204");
    // One for each thread, and more that the kernel keeps.
    let mut others: Vec<TcpStream> = (0..6).map(|_| node.connect()).collect();
    for other in &mut others {
        other.set_read_timeout(Some(Duration::from_millis(50))).expect("sets the limit");
        assert!(ask(other).is_err(), "is served beside the first");
    }
    drop(first);
    for mut other in others {
        other.set_read_timeout(Some(Duration::from_secs(60))).expect("sets the limit");
        let mut head = [0; 12];
        other.read_exact(&mut head).expect("is answered");
        assert_eq!(head, *b"HTTP/1.1 204");
    }
}

/// Sends a byte some twenty times a second until the node answers or closes; returns how long that took, and all that
/// came back.
fn trickle(mut stream: TcpStream, bytes: impl Iterator<Item = u8>) -> (Duration, Vec<u8>) {
    let started = Instant::now();
    let mut came = Vec::new();
    // Waiting for an answer is the pause between two bytes.
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("sets the limit");
    for byte in bytes {
        if stream.write_all(&[byte]).is_err() {
            break;
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => return (started.elapsed(), came),
            Ok(read) => came.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        assert!(started.elapsed() < Duration::from_secs(60), "is never closed");
    }
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("sets the limit");
    let _ = stream.read_to_end(&mut came);
    (started.elapsed(), came)
}
