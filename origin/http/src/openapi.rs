//! The whole HTTP contract as one OpenAPI 3.1 document, the routes that the edge answers itself included.

/// Parses the document that lies beside the source.
pub(crate) fn document() -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_str(include_str!("../openapi.json"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::admin::{AdminRoute, admin_routes};
    use crate::router::{internal_routes, public_routes, shop_routes};

    /// What the edge answers from its own copy.
    const EDGE_ROUTES: [&str; 5] =
        ["/v1/products", "/v1/products/{handle}", "/v1/categories", "/v1/search", "/v1/ar/{sku}"];

    #[test]
    fn every_route_is_in_the_contract_and_the_contract_names_no_other() {
        let document = document().unwrap();
        let mut named = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys() {
                named.insert((path.clone(), method.clone()));
            }
        }
        let mut known: BTreeSet<_> =
            EDGE_ROUTES.map(|path| (path.to_owned(), "get".to_owned())).into();
        for route in [shop_routes(), public_routes(), internal_routes()].into_iter().flatten() {
            known.insert((route.path.to_owned(), route.method.as_str().to_lowercase()));
        }
        for AdminRoute { route, .. } in admin_routes() {
            known.insert((route.path.to_owned(), route.method.as_str().to_lowercase()));
        }
        assert_eq!(named, known);
    }

    #[test]
    fn what_the_staff_may_ask_for_names_its_permission() {
        let document = document().unwrap();
        for AdminRoute { route, permission } in admin_routes() {
            let method = route.method.as_str().to_lowercase();
            let operation = &document["paths"][route.path][method];
            let said = operation["description"].as_str().unwrap();
            let expected = permission.map_or_else(
                || "Any role.".to_owned(),
                |permission| format!("Asks for the permission `{permission}`."),
            );
            assert!(said.ends_with(&expected), "{} {}: {said}", route.method, route.path);
            for status in ["401", "403"] {
                assert!(operation["responses"][status].is_object(), "{}", route.path);
            }
            assert!(operation["security"][0]["staff_key"].is_array(), "{}", route.path);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(Value::as_str));
                    members.values().for_each(|value| references(value, found));
                }
                Value::Array(values) => values.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = document().unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100);
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }

    #[test]
    fn operations_have_their_own_names_and_say_how_they_fail() {
        let document = document().unwrap();
        let mut names = BTreeSet::new();
        for operations in document["paths"].as_object().unwrap().values() {
            for operation in operations.as_object().unwrap().values() {
                assert!(names.insert(operation["operationId"].as_str().unwrap()));
                assert!(
                    operation["responses"]
                        .as_object()
                        .unwrap()
                        .keys()
                        .any(|status| status.starts_with('5'))
                );
            }
        }
    }
}
