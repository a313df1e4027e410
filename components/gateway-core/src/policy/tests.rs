//! The table, path by path.

use super::*;

fn row(method: Method, path: &str) -> Option<(Class, Auth, Option<&'static str>)> {
    let policy = find(path).unwrap().policy(&method)?;
    Some((policy.class, policy.auth, policy.quota.map(|quota| quota.name)))
}

#[test]
fn every_route_has_its_policy() {
    use Auth::{None as Open, Optional, Required};
    use Class::{Asset, Edge, Media, Origin, Page};
    let (get, head) = (Method::GET, Method::HEAD);
    let (post, patch, delete) = (Method::POST, Method::PATCH, Method::DELETE);
    for (method, path, expected) in [
        (&get, "/", Some((Page, Open, None))),
        (&head, "/p/lyra-chair", Some((Page, Open, None))),
        (&post, "/", None),
        (&get, "/assets/app.js", Some((Asset, Open, None))),
        (&get, "/m/abc.glb", Some((Media, Open, None))),
        (&delete, "/m/abc.glb", None),
        (&get, "/v1/products", Some((Edge, Open, Some("read")))),
        (&get, "/v1/products/", Some((Edge, Open, Some("read")))),
        (&get, "/v1/products/lyra-chair", Some((Edge, Open, Some("read")))),
        (&head, "/v1/products/lyra-chair", Some((Edge, Open, Some("read")))),
        (&post, "/v1/products", None),
        (&get, "/v1/categories", Some((Edge, Open, Some("read")))),
        (&get, "/v1/categories/chairs", Some((Origin, Optional, Some("read")))),
        (&get, "/v1/search", Some((Edge, Open, Some("search")))),
        (&get, "/v1/ar/SKU", Some((Edge, Open, Some("read")))),
        (&get, "/.well-known/jwks.json", Some((Origin, Open, Some("read")))),
        (&post, "/.well-known/jwks.json", None),
        (&get, "/openapi.json", Some((Origin, Open, Some("read")))),
        (&post, "/v1/auth/login", Some((Origin, Open, Some("login")))),
        (&get, "/v1/auth/login", None),
        (&post, "/v1/auth/register", Some((Origin, Open, Some("login")))),
        (&post, "/v1/auth/refresh", Some((Origin, Open, Some("refresh")))),
        (&post, "/v1/auth/logout", Some((Origin, Open, Some("refresh")))),
        (&post, "/v1/auth/login/", Some((Origin, Open, Some("login")))),
        (&post, events::PATH, Some((Origin, Open, Some("events")))),
        (&post, "/v1/events/", Some((Origin, Open, Some("events")))),
        (&get, events::PATH, None),
        (&post, "/v1/events/1", Some((Origin, Optional, Some("write")))),
        (&get, "/v1/waiting-room", Some((Origin, Open, Some("waiting-room")))),
        (&post, "/v1/waiting-room", None),
        (&post, "/v1/chat/rooms", Some((Origin, Open, Some("chat")))),
        (&get, "/v1/chat/rooms", None),
        (&get, "/v1/chat/rooms/abc", Some((Origin, Open, Some("chat")))),
        (&post, "/v1/chat/rooms/abc", None),
        (&get, "/v1/me", Some((Origin, Required, Some("read")))),
        (&patch, "/v1/me/addresses/1", Some((Origin, Required, Some("write")))),
        (&get, "/v1/orders", Some((Origin, Required, Some("read")))),
        (&get, "/v1/orders/1", Some((Origin, Optional, Some("read")))),
        (&post, "/v1/orders", None),
        (&post, "/v1/carts", Some((Origin, Optional, Some("write")))),
        (&patch, "/v1/carts/1/lines/2", Some((Origin, Optional, Some("write")))),
        (&delete, "/v1/carts/1/lines/2", Some((Origin, Optional, Some("write")))),
        (&post, "/v1/carts/1/checkout", Some((Origin, Optional, Some("write")))),
        (&get, "/v1/inventory/SKU", Some((Origin, Optional, Some("read")))),
        (&get, "/v1", Some((Origin, Optional, Some("read")))),
        (&get, "/admin/v1/me", Some((Origin, Optional, Some("read")))),
        (&post, "/admin/v1/webhooks", Some((Origin, Optional, Some("write")))),
        (&get, "/admin", Some((Page, Open, None))),
        (&get, "/v1x", Some((Page, Open, None))),
        (&get, "/V1/carts", Some((Page, Open, None))),
        (&get, "/v1/carts/caf%c3%a9", Some((Origin, Optional, Some("read")))),
    ] {
        assert_eq!(row(method.clone(), path), expected, "{method} {path}");
    }
}

#[test]
fn a_path_that_the_router_would_send_elsewhere_is_refused() {
    for path in [
        "/%761/carts",
        "/v1/%70roducts",
        "/v1/auth/logi%6e",
        "/v1//auth/login",
        "/v1/auth//login",
        "/v1/%6de",
        "/%6d/abc.glb",
        "/v1/orders%2f1",
    ] {
        assert_eq!(find(path), Err(PathError::Ambiguous), "{path}");
    }
    for path in ["//v1/products", "/v1/carts//x", "/v1/carts/%61", "/a//b", "/%61"] {
        assert!(find(path).is_ok(), "{path}");
    }
}

#[test]
fn says_which_methods_a_path_answers() {
    for (path, expected) in [
        ("/", "GET, HEAD, OPTIONS"),
        ("/v1/products", "GET, HEAD, OPTIONS"),
        ("/v1/auth/login", "POST, OPTIONS"),
        ("/v1/events", "POST, OPTIONS"),
        ("/v1/carts", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    ] {
        assert_eq!(find(path).unwrap().allowed(), expected, "{path}");
    }
}

#[test]
fn rows_hold_together() {
    for row in TABLE {
        assert!(row.pattern.starts_with('/'));
        let is_static = matches!(row.class, Class::Page | Class::Asset | Class::Media);
        assert_eq!(row.quota.is_none(), is_static, "{}: only files are unlimited", row.pattern);
        assert!(row.auth == Auth::None || row.class == Class::Origin, "{}", row.pattern);
        assert_eq!(row.methods == Methods::Read, row.body_bytes_max == 0, "{}", row.pattern);
        // The origin reads no more, so more would be carried there in vain.
        assert!(row.body_bytes_max <= REQUEST_BYTES_MAX, "{}", row.pattern);
        let is_guessable = row.pattern.starts_with("/v1/auth/");
        let on_failure = row.quota.map(|quota| quota.on_failure);
        assert_eq!(on_failure == Some(OnFailure::Closed), is_guessable, "{}", row.pattern);
    }
}
