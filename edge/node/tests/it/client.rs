//! Who asks, and by which way: proxies that are believed, and requests that have been here before.

use crate::support::{Node, manifest};

#[test]
fn believes_trusted_proxies_alone_about_the_client() {
    let said = [("x-forwarded-for", "6.6.6.6, 192.0.2.9"), ("forwarded", "for=6.6.6.7")];
    let node = Node::start(&manifest(""), &["--trusted-proxy", "127.0.0.0/8"]);
    let seen = node.get("/headers", &said).text();
    assert!(seen.contains("spin-client-addr: 192.0.2.9:0\n"), "{seen}");
    // The application may have its own opinion, and needs what was said for it.
    assert!(seen.contains("x-forwarded-for: 6.6.6.6, 192.0.2.9\n"), "{seen}");
    let node = Node::start(&manifest(""), &["--trusted-proxy", "10.0.0.0/8"]);
    let seen = node.get("/headers", &said).text();
    assert!(seen.contains("spin-client-addr: 127.0.0.1:"), "{seen}");
    assert_eq!(
        crate::support::refused(&manifest(""), &["--trusted-proxy", "10.0.0.0/33"]).0,
        Some(64)
    );
}

#[test]
fn refuses_a_request_that_has_been_here_before() {
    let node = Node::start(&manifest(""), &[]);
    let seen = node.get("/headers", &[("cdn-loop", "other; v=1")]).text();
    assert!(seen.contains("cdn-loop: other; v=1, vitrine-edge-test-1\n"), "{seen}");
    let seen = node.get("/headers", &[]).text();
    assert!(seen.contains("cdn-loop: vitrine-edge-test-1\n"), "{seen}");
    let been_here = [("cdn-loop", "vitrine-edge-test-1, other")];
    node.get("/headers", &been_here).assert_problem(508, "loop");
    node.get("/headers", &[("cdn-loop", "no, way (")]).assert_problem(400, "unreadable");
    let arguments = ["--cdn-id", "cdn.example", "--cdn-loop-max", "1"];
    let node = Node::start(&manifest(""), &arguments);
    assert_eq!(node.get("/hello", &[("cdn-loop", "cdn.example")]).status, 200);
    let twice = [("cdn-loop", "cdn.example"), ("cdn-loop", "other, CDN.example")];
    node.get("/hello", &twice).assert_problem(508, "loop");
}
