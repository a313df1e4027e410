//! From plain HTTP to HTTPS, and what browsers are told over it.

use crate::{
    proxied::{Origin, Proxied, ask, refused},
    tls,
};

#[test]
fn sends_plain_http_to_https_on_the_public_port() {
    let origin = Origin::start("", "hello");
    let (_files, arguments) = tls::files("one");
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.extend(["--redirect-http", "127.0.0.1:0", "--public-port", "443"]);
    arguments.extend(["--hsts-max-age-s", "300"]);
    let node = Proxied::start(&origin, &arguments);
    let plain = node.address("redirecting");
    let answer = ask(plain, "POST", "/a?b=c", &[("host", "shop.example:8080")], b"x");
    assert_eq!(answer.status, 308);
    assert_eq!(answer.header("location"), Some("https://shop.example/a?b=c"));
    assert_eq!(answer.header("strict-transport-security"), None);
    for host in ["a/b", "u@a", "a b"] {
        let answer = ask(plain, "GET", "/", &[("host", host)], b"");
        assert_eq!((answer.status, answer.header("location")), (400, None), "{host}");
    }
    let answer = ask(plain, "GET", "/", &[("host", "a..b")], b"");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let answer = tls::ask_at(node.address("listening"), "/a").0;
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=300"));
    assert_eq!(answer.text(), "hello");
}

#[test]
fn refuses_with_64_to_send_clients_where_there_is_no_https() {
    for arguments in [["--redirect-http", "127.0.0.1:0"], ["--hsts-max-age-s", "300"]] {
        assert_eq!(refused(&arguments).0, Some(64), "{arguments:?}");
    }
}
