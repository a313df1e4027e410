//! What Spin tells a component about its request, in Spin's words.

use std::sync::Arc;

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

    /// Returns the `spin-*` headers for a request to `full_url` from `client`, an address with its port.
    #[must_use]
    pub fn spin_headers(&self, full_url: String, client: String) -> Vec<(String, String)> {
        let fixed = [
            ("spin-path-info", self.path_info.clone()),
            ("spin-full-url", full_url),
            ("spin-matched-route", self.based_route.to_string()),
            ("spin-base-path", "/".to_owned()),
            ("spin-raw-component-route", self.raw_route.to_string()),
            ("spin-component-route", self.component_route().to_owned()),
            ("spin-client-addr", client),
        ];
        let captured = self.captures.iter().map(|(name, value)| {
            let name = name.to_ascii_lowercase().replace('_', "-");
            (format!("spin-path-match-{name}"), value.clone())
        });
        fixed.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(captured).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_from_inside_has_the_headers_that_spin_gives_it() {
        let url = "http://localhost/a/b?c".to_owned();
        let headers = RouteMatch::inside("/a/b").spin_headers(url, "0.0.0.0:0".to_owned());
        let expected = [
            ("spin-path-info", "/a/b"),
            ("spin-full-url", "http://localhost/a/b?c"),
            ("spin-matched-route", "/..."),
            ("spin-base-path", "/"),
            ("spin-raw-component-route", "/..."),
            ("spin-component-route", ""),
            ("spin-client-addr", "0.0.0.0:0"),
        ];
        assert!(headers.iter().map(|(name, value)| (&**name, &**value)).eq(expected));
    }
}
