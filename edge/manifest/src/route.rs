//! Which route answers a path, by Spin's rules.

use std::{collections::BTreeMap, sync::Arc};

use crate::{ManifestError, pattern::Pattern};

/// Paths to routes, with the precedence of Spin: exact, then `:name`, then `/...`, segment by segment.
#[derive(Debug)]
pub struct Router(Vec<(Pattern, Served)>);

/// What a pattern leads to.
#[derive(Debug)]
struct Served {
    index: usize,
    raw: Arc<str>,
    based: Arc<str>,
}

/// How a path matched a route; holds what Spin tells the component about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteMatch {
    /// The position in [`App::routes`](crate::App::routes).
    pub index: usize,
    /// The route as written (`spin-raw-component-route`).
    pub raw_route: Arc<str>,
    /// The route with the base, no slash at its end (`spin-matched-route`).
    pub based_route: Arc<str>,
    /// The path that `/...` stands for, empty without one (`spin-path-info`).
    pub path_info: String,
    /// The segments that `:name` stands for (`spin-path-match-<name>`).
    pub captures: Vec<(String, String)>,
}

impl RouteMatch {
    /// Returns the route as written, without `/...` at its end (`spin-component-route`).
    #[must_use]
    pub fn component_route(&self) -> &str {
        self.raw_route.strip_suffix("/...").unwrap_or(&self.raw_route)
    }
}

impl Router {
    /// Builds a router over `routes` (position, path). Of two equal paths the last wins, as in Spin.
    ///
    /// # Errors
    /// If a path is no pattern, or lies below the reserved prefix.
    pub fn new<'a>(
        routes: impl IntoIterator<Item = (usize, &'a str)>,
    ) -> Result<Self, ManifestError> {
        let mut patterns = Vec::new();
        for (raw, index) in last_of_equals(routes) {
            let based = based(raw);
            if based.starts_with(RESERVED) {
                return Err(ManifestError::RouteReserved { route: raw.to_owned() });
            }
            let spec = match based.strip_suffix("/...") {
                Some(prefix) => format!("{prefix}/*"),
                None => based.clone(),
            };
            let pattern = Pattern::parse(&spec)
                .map_err(|reason| ManifestError::RoutePattern { route: raw.to_owned(), reason })?;
            patterns.push((pattern, Served { index, raw: raw.into(), based: based.into() }));
        }
        // Of two that match alike the first counts: the sort keeps their order.
        patterns.sort_by(|(a, _), (b, _)| a.precedence(b));
        Ok(Self(patterns))
    }

    /// Returns the number of the route of `path`, and nothing else.
    #[must_use]
    pub fn index(&self, path: &str) -> Option<usize> {
        let mut matching = self.0.iter().filter(|(pattern, _)| pattern.matches(path).is_some());
        matching.next().map(|(_, served)| served.index)
    }

    /// Finds the route of `path`, which has no query.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<RouteMatch> {
        let mut matching =
            self.0.iter().filter_map(|(pattern, served)| Some((pattern.matches(path)?, served)));
        let (caught, served) = matching.next()?;
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Some(RouteMatch {
            index: served.index,
            raw_route: Arc::clone(&served.raw),
            based_route: Arc::clone(&served.based),
            path_info: caught.rest.map(|tail| path_info(tail, path)).unwrap_or_default(),
            captures: caught.names.iter().map(own).collect(),
        })
    }
}

/// Taken by Spin's own endpoints.
const RESERVED: &str = "/.well-known/spin/";

/// Keeps each path once: at the place of the first, with the route of the last. The place matters where patterns
/// differ in names alone.
fn last_of_equals<'a>(routes: impl IntoIterator<Item = (usize, &'a str)>) -> Vec<(&'a str, usize)> {
    let mut kept: Vec<(&str, usize)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, raw) in routes {
        let place = *places.entry(raw).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(route) => route.1 = index,
            None => kept.push((raw, index)),
        }
    }
    kept
}

/// Makes a route absolute and cuts one slash at its end.
fn based(raw: &str) -> String {
    let absolute = if raw.starts_with('/') { raw.to_owned() } else { format!("/{raw}") };
    absolute.strip_suffix('/').map(str::to_owned).unwrap_or(absolute)
}

/// The router trims slashes at both ends; Spin gives them back.
fn path_info(tail: &str, path: &str) -> String {
    match (tail.is_empty(), path.ends_with('/')) {
        (true, false) => String::new(),
        (true, true) => "/".to_owned(),
        (false, false) => format!("/{tail}"),
        (false, true) => format!("/{tail}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[&str]) -> Router {
        Router::new(routes.iter().copied().enumerate()).expect("the routes are good")
    }

    #[test]
    fn prefers_exact_over_name_over_wildcard() {
        let routes = ["/...", "/v1/products/...", "/v1/products/:id", "/v1/products/top", "/"];
        let router = router(&routes);
        for (path, expected) in [
            ("/", "/"),
            ("/x", "/..."),
            ("/v1/products", "/v1/products/..."),
            ("/v1/products/", "/v1/products/..."),
            ("/v1/products/top", "/v1/products/top"),
            ("/v1/products/7", "/v1/products/:id"),
            ("/v1/products/7/x", "/v1/products/..."),
            ("/V1/products/7", "/..."),
            ("/%76%31/products/7", "/..."),
        ] {
            let found = router.find(path).expect("something matches");
            assert_eq!(&*found.raw_route, expected, "{path}");
        }
    }

    #[test]
    fn takes_the_longest_wildcard_in_whatever_order() {
        let mut routes = ["/one/...", "/one/two/...", "/one/two/three/...", "/one/:any/..."];
        for _ in 0..routes.len() {
            routes.rotate_left(1);
            let router = router(&routes);
            for (path, expected) in [
                ("/one/two/three/four", "/one/two/three/..."),
                ("/one/two/three", "/one/two/three/..."),
                ("/one/two/four", "/one/two/..."),
                ("/one/other/four", "/one/:any/..."),
                ("/one", "/one/..."),
            ] {
                assert_eq!(&*router.find(path).expect("matches").raw_route, expected, "{routes:?}");
            }
        }
    }

    #[test]
    fn catches_names_and_the_rest_at_once() {
        let found = router(&["/1/:two/..."]).find("/1/2/3").expect("matches");
        assert_eq!(found.captures, [("two".to_owned(), "2".to_owned())]);
        assert_eq!((found.path_info.as_str(), found.component_route()), ("/3", "/1/:two"));
    }

    #[test]
    fn reads_routes_without_their_outer_slashes() {
        for route in ["a/b", "/a/b", "/a/b/"] {
            let found = router(&[route]).find("/a/b").expect("matches");
            assert_eq!((&*found.raw_route, &*found.based_route), (route, "/a/b"));
        }
    }

    #[test]
    fn gives_the_wildcard_its_slashes_back() {
        let router = router(&["/users/...", "/exact"]);
        for (path, expected) in [
            ("/users", ""),
            ("/users/", "/"),
            ("/users/1", "/1"),
            ("/users/1/", "/1/"),
            ("/users/1/orders", "/1/orders"),
            ("/exact", ""),
        ] {
            assert_eq!(router.find(path).expect("matches").path_info, expected, "{path}");
        }
        assert_eq!(router.find("/users/1").expect("matches").component_route(), "/users");
    }

    #[test]
    fn names_what_it_captured() {
        let router = router(&["/shops/:shop_id/items/:item"]);
        let found = router.find("/shops/7/items/8").expect("matches");
        let expected =
            [("shop_id".to_owned(), "7".to_owned()), ("item".to_owned(), "8".to_owned())];
        assert_eq!(found.captures, expected);
        assert!(router.find("/shops/7").is_none());
    }

    #[test]
    fn takes_the_last_of_equal_routes() {
        assert_eq!(router(&["/a", "/a"]).find("/a").expect("matches").index, 1);
    }

    #[test]
    fn refuses_reserved_and_broken_routes() {
        for route in
            ["/.well-known/spin/health", "/.well-known/spin/...", ".well-known/spin/x", "/a/:/b"]
        {
            assert!(Router::new([(0, route)]).is_err(), "{route}");
        }
        for route in ["/.well-known/spin", "/.well-known/spindle/...", "/.well-known/spi/..."] {
            assert!(Router::new([(0, route)]).is_ok(), "{route}");
        }
    }
}
