//! Which of the catalogue's addresses a request is for.

use domain::Handle;

/// An address of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/v1/products`
    Products,
    /// `/v1/products/{handle}`
    Product(Handle),
    /// `/v1/categories`
    Categories,
    /// `/v1/search`
    Search,
}

impl Route {
    /// Reads a path. Handles are compared as sent: nothing is percent-decoded, as no handle needs it.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        match path.strip_prefix("/v1/")? {
            "products" => Some(Self::Products),
            "categories" => Some(Self::Categories),
            "search" => Some(Self::Search),
            other => other.strip_prefix("products/")?.parse().ok().map(Self::Product),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_addresses_and_no_other() {
        for (path, expected) in [
            ("/v1/products", Some(Route::Products)),
            ("/v1/products/", Some(Route::Products)),
            ("/v1/products/lyra-chair", Some(Route::Product("lyra-chair".parse().unwrap()))),
            ("/v1/products/Lyra", None),
            ("/v1/products/lyra/reviews", None),
            ("/v1/products/%6cyra", None),
            ("/v1/categories", Some(Route::Categories)),
            ("/v1/categories/chairs", None),
            ("/v1/search", Some(Route::Search)),
            ("/v1/searching", None),
            ("/v2/products", None),
            ("/", None),
        ] {
            assert_eq!(Route::of(path), expected, "{path}");
        }
    }
}
