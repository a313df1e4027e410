//! What must hold of all traffic: nothing older than it may be is served, and nobody gets another's answer.

use std::cell::RefCell;
use std::rc::Rc;

use domain::Timestamp;
use http::{HeaderMap, Method};

use crate::node::{Node, Response};
use crate::rng::Rng;

/// A resource that changes: its body tells the language and the version, its fields how long it may be kept.
struct Resource {
    version: u64,
    /// When each version ceased to be the present one.
    ended_at: Vec<Timestamp>,
    lifetime_s: u64,
    while_revalidate_s: u64,
    if_error_s: u64,
    is_strict: bool,
    is_down: bool,
}

impl Resource {
    fn answer(&self, method: &Method, request: &HeaderMap) -> Option<Response> {
        if self.is_down {
            return None;
        }
        let language = request.get("x-language").map_or("none", |value| value.to_str().unwrap());
        let body = format!("{language} {}", self.version);
        let etag = format!("\"{body}\"");
        let strict = if self.is_strict { ", must-revalidate" } else { "" };
        let cc = format!(
            "max-age={}, stale-while-revalidate={}, stale-if-error={}{strict}",
            self.lifetime_s, self.while_revalidate_s, self.if_error_s,
        );
        let lines = [("etag", etag.as_str()), ("cache-control", &cc), ("vary", "X-Language")];
        let is_known = request
            .get("if-none-match")
            .is_some_and(|known| known.to_str().unwrap().split(", ").any(|tag| tag == etag));
        let (status, body) = if is_known { (304, "") } else { (200, body.as_str()) };
        let body = if *method == Method::HEAD { "" } else { body };
        Some(Response::of(status, &lines, body))
    }

    /// Checks a body against what may be served at all: a version that was present not longer ago than it may be old.
    fn check(&self, seen: &Response, language: &str, now: Timestamp) {
        let (named, version) = seen.body.split_once(' ').unwrap();
        assert_eq!(named, language, "another's answer");
        let version: usize = version.parse().unwrap();
        let window = match seen.word() {
            "HIT" => self.lifetime_s,
            "UPDATING" => self.lifetime_s + self.while_revalidate_s,
            "STALE" => self.lifetime_s + self.if_error_s,
            _ => 0,
        };
        assert!(!self.is_strict || !matches!(seen.word(), "STALE" | "UPDATING"), "{seen:?}");
        if let Some(ended_at) = self.ended_at.get(version) {
            let age_s = now.since(*ended_at).as_secs();
            assert!(window > 0 && age_s <= window, "{age_s} s too late: {seen:?}");
        }
    }
}

/// One life of a node: an hour of changes, failures and requests.
fn live(rng: &mut Rng) {
    let resource = Rc::new(RefCell::new(Resource {
        version: 0,
        ended_at: Vec::new(),
        lifetime_s: rng.below(20),
        while_revalidate_s: rng.below(3) * 5,
        if_error_s: rng.below(3) * 10,
        is_strict: rng.below(4) == 0,
        is_down: false,
    }));
    let origin = Rc::clone(&resource);
    let mut node =
        Node::new(Box::new(move |method, request, _| origin.borrow().answer(method, request)));
    for _ in 0..300 {
        node.wait(rng.below(6));
        match rng.below(10) {
            0 => {
                let mut resource = resource.borrow_mut();
                resource.version += 1;
                resource.ended_at.push(node.now);
            }
            1 => resource.borrow_mut().is_down = rng.below(2) == 0,
            2 => node.work(),
            _ => {
                let language = *rng.pick(&["de", "en", "fr"]);
                let more = *rng.pick(&[
                    ("x", "y"),
                    ("cache-control", "no-cache"),
                    ("cache-control", "max-age=3"),
                    ("cache-control", "min-fresh=3"),
                ]);
                let seen = node.get("/", &[("x-language", language), more]);
                if seen.status != 502 {
                    assert_eq!(seen.status, 200, "{seen:?}");
                    resource.borrow().check(&seen, language, node.now);
                }
            }
        }
    }
}

#[test]
fn nothing_is_served_that_is_older_than_it_may_be() {
    let mut rng = Rng::seeded();
    for _ in 0..200 {
        live(&mut rng);
    }
}
