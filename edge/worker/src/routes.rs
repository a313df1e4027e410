//! Which core answers an address: the table of `spin.toml`, whose tests compare the two.

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// `catalog-core`.
    Catalog,
    /// `ar-core`.
    ArRouter,
    /// `origin-client`.
    ShopApi,
    /// `files-core`.
    Assets,
}

/// Patterns as `spin.toml` has them: exact, or with `/...` at the end for everything below and the address itself.
const TABLE: [(&str, Target); 9] = [
    ("/v1/products/...", Target::Catalog),
    ("/v1/categories", Target::Catalog),
    ("/v1/search", Target::Catalog),
    ("/v1/ar/...", Target::ArRouter),
    ("/v1/...", Target::ShopApi),
    ("/admin/v1/...", Target::ShopApi),
    ("/.well-known/jwks.json", Target::ShopApi),
    ("/openapi.json", Target::ShopApi),
    ("/...", Target::Assets),
];

/// Finds who answers a path, by Spin's rules: slashes at both ends do not count, nothing is decoded, and segment by
/// segment an exact one beats a wildcard (so the longest pattern that fits wins).
pub(crate) fn find(path: &str) -> Target {
    let path = path.trim_matches('/');
    let fits = TABLE.iter().filter(|(pattern, _)| matches(pattern, path));
    fits.max_by_key(|(pattern, _)| rank(pattern)).map_or(Target::Assets, |(_, target)| *target)
}

fn matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix("/...") {
        None => pattern.trim_matches('/') == path,
        Some(prefix) => {
            let prefix = prefix.trim_matches('/');
            let rest = path.strip_prefix(prefix);
            prefix.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
    }
}

/// More segments are more special; of equally many an exact pattern is.
fn rank(pattern: &str) -> (usize, bool) {
    let segments = |text: &str| text.split('/').filter(|segment| !segment.is_empty()).count();
    match pattern.strip_suffix("/...") {
        None => (segments(pattern), true),
        Some(prefix) => (segments(prefix), false),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn finds_who_answers() {
        for (path, expected) in [
            ("/", Target::Assets),
            ("", Target::Assets),
            ("/v1", Target::ShopApi),
            ("/v1/", Target::ShopApi),
            ("/v1/products", Target::Catalog),
            ("/v1/products/", Target::Catalog),
            ("/v1/products/lyra-chair", Target::Catalog),
            ("/v1/productsX", Target::ShopApi),
            ("/v1/categories", Target::Catalog),
            ("/v1/categories/", Target::Catalog),
            ("/v1/categories/chairs", Target::ShopApi),
            ("/v1/search", Target::Catalog),
            ("/v1/searching", Target::ShopApi),
            ("/v1/ar", Target::ArRouter),
            ("/v1/ar/SKU-1", Target::ArRouter),
            ("/v1/carts/1/lines", Target::ShopApi),
            ("/.well-known/jwks.json", Target::ShopApi),
            ("/.well-known/other", Target::Assets),
            ("/openapi.json", Target::ShopApi),
            ("/admin/v1/webhooks", Target::ShopApi),
            ("/admin", Target::Assets),
            ("/V1/products", Target::Assets),
            ("/%76%31/products", Target::Assets),
            ("/m/x.glb", Target::Assets),
        ] {
            assert_eq!(find(path), expected, "{path}");
        }
    }

    #[test]
    fn is_the_table_of_the_manifest() {
        let manifest: toml::Table = include_str!("../../../spin.toml").parse().unwrap();
        let routes = manifest["trigger"]["http"].as_array().unwrap();
        let theirs: BTreeSet<(String, String)> = routes
            .iter()
            .map(|route| {
                let text = |key: &str| route[key].as_str().unwrap().to_owned();
                (text("route"), text("component"))
            })
            .collect();
        let name = |target| match target {
            Target::Catalog => "catalog",
            Target::ArRouter => "ar-router",
            Target::ShopApi => "shop-api",
            Target::Assets => "assets",
        };
        let ours: BTreeSet<(String, String)> = TABLE
            .iter()
            .map(|(pattern, target)| ((*pattern).to_owned(), name(*target).to_owned()))
            .collect();
        assert_eq!(ours, theirs);
    }
}
