//! Heads by tables; each case is one that parsers are known to disagree about.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { head_bytes_max: 1024, fields_max: 16 };

fn read(wire: &str) -> Result<Head, Refusal> {
    let mut scanner = Scanner::default();
    match scanner.scan(wire.as_bytes(), &LIMITS)? {
        Some(extent) => {
            parse(&Bytes::copy_from_slice(&wire.as_bytes()[extent.start..extent.end]), &LIMITS)
        }
        None => panic!("{wire:?} has no end"),
    }
}

#[track_caller]
fn check(wire: &str, expected: Result<&str, RefusalKind>) {
    match (read(wire), expected) {
        (Ok(head), Ok(target)) => assert_eq!(head.uri.to_string(), target, "{wire:?}"),
        (Err(refused), Err(kind)) => assert_eq!(refused.kind, kind, "{wire:?}: {}", refused.reason),
        (got, _) => panic!("{wire:?}: {got:?} instead of {expected:?}"),
    }
}

const BAD: Result<&str, RefusalKind> = Err(RefusalKind::Malformed);

#[test]
fn rfc9112_2_2_lines_end_in_crlf_and_nothing_else() {
    for (wire, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok("/")),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok("/")),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
        ("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", BAD),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", BAD),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", BAD),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", BAD),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", BAD),
        ("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", BAD),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
    ] {
        check(wire, expected);
    }
}

#[test]
fn rfc9112_3_the_request_line_has_three_parts_and_two_spaces() {
    for (line, expected) in [
        ("GET /a?b=c HTTP/1.1", Ok("/a?b=c")),
        ("M-SEARCH /a HTTP/1.1", Ok("/a")),
        ("OPTIONS * HTTP/1.1", Ok("*")),
        ("GET http://b/x HTTP/1.1", Ok("http://b/x")),
        ("GET https://b:8/x?y HTTP/1.1", Ok("https://b:8/x?y")),
        ("GET  / HTTP/1.1", BAD),
        ("GET /  HTTP/1.1", BAD),
        ("GET\t/ HTTP/1.1", BAD),
        ("GET / HTTP/1.1 ", BAD),
        ("GET / ", BAD),
        ("GET /", BAD),
        ("GET HTTP/1.1", BAD),
        ("G@T / HTTP/1.1", BAD),
        ("GET / HTTP/2.0", Err(RefusalKind::Version)),
        ("GET / HTTP/1.2", Err(RefusalKind::Version)),
        ("GET / HTTP/0.9", Err(RefusalKind::Version)),
        ("GET / http/1.1", BAD),
        ("GET / HTTP/1.1x", BAD),
        ("GET / HTTP/11", BAD),
        ("GET * HTTP/1.1", BAD),
        ("GET a HTTP/1.1", BAD),
        ("GET a:80 HTTP/1.1", BAD),
        ("GET ftp://b/x HTTP/1.1", BAD),
        ("GET http://user@b/x HTTP/1.1", BAD),
        ("GET /a#b HTTP/1.1", BAD),
        ("GET /\u{e9} HTTP/1.1", BAD),
        ("GET /a\u{7f} HTTP/1.1", BAD),
        ("CONNECT a:80 HTTP/1.1", Err(RefusalKind::NotImplemented)),
    ] {
        check(&format!("{line}\r\nHost: a\r\n\r\n"), expected);
    }
}

#[test]
fn rfc9112_3_2_there_is_one_host() {
    for (version, hosts, expected) in [
        ("1.1", "Host: a\r\n", Ok("/")),
        ("1.1", "Host: a.example:8080\r\n", Ok("/")),
        ("1.1", "Host: [::1]:80\r\n", Ok("/")),
        ("1.1", "Host:\r\n", Ok("/")),
        ("1.0", "", Ok("/")),
        ("1.1", "", BAD),
        ("1.1", "Host: a\r\nHost: a\r\n", BAD),
        ("1.0", "Host: a\r\nhost: b\r\n", BAD),
        ("1.1", "Host: a b\r\n", BAD),
        ("1.1", "Host: a,b\r\n", BAD),
        ("1.1", "Host: a/b\r\n", BAD),
        ("1.1", "Host: u@a\r\n", BAD),
        ("1.1", "Host: a?b\r\n", BAD),
    ] {
        check(&format!("GET / HTTP/{version}\r\n{hosts}\r\n"), expected);
    }
}

#[test]
fn rfc9112_5_fields_have_a_name_a_colon_and_one_line() {
    for (field, expected) in [
        ("X: 1", Ok("/")),
        ("X:1", Ok("/")),
        ("X: \t 1 \t", Ok("/")),
        ("X:", Ok("/")),
        ("X: \u{e9}", Ok("/")),
        ("X : 1", BAD),
        ("X\t: 1", BAD),
        (": 1", BAD),
        ("X", BAD),
        ("X 1", BAD),
        ("X(: 1", BAD),
        ("X: 1\r\n folded", BAD),
        ("X: 1\r\n\tfolded", BAD),
        (" X: 1", BAD),
        ("X: \u{7f}", BAD),
        ("X\u{e9}: 1", BAD),
    ] {
        check(&format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n"), expected);
    }
}

#[test]
fn rfc9112_6_a_body_ends_in_one_way_only() {
    let unknown = Err(RefusalKind::NotImplemented);
    for (version, fields, expected) in [
        ("1.1", "", Ok(Framing::Length(0))),
        ("1.1", "Content-Length: 0\r\n", Ok(Framing::Length(0))),
        ("1.1", "Content-Length: 007\r\n", Ok(Framing::Length(7))),
        ("1.1", "Content-Length:  7 \r\n", Ok(Framing::Length(7))),
        ("1.1", "Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked)),
        ("1.1", "Transfer-Encoding: CHUNKED\r\n", Ok(Framing::Chunked)),
        ("1.1", "Content-Length: 5\r\nContent-Length: 5\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Content-Length: 5\r\nContent-Length: 6\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Content-Length: 5, 5\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Content-Length: +5\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Content-Length: -5\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Content-Length: 0x5\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Content-Length: 5 6\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Content-Length: 5;\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Content-Length:\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Content-Length: 9223372036854775808\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Content-Length: 99999999999999999999999\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(RefusalKind::Malformed)),
        (
            "1.1",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Err(RefusalKind::Malformed),
        ),
        ("1.1", "Transfer-Encoding: chunked, chunked\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Transfer-Encoding: chunked, identity\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Transfer-Encoding: identity\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Transfer-Encoding: xchunked\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Transfer-Encoding: \"chunked\"\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Transfer-Encoding: chunked;x\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Transfer-Encoding: , chunked\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Transfer-Encoding:\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Transfer-Encoding: \u{b}chunked\r\n", Err(RefusalKind::Malformed)),
        ("1.0", "Transfer-Encoding: chunked\r\n", Err(RefusalKind::Malformed)),
        ("1.1", "Transfer-Encoding: gzip, chunked\r\n", unknown),
    ] {
        let wire = format!("POST / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        let read = read(&wire);
        let framed = read.as_ref().map(|head| head.framing).map_err(|refused| refused.kind);
        assert_eq!(framed, expected, "{wire:?}");
    }
}

#[test]
fn rfc9110_10_1_1_only_continue_is_expected() {
    for (version, expected, answer) in [
        ("1.1", "100-continue", Ok(true)),
        ("1.1", "100-Continue", Ok(true)),
        ("1.0", "100-continue", Ok(false)),
        ("1.1", "200-ok", Err(RefusalKind::Expectation)),
        ("1.1", "100-continue, more", Err(RefusalKind::Expectation)),
    ] {
        let wire = format!(
            "POST / HTTP/{version}\r\nHost: a\r\nExpect: {expected}\r\nContent-Length: 1\r\n\r\n"
        );
        let got = read(&wire).map(|head| head.expects_continue).map_err(|refused| refused.kind);
        assert_eq!(got, answer, "{wire:?}");
    }
}

#[test]
fn rfc9112_9_3_connections_last_as_both_want() {
    for (version, fields, lasts) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, Close\r\n", false),
        ("1.1", "Connection: x\r\nConnection: close\r\n", false),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let wire = format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(read(&wire).expect("is read").keeps_alive, lasts, "{wire:?}");
    }
}

#[test]
fn heads_beyond_the_limits_are_told_apart() {
    let long = "x".repeat(LIMITS.head_bytes_max);
    let many: String = (0..=LIMITS.fields_max).map(|n| format!("X{n}: 1\r\n")).collect();
    for (wire, kind) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), RefusalKind::TargetTooLong),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), RefusalKind::HeadTooLarge),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), RefusalKind::HeadTooLarge),
    ] {
        assert_eq!(read(&wire).expect_err("is too large").kind, kind);
    }
    let mut scanner = Scanner::default();
    let endless = scanner.scan(format!("GET /{long}").as_bytes(), &LIMITS);
    assert_eq!(endless.expect_err("is too long").kind, RefusalKind::TargetTooLong);
}

proptest! {
    #[test]
    fn a_head_that_comes_in_pieces_is_the_same(cuts in proptest::collection::vec(1_usize..20, 1..40)) {
        let wire = b"\r\nGET /a HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\nGET /b";
        let (mut scanner, mut seen, mut found) = (Scanner::default(), 0, None);
        for cut in cuts.into_iter().chain([wire.len()]) {
            seen = wire.len().min(seen + cut);
            found = scanner.scan(&wire[..seen], &LIMITS).expect("is right");
            if found.is_some() {
                break;
            }
        }
        prop_assert_eq!(found, Some(Extent { start: 2, end: wire.len() - 6 }));
    }

    #[test]
    fn garbage_is_no_panic(wire: Vec<u8>) {
        let mut scanner = Scanner::default();
        if let Ok(Some(extent)) = scanner.scan(&wire, &LIMITS) {
            drop(parse(&Bytes::copy_from_slice(&wire[extent.start..extent.end]), &LIMITS));
        }
    }
}
