//! Whatever passes here passes in the usual way, with the same changes.

use bytes::Bytes;
use futures::executor::block_on;
use http::request::Parts;
use http::{HeaderName, Method, Request, Uri};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::admit::tests::World;
use crate::admit::{Admission, BodyError, admit};

type Field = (String, Vec<u8>);

const HEAD: Head<'_> =
    Head { method: "GET", scheme: "http", authority: "shop.example", target: "/" };

/// A request as a component gets it: what is no field is left out. `None` where it gets none.
fn parts(head: &Head<'_>, fields: &[Field]) -> Option<Parts> {
    let uri = Uri::builder().scheme(head.scheme).authority(head.authority);
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.uri = uri.path_and_query(head.target).build().ok()?;
    parts.method = Method::from_bytes(head.method.as_bytes()).ok()?;
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            parts.headers.append(name, value);
        }
    }
    Some(parts)
}

fn usual(world: &World, head: &Head<'_>, fields: &[Field]) -> Option<Admission> {
    let read = async |_: usize| Ok::<_, BodyError>(Bytes::new());
    Some(block_on(admit(world, &world.state, &parts(head, fields)?, read)))
}

/// Decides here; where the request passes, compares with the usual way.
fn passes(world: &World, head: &Head<'_>, fields: &[Field]) -> bool {
    let borrowed = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
    let Some(passed) = pass(world, &world.state, head, borrowed) else { return false };
    let Some(Admission::Forward(forward)) = usual(world, head, fields) else {
        panic!("{head:?} {fields:?} must not pass");
    };
    let made = passed.kind.forward();
    let own = |edits: Vec<Edit>| -> Vec<Edit> {
        let fill = |edit| match edit {
            Edit::Set(name, _) if name == OWN[0] => {
                Edit::Set(name, HeaderValue::from_str(passed.client.as_ref()).unwrap())
            }
            Edit::Set(name, _) if name == OWN[1] => {
                Edit::Set(name, HeaderValue::from_str(passed.request_id).unwrap())
            }
            other => other,
        };
        edits.into_iter().map(fill).collect()
    };
    assert_eq!(own(made.request), forward.request, "{head:?} {fields:?}");
    assert_eq!(own(made.edits.list()), forward.edits.list(), "{head:?} {fields:?}");
    assert_eq!(forward.body, None);
    true
}

/// A world that knows its variables already.
fn world(proxies: &str, origins: &str) -> World {
    let script = ("stripe_js_url", "https://js.stripe.com/v3/");
    let world = World::with([("trusted_proxies", proxies), ("cors_origins", origins), script]);
    assert!(!passes(&world, &HEAD, &usual_fields()), "nothing is known before it was asked");
    assert!(usual(&world, &HEAD, &[]).is_some());
    world
}

fn field(name: &str, value: &str) -> Field {
    (name.to_owned(), value.as_bytes().to_vec())
}

/// What the node writes for a browser.
fn usual_fields() -> Vec<Field> {
    [
        ("host", "shop.example"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("accept", "text/html"),
        ("accept-language", "de"),
        ("sec-fetch-mode", "navigate"),
        ("spin-full-url", "http://shop.example/"),
        ("spin-path-info", "/"),
        ("spin-base-path", "/"),
        ("spin-raw-component-route", "/..."),
        ("spin-component-route", "/"),
        ("spin-matched-route", "/..."),
        ("spin-client-addr", "192.0.2.1:4711"),
        ("cdn-loop", "vitrine"),
        ("x-request-id", "0123456789abcdef0123456789abcdef"),
        ("traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00"),
    ]
    .map(|(name, value)| field(name, value))
    .to_vec()
}

#[test]
fn plain_requests_for_files_pass() {
    let world = world("10.0.0.0/8", "https://a.example");
    for (method, target, expected) in [
        ("GET", "/", true),
        ("HEAD", "/p/lyra-chair?x=%41&y=/?", true),
        ("GET", "/assets/app.js", true),
        ("GET", "/m/abc.glb", true),
        ("GET", "/v1x", true),
        ("GET", "/p/", true),
        ("GET", "/p?a[]=1", false),
        ("OPTIONS", "/", false),
        ("get", "/", false),
        ("POST", "/", false),
        ("GET", "/v1/products", false),
        ("GET", "/v1/orders", false),
        ("GET", "/.well-known/jwks.json", false),
        ("GET", "/p/../x", false),
        ("GET", "/p/%2e%2e/x", false),
        ("GET", "/v1//auth", false),
        ("GET", "*", false),
        ("GET", "", false),
    ] {
        let head = Head { method, target, ..HEAD };
        assert_eq!(passes(&world, &head, &usual_fields()), expected, "{method} {target}");
    }
    for (authority, expected) in [
        ("localhost:3000", true),
        ("127.0.0.1", true),
        ("", false),
        (":80", false),
        ("a:", false),
        ("a:b", false),
        ("a:1:2", false),
        ("[::1]:80", false),
        ("u@a", false),
        ("a/b", false),
    ] {
        assert_eq!(
            passes(&world, &Head { authority, ..HEAD }, &usual_fields()),
            expected,
            "{authority}"
        );
    }
    assert!(!passes(&world, &Head { scheme: "ftp", ..HEAD }, &usual_fields()));
}

#[test]
fn what_is_not_plain_is_left_to_the_usual_way() {
    let world = world("10.0.0.0/8", "https://a.example");
    for (name, value, expected) in [
        ("accept", "text/plain", true),
        ("range", "bytes=0-1", true),
        ("origin", "https://b.example", true),
        ("x-own", "caf\u{e9}", true),
        ("x-own", "", true),
        ("x-own", "a\tb", false),
        ("x-own", "12345678\u{7f}", false),
        ("x-own", "1234\n", false),
        ("X-Own", "1", false),
        ("x own", "1", false),
        ("", "1", false),
        ("host", "other.example", false),
        ("spin-path-info", "/forged", false),
        ("spin-new", "1", false),
        ("connection", "x-own", false),
        ("te", "trailers", false),
        ("transfer-encoding", "chunked", false),
        ("authorization", "Bearer x", false),
        ("cookie", "a=b", false),
        ("forwarded", "for=192.0.2.9", false),
        ("x-forwarded-for", "192.0.2.9", false),
        ("x-vitrine-identity", "v1", false),
        ("x-request-id", "short", false),
        ("x-request-id", "another-one", true),
    ] {
        let fields = [usual_fields(), vec![field(name, value)]].concat();
        assert_eq!(passes(&world, &HEAD, &fields), expected, "{name}: {value}");
    }
    for (client, expected) in [
        ("[2001:db8::1]:5", true),
        ("[::ffff:192.0.2.1]:5", true),
        ("192.0.2.1", true),
        ("10.1.2.3:5", false),
        ("192.0.2.01:5", false),
        ("192.0.2.1:65536", false),
        ("192.0.2.1:+5", false),
        ("unknown", false),
    ] {
        let mut fields = usual_fields();
        fields.retain(|(name, _)| name != "spin-client-addr");
        assert!(!passes(&world, &HEAD, &fields), "without a client");
        fields.push(field("spin-client-addr", client));
        assert_eq!(passes(&world, &HEAD, &fields), expected, "{client}");
    }
}

#[test]
fn large_heads_and_old_variables_are_left_to_the_usual_way() {
    let world = world("", "*");
    let many = |count: usize| {
        let more = (0..count).map(|_| field("accept", "a"));
        usual_fields().into_iter().chain(more).collect::<Vec<_>>()
    };
    assert!(passes(&world, &HEAD, &many(hygiene::HEADERS_MAX - 15)));
    assert!(!passes(&world, &HEAD, &many(hygiene::HEADERS_MAX - 14)));
    let large = |bytes: usize| [usual_fields(), vec![field("accept", &"a".repeat(bytes))]].concat();
    assert!(passes(&world, &HEAD, &large(31_000)));
    assert!(!passes(&world, &HEAD, &large(33_000)));
    let target = format!("/?{}", "x".repeat(hygiene::TARGET_BYTES_MAX - 2));
    assert!(passes(&world, &Head { target: &target, ..HEAD }, &usual_fields()));
    let target = format!("{target}x");
    assert!(!passes(&world, &Head { target: &target, ..HEAD }, &usual_fields()));
    world.clock.advance(core::time::Duration::from_secs(10));
    assert!(!passes(&world, &HEAD, &usual_fields()));
}

#[test]
fn every_byte_of_a_value_is_looked_at() {
    for length in 0..40 {
        for place in 0..length {
            for byte in 0..=u8::MAX {
                let mut value = vec![b'a'; length];
                value[place] = byte;
                let is_valid = HeaderValue::from_bytes(&value).is_ok() && byte != b'\t';
                assert_eq!(is_value(&value), is_valid, "{byte} at {place} of {length}");
            }
        }
    }
}

/// Names that some rule knows, and names that none knows.
const NAMES: [&str; 37] = [
    "accept",
    "accept-encoding",
    "authorization",
    "cache-control",
    "cf-connecting-ip",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "Host",
    "host",
    "http2-settings",
    "idempotency-key",
    "if-match",
    "keep-alive",
    "origin",
    "proxy-authorization",
    "range",
    "spin-base-path",
    "spin-client-addr",
    "spin-new",
    "te",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "user-agent",
    "x-client-ip",
    "x-forwarded-for",
    "x-own",
    "x-real-ip",
    "x-request-id",
    "x-vitrine-client",
    "x y",
    "",
];

const VALUES: [&str; 12] = [
    "",
    "a",
    "x-own",
    "close",
    "12345678",
    "10.0.0.1:5",
    "192.0.2.1:5",
    "[::1]:5",
    "for=1.1.1.1",
    "a\u{7f}",
    "a\tb",
    "caf\u{e9} caf\u{e9}",
];

fn fields() -> impl Strategy<Value = Vec<Field>> {
    let one =
        (select(&NAMES[..]), select(&VALUES[..])).prop_map(|(name, value)| field(name, value));
    let places = 0..16_usize;
    // Most of a usual request, and something in between.
    (prop::collection::vec((places.clone(), one), 0..4), prop::collection::vec(places, 0..2))
        .prop_map(|(more, less)| {
            let mut fields = usual_fields();
            less.iter()
                .filter(|at| **at < fields.len())
                .copied()
                .collect::<Vec<_>>()
                .iter()
                .for_each(|at| {
                    if *at < fields.len() {
                        fields.remove(*at);
                    }
                });
            for (at, field) in more {
                fields.insert(at.min(fields.len()), field);
            }
            fields
        })
}

proptest! {
    #[test]
    fn what_passes_passes_the_usual_way_with_the_same_changes(
        fields in fields(),
        target in "/[a-z0-9%./_-]{0,6}(m|v1|assets|p)?(/[a-zA-Z0-9%./?=#\"<-]{0,12})?",
        authority in "[a-z0-9:.@\\[-]{0,12}",
        method in select(&["GET", "HEAD", "POST", "OPTIONS", "TRACE", "get"][..]),
        scheme in select(&["http", "https", "ws", ""][..]),
        proxies in select(&["", "10.0.0.0/8", "0.0.0.0/0"][..]),
        origins in select(&["", "*", "https://a.example"][..]),
    ) {
        let world = world(proxies, origins);
        passes(&world, &HEAD, &fields);
        passes(&world, &Head { target: &target, ..HEAD }, &usual_fields());
        passes(&world, &Head { target: &target, method, ..HEAD }, &fields);
        passes(&world, &Head { target: &target, authority: &authority, scheme, ..HEAD }, &fields);
    }
}
