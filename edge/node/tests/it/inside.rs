//! Components call each other and their own application without a socket, as far as they were granted.

use crate::support::{Node, guests, manifest};

/// A second component, private, beside `guest`, which is granted `hosts`.
fn with_inner(hosts: &[&str]) -> String {
    manifest(&format!(
        "allowed_outbound_hosts = {hosts:?}\n[[trigger.http]]\nroute = {{ private = true }}\ncomponent = \"inner\"\n\
         [[trigger.http]]\nroute = \"/fixed\"\nstatic_response = {{ status_code = 418, body = \"short\" }}\n\
         [component.inner]\nsource = {:?}\nallowed_outbound_hosts = [\"http://inner.spin.internal\"]\n",
        guests()
    ))
}

const CHAINING: &str = "http://inner.spin.internal";

#[test]
fn calls_a_private_component_with_the_headers_that_spin_gives() {
    let node = Node::start(&with_inner(&[CHAINING]), &[]);
    let url = format!("{CHAINING}/headers?a=b");
    let given = [("x-url", url.as_str()), ("x-tag", "kept")];
    let answer = node.send("POST", "/relay", &given, b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut lines: Vec<String> = answer.text().lines().map(str::to_owned).collect();
    lines.retain(|line| {
        line.starts_with("spin-") || line.starts_with("x-tag") || line.starts_with("host")
    });
    lines.sort();
    let expected = [
        "spin-base-path: /",
        "spin-client-addr: 0.0.0.0:0",
        "spin-component-route: ",
        "spin-full-url: http://localhost/headers?a=b",
        "spin-matched-route: /...",
        "spin-path-info: /headers",
        "spin-raw-component-route: /...",
        "x-tag: kept",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn carries_bodies_both_ways() {
    let node = Node::start(&with_inner(&["http://*.spin.internal"]), &[]);
    let body = vec![b'x'; 300_000];
    let answer = node.send("POST", "/relay", &[("x-url", &format!("{CHAINING}/echo"))], &body);
    assert_eq!(answer.status, 200);
    assert!(answer.body == body);
}

#[test]
fn denies_what_was_not_granted_and_does_not_find_what_is_not_there() {
    for hosts in [
        &[][..],
        &["http://other.spin.internal"],
        &["https://inner.spin.internal"],
        &["http://self"],
    ] {
        let node = Node::start(&with_inner(hosts), &[]);
        let denied = node.send("POST", "/relay", &[("x-url", &format!("{CHAINING}/hello"))], b"");
        assert!(denied.status == 502 && denied.text().contains("Denied"), "{}", denied.text());
    }
    let node = Node::start(&with_inner(&["http://*.spin.internal"]), &[]);
    let missing = node.send("POST", "/relay", &[("x-url", "http://nobody.spin.internal/")], b"");
    assert!(missing.text().contains("DestinationNotFound"), "{}", missing.text());
}

#[test]
fn what_fails_inside_is_the_callers_to_answer() {
    let node = Node::start(&with_inner(&[CHAINING]), &[]);
    let trapped = node.send("POST", "/relay", &[("x-url", &format!("{CHAINING}/trap"))], b"");
    assert_eq!(trapped.status, 502);
    assert!(trapped.text().contains("HttpResponseIncomplete"), "{}", trapped.text());
    assert_eq!(node.get("/hello", &[]).text(), "hello");
}

#[test]
fn a_circle_of_calls_ends_with_an_answer() {
    let node = Node::start(&with_inner(&[CHAINING]), &[]);
    let url = format!("{CHAINING}/ring");
    let answer = node.get("/ring", &[("x-url", &url)]);
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("LoopDetected"), "{}", answer.text());
    assert_eq!(node.get("/hello", &[]).text(), "hello");
}

#[test]
fn calls_its_own_application_by_path() {
    let node = Node::start(&with_inner(&["http://self"]), &[]);
    for url in ["/hello", "http://self.alt/hello"] {
        let answer = node.send("POST", "/relay", &[("x-url", url)], b"");
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"), "{url}");
    }
    let fixed = node.send("POST", "/relay", &[("x-url", "/fixed")], b"");
    assert_eq!((fixed.status, fixed.text().as_str()), (418, "short"));
    let node = Node::start(&with_inner(&[CHAINING]), &[]);
    let denied = node.send("POST", "/relay", &[("x-url", "/hello")], b"");
    assert!(denied.status == 502 && denied.text().contains("Denied"), "{}", denied.text());
}
