//! The setting `flag/waiting-room`, checked: what is protected, and how fast people get in.

use core::time::Duration;

use api_types::rooms::{WaitingRoomFlag, WhenUnavailable};
use http::Method;
use percent_encoding::percent_decode_str;

use crate::queue::Pace;

/// Most protected routes: 32.
pub const ROUTES_MAX: usize = 32;
/// Most protected SKUs: 100.
pub const SKUS_MAX: usize = 100;
/// Longest pattern: 200 bytes.
const PATTERN_BYTES_MAX: usize = 200;
/// Longest name of a room: 32.
const ROOM_BYTES_MAX: usize = 32;
/// Fastest pace: one admission in a millisecond.
const PER_MINUTE_MAX: u32 = 60_000;
/// How long an admission may hold, in seconds: long enough to check out, short enough to mean something.
const LIFETIME_S: core::ops::RangeInclusive<u32> = 60..=3_600;

/// Where waiting clients ask: never behind the room.
const OWN_PATH: &str = "v1/waiting-room";

/// A checked setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Name of the room.
    pub room: String,
    /// How fast people get in, and for how long.
    pub pace: Pace,
    /// What happens while the room cannot be asked.
    pub when_unavailable: WhenUnavailable,
    routes: Vec<Route>,
    skus: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    method: Option<Method>,
    segments: Vec<String>,
}

/// Why a setting cannot be used. Names the member, for whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("flag/waiting-room: `{0}` is not valid")]
pub struct InvalidRules(pub &'static str);

impl Rules {
    /// Checks a setting.
    ///
    /// # Errors
    /// Names the first member that is wrong.
    pub fn check(flag: &WaitingRoomFlag) -> Result<Self, InvalidRules> {
        let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name =
            (1..=ROOM_BYTES_MAX).contains(&flag.room.len()) && flag.room.bytes().all(is_fit);
        if !is_name {
            return Err(InvalidRules("room"));
        }
        if !(1..=PER_MINUTE_MAX).contains(&flag.admissions_per_minute) {
            return Err(InvalidRules("admissions_per_minute"));
        }
        if !LIFETIME_S.contains(&flag.pass_lifetime_s) {
            return Err(InvalidRules("pass_lifetime_s"));
        }
        if flag.routes.len() > ROUTES_MAX || (flag.routes.is_empty() && flag.skus.is_empty()) {
            return Err(InvalidRules("routes"));
        }
        if flag.skus.len() > SKUS_MAX || flag.skus.iter().any(String::is_empty) {
            return Err(InvalidRules("skus"));
        }
        let routes = flag.routes.iter().map(|text| route(text)).collect::<Option<_>>();
        Ok(Self {
            room: flag.room.clone(),
            pace: Pace {
                admissions_per_minute: flag.admissions_per_minute,
                pass_lifetime: Duration::from_secs(u64::from(flag.pass_lifetime_s)),
            },
            when_unavailable: flag.when_unavailable,
            routes: routes.ok_or(InvalidRules("routes"))?,
            skus: flag.skus.clone(),
        })
    }

    /// Returns whether a request needs a pass. `sku` is what a request for a cart's new line names; call it only
    /// where [`Rules::asks_for_sku`] says so.
    #[must_use]
    pub fn protects(&self, method: &Method, raw_path: &str, sku: Option<&str>) -> bool {
        if *method == Method::OPTIONS {
            return false;
        }
        let segments = segments(raw_path);
        if segments.join("/") == OWN_PATH {
            return false;
        }
        let is_listed = sku.is_some_and(|sku| self.skus.iter().any(|one| one == sku));
        // HEAD is a GET whose body nobody wants.
        let asked = if *method == Method::HEAD { &Method::GET } else { method };
        let is_for = |route: &Route| route.method.as_ref().is_none_or(|one| one == asked);
        let mut routes = self.routes.iter();
        is_listed || routes.any(|route| is_for(route) && matches(&route.segments, &segments))
    }

    /// Returns whether a request's body may name a protected SKU: `POST /v1/carts/{id}/lines`.
    #[must_use]
    pub fn asks_for_sku(&self, method: &Method, raw_path: &str) -> bool {
        let segments = segments(raw_path);
        let path: Vec<&str> = segments.iter().map(String::as_str).collect();
        *method == Method::POST
            && !self.skus.is_empty()
            && matches!(path.as_slice(), ["v1", "carts", _, "lines"])
    }
}

fn route(text: &str) -> Option<Route> {
    let (method, pattern) = match text.split_once(' ') {
        Some((method, pattern)) => (Some(method), pattern),
        None => (None, text),
    };
    let method = match method {
        Some(name) => Some(name.parse().ok().filter(is_usual)?),
        None => None,
    };
    let segments = segments(pattern);
    let rest = segments.iter().position(|one| one == "...");
    let is_fit = pattern.starts_with('/')
        && pattern.len() <= PATTERN_BYTES_MAX
        && rest.is_none_or(|at| at.saturating_add(1) == segments.len());
    is_fit.then_some(Route { method, segments })
}

fn is_usual(method: &Method) -> bool {
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method)
}

/// Decodes and drops empty segments: a path written in another way is protected all the same.
fn segments(raw_path: &str) -> Vec<String> {
    let parts = raw_path.split('/').filter(|part| !part.is_empty());
    parts.map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect()
}

fn matches(pattern: &[String], path: &[String]) -> bool {
    let mut path = path.iter();
    for part in pattern {
        if part == "..." {
            return true;
        }
        match path.next() {
            Some(segment) if part == "*" || part == segment => {}
            _ => return false,
        }
    }
    path.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag() -> WaitingRoomFlag {
        WaitingRoomFlag {
            room: "drop-1".to_owned(),
            routes: vec!["POST /v1/carts/*/checkout".to_owned(), "GET /p/...".to_owned()],
            skus: vec!["CHR-LYRA-OAK".to_owned()],
            admissions_per_minute: 600,
            pass_lifetime_s: 600,
            when_unavailable: WhenUnavailable::Closed,
        }
    }

    #[test]
    fn protects_routes_however_their_path_is_written() {
        let rules = Rules::check(&flag()).unwrap();
        for (method, path, expected) in [
            (Method::POST, "/v1/carts/1/checkout", true),
            (Method::POST, "/v1/carts/1/checkout/", true),
            (Method::POST, "/v1//carts/1/check%6fut", true),
            (Method::GET, "/v1/carts/1/checkout", false),
            (Method::POST, "/v1/carts/1/lines", false),
            (Method::POST, "/v1/carts/1/checkout/2", false),
            (Method::GET, "/p/lyra-chair", true),
            (Method::HEAD, "/p/lyra-chair", true),
            (Method::GET, "/p", true),
            (Method::OPTIONS, "/v1/carts/1/checkout", false),
            (Method::GET, "/", false),
        ] {
            assert_eq!(rules.protects(&method, path, None), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_protected_sku_needs_a_pass_to_get_into_a_cart() {
        let rules = Rules::check(&flag()).unwrap();
        let path = "/v1/carts/1/lines";
        assert!(rules.asks_for_sku(&Method::POST, path));
        assert!(!rules.asks_for_sku(&Method::GET, path));
        assert!(!rules.asks_for_sku(&Method::POST, "/v1/carts"));
        assert!(rules.protects(&Method::POST, path, Some("CHR-LYRA-OAK")));
        assert!(!rules.protects(&Method::POST, path, Some("LMP-ECHO")));
    }

    #[test]
    fn the_way_to_ask_is_never_behind_the_room() {
        let all = WaitingRoomFlag { routes: vec!["/...".to_owned()], ..flag() };
        let rules = Rules::check(&all).unwrap();
        assert!(!rules.protects(&Method::GET, "/v1/waiting-room", None));
        assert!(rules.protects(&Method::GET, "/v1/waiting-room/x", None));
    }

    #[test]
    fn a_wrong_setting_is_refused_by_the_name_of_its_member() {
        let too_many = vec!["/a".to_owned(); ROUTES_MAX.saturating_add(1)];
        for (wrong, member) in [
            (WaitingRoomFlag { room: String::new(), ..flag() }, "room"),
            (WaitingRoomFlag { room: "Drop".to_owned(), ..flag() }, "room"),
            (WaitingRoomFlag { room: "a".repeat(33), ..flag() }, "room"),
            (WaitingRoomFlag { admissions_per_minute: 0, ..flag() }, "admissions_per_minute"),
            (WaitingRoomFlag { admissions_per_minute: 60_001, ..flag() }, "admissions_per_minute"),
            (WaitingRoomFlag { pass_lifetime_s: 59, ..flag() }, "pass_lifetime_s"),
            (WaitingRoomFlag { pass_lifetime_s: 3_601, ..flag() }, "pass_lifetime_s"),
            (WaitingRoomFlag { routes: too_many, ..flag() }, "routes"),
            (WaitingRoomFlag { routes: vec!["v1".to_owned()], ..flag() }, "routes"),
            (WaitingRoomFlag { routes: vec!["/.../a".to_owned()], ..flag() }, "routes"),
            (WaitingRoomFlag { routes: vec!["BREW /a".to_owned()], ..flag() }, "routes"),
            (WaitingRoomFlag { routes: vec![], skus: vec![], ..flag() }, "routes"),
            (WaitingRoomFlag { skus: vec![String::new()], ..flag() }, "skus"),
        ] {
            assert_eq!(Rules::check(&wrong), Err(InvalidRules(member)));
        }
    }
}
