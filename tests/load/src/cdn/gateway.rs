//! The application with a gateway before its cache: the one variant that a manifest must be written for.

use std::net::SocketAddr;
use std::path::Path;

/// The key by which a route to a pool names what stands before it; a node that does not know it says so.
pub(crate) const KEY: &str = "middleware";

/// The manifest: every path goes through the shop's gateway to a pool of one origin, whose answers are cached.
///
/// The limits on rates are lifted. A middleware has no grants of its own, so a component that answers nothing keeps those
/// that `spin.toml` gives the gateway.
pub(crate) fn manifest(root: &Path, origin: SocketAddr) -> String {
    let gateway = root.join("target/components/gateway.wasm");
    let gateway = gateway.display();
    format!(
        r#"spin_manifest_version = 2

[application]
name = "bench-gateway"
version = "1.0.0"

[application.tool.vitrine.pools.origin]
origins = ["http://{origin}"]

[[application.tool.vitrine.routes]]
route = "/..."
pool = "origin"
middleware = ["gateway"]
grants_of = "keeper"

[component.gateway]
source = "{gateway}"

[component.keeper]
source = "{gateway}"
key_value_stores = ["default"]
sqlite_databases = ["default"]

[component.keeper.variables]
public_url = "http://127.0.0.1:8080"
edge_secret = "development"
cors_origins = ""
rate_limit_scale = "1000000"
trusted_proxies = ""
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_toml_with_a_middleware_before_the_pool() {
        let text = manifest(Path::new("/repo"), "127.0.0.1:1".parse().unwrap());
        let table: toml::Table = toml::from_str(&text).unwrap();
        let route = &table["application"]["tool"]["vitrine"]["routes"][0];
        assert_eq!(route["pool"].as_str(), Some("origin"));
        assert_eq!(route[KEY][0].as_str(), Some("gateway"));
    }
}
