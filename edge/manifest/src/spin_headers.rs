//! What Spin tells a component about its request, in Spin's words.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::RouteMatch;

impl RouteMatch {
    /// The match of a call from inside: as if the whole path had matched `/...`.
    #[must_use]
    pub fn inside(path: &str) -> Self {
        let everything: Arc<str> = Arc::from("/...");
        Self {
            index: 0,
            raw_route: Arc::clone(&everything),
            based_route: everything,
            path_info: path.to_owned(),
            captures: Vec::new(),
        }
    }

    /// Sets the `spin-*` headers of a request to `full_url` from `client`, an address with its port. Those that the
    /// caller sent are replaced; the rest of what begins with `spin-` is for who calls this to remove.
    ///
    /// # Errors
    /// If a path or a name in it cannot stand in a header.
    pub fn set_spin_headers(
        &self,
        headers: &mut HeaderMap,
        full_url: HeaderValue,
        client: HeaderValue,
    ) -> Result<(), http::Error> {
        headers.insert(PATH_INFO, HeaderValue::from_str(&self.path_info)?);
        headers.insert(FULL_URL, full_url);
        headers.insert(MATCHED_ROUTE, HeaderValue::from_str(&self.based_route)?);
        headers.insert(BASE_PATH, HeaderValue::from_static("/"));
        headers.insert(RAW_COMPONENT_ROUTE, HeaderValue::from_str(&self.raw_route)?);
        headers.insert(COMPONENT_ROUTE, HeaderValue::from_str(self.component_route())?);
        headers.insert(CLIENT_ADDR, client);
        for (name, captured) in &self.captures {
            headers
                .insert(HeaderName::try_from(captured_as(name))?, HeaderValue::from_str(captured)?);
        }
        Ok(())
    }

    /// Tells the same to whoever writes a head and has no map: each field's name and value.
    pub fn each_spin_header(&self, full_url: &str, client: &str, mut each: impl FnMut(&str, &str)) {
        each(PATH_INFO.as_str(), &self.path_info);
        each(FULL_URL.as_str(), full_url);
        each(MATCHED_ROUTE.as_str(), &self.based_route);
        each(BASE_PATH.as_str(), "/");
        each(RAW_COMPONENT_ROUTE.as_str(), &self.raw_route);
        each(COMPONENT_ROUTE.as_str(), self.component_route());
        each(CLIENT_ADDR.as_str(), client);
        for (name, captured) in &self.captures {
            each(&captured_as(name), captured);
        }
    }
}

/// The name of the field that tells what `:name` stands for.
fn captured_as(name: &str) -> String {
    format!("spin-path-match-{}", name.to_ascii_lowercase().replace('_', "-"))
}

const PATH_INFO: HeaderName = HeaderName::from_static("spin-path-info");
const FULL_URL: HeaderName = HeaderName::from_static("spin-full-url");
const MATCHED_ROUTE: HeaderName = HeaderName::from_static("spin-matched-route");
const BASE_PATH: HeaderName = HeaderName::from_static("spin-base-path");
const RAW_COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-raw-component-route");
const COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-component-route");
const CLIENT_ADDR: HeaderName = HeaderName::from_static("spin-client-addr");

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: &RouteMatch, expected: &[(&str, &str)]) {
        let mut headers = HeaderMap::new();
        headers.append(CLIENT_ADDR, HeaderValue::from_static("1.2.3.4:5"));
        let full_url = HeaderValue::from_static("http://localhost/a");
        let client = HeaderValue::from_static("0.0.0.0:0");
        found.set_spin_headers(&mut headers, full_url, client).expect("is good");
        let mut set: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let mut expected: Vec<_> =
            expected.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let mut told = Vec::new();
        found.each_spin_header("http://localhost/a", "0.0.0.0:0", |name, value| {
            told.push((name.to_owned(), value.to_owned()));
        });
        let mut told: Vec<_> =
            told.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        set.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, set);
        expected.sort_unstable();
        assert_eq!(set, expected);
    }

    #[test]
    fn a_call_from_inside_has_the_headers_that_spin_gives_it() {
        check(
            &RouteMatch::inside("/a/b"),
            &[
                ("spin-path-info", "/a/b"),
                ("spin-full-url", "http://localhost/a"),
                ("spin-matched-route", "/..."),
                ("spin-base-path", "/"),
                ("spin-raw-component-route", "/..."),
                ("spin-component-route", ""),
                ("spin-client-addr", "0.0.0.0:0"),
            ],
        );
    }

    #[test]
    fn what_a_path_matched_is_named_as_in_spin() {
        let router = crate::Router::new([(0, "/users/:user_id/...")]).expect("is a route");
        check(
            &router.find("/users/7/x/").expect("matches"),
            &[
                ("spin-path-info", "/x/"),
                ("spin-full-url", "http://localhost/a"),
                ("spin-matched-route", "/users/:user_id/..."),
                ("spin-base-path", "/"),
                ("spin-raw-component-route", "/users/:user_id/..."),
                ("spin-component-route", "/users/:user_id"),
                ("spin-client-addr", "0.0.0.0:0"),
                ("spin-path-match-user-id", "7"),
            ],
        );
    }

    #[test]
    fn refuses_what_no_header_can_hold() {
        let value = HeaderValue::from_static("/");
        let found = RouteMatch::inside("/a\nb");
        let set = found.set_spin_headers(&mut HeaderMap::new(), value.clone(), value);
        assert!(set.is_err());
    }
}
