//! `spin.toml` under the rules of real Spin, read by the same crate that our node uses.

use manifest::{Manifest, Target, VariableSources, spin_rules};

use crate::manifest_text;

#[test]
fn real_spin_has_nothing_to_object_to() {
    assert_eq!(spin_rules(&manifest_text()), Ok(Vec::new()));
}

fn app() -> manifest::App {
    let variables = VariableSources::new().with_command_line(
        [("edge_secret", "0".repeat(64)), ("origin_url", "http://127.0.0.1:8081".into())]
            .map(|(name, value)| (name.to_owned(), value)),
    );
    Manifest::parse(&manifest_text())
        .and_then(|manifest| manifest.resolve(&variables))
        .expect("the manifest resolves")
}

#[test]
fn the_gateway_stands_before_every_component_and_inherits_what_it_needs() {
    let app = app();
    for route in app.routes() {
        let Target::Component(id) = &route.target else { continue };
        let path = route.path.as_deref().unwrap_or("private");
        assert_eq!(
            route.middleware.iter().map(|m| m.component.as_str()).collect::<Vec<_>>(),
            ["gateway"],
            "route {path}"
        );
        let component = app.component(id).expect("a route's component exists");
        for middleware in &route.middleware {
            let grants = component.grants.inherited(&middleware.inherit);
            assert!(
                grants.key_value_stores.contains("default"),
                "{id} gives the gateway its counters"
            );
            assert!(grants.sqlite_databases.contains("default"), "{id} gives the gateway its keys");
            assert!(
                grants.variables.contains_key("edge_secret"),
                "{id} gives the gateway its secret"
            );
        }
    }
}

#[test]
fn the_gateway_has_no_grants_of_its_own() {
    let app = app();
    let grants = &app.component("gateway").expect("the gateway is a component").grants;
    assert!(grants.key_value_stores.is_empty() && grants.sqlite_databases.is_empty());
    assert!(
        grants.files.is_empty() && grants.variables.is_empty() && grants.environment.is_empty()
    );
}

#[test]
fn every_address_of_the_contract_has_its_component() {
    let app = app();
    for (path, expected) in [
        ("/", "assets"),
        ("/p/lyra-chair", "assets"),
        ("/assets/app.js", "assets"),
        ("/m/00000000000000000000000000000000.glb", "assets"),
        ("/v1/products", "catalog"),
        ("/v1/products/lyra-chair", "catalog"),
        ("/v1/categories", "catalog"),
        ("/v1/search", "catalog"),
        ("/v1/ar/CHR-LYRA-OAK", "ar-router"),
        ("/v1/carts", "shop-api"),
        ("/admin/v1/webhooks", "shop-api"),
        ("/v1/inventory/CHR-LYRA-OAK", "shop-api"),
        ("/.well-known/jwks.json", "shop-api"),
        ("/openapi.json", "shop-api"),
    ] {
        let (route, _) = app.route(path).unwrap_or_else(|| panic!("{path} has a route"));
        let Target::Component(id) = &route.target else { panic!("{path} is a component's") };
        assert_eq!(id, expected, "{path}");
    }
}

/// Spin adds routes to its router in the manifest's order, and which one it finds depends on that order.
#[test]
fn spins_own_router_finds_what_ours_finds() {
    let app = app();
    let mut spins = routefinder::Router::new();
    for route in app.routes().iter().filter_map(|route| route.path.as_deref()) {
        spins.add(route.replace("/...", "/*"), route.to_owned()).expect("is a route");
    }
    for route in app.routes().iter().filter_map(|route| route.path.as_deref()) {
        for path in
            [route.replace("/...", ""), route.replace("...", "x"), route.replace("...", "x/y")]
        {
            let ours = app.route(&path).and_then(|(route, _)| route.path.clone());
            let found = spins.best_match(&path).map(|found| found.handler().clone());
            assert_eq!(found, ours, "{path}");
        }
    }
}
