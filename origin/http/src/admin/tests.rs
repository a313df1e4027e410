//! Every route of the staff, asked by everybody.

use std::net::{IpAddr, Ipv4Addr};

use app::{App, Clock, NewStaffKey, Parts as ShopParts, Settings};
use axum::body::Body;
use domain::staff::Role;
use http::{StatusCode, header};
use origin_client::identity::{HEADER, Identity, SignedRequest, sign};
use providers::http_payment::HttpPaymentProvider;
use store::{Store, StoreConfig};
use tower_service::Service;

use super::*;
use crate::{EdgeSecrets, Limits};

const SECRET: &[u8] = b"0123456789abcdef";

struct World {
    _folder: tempfile::TempDir,
    store: Arc<Store>,
    clock: Clock,
    router: Router,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig::file(folder.path().join("origin.db"));
        let store = Arc::new(Store::open(&config, "first").await.unwrap());
        let clock = Clock::default();
        let deadline = std::time::Duration::from_secs(1);
        let parts = ShopParts {
            store: Arc::clone(&store),
            payments: Arc::new(HttpPaymentProvider::new(
                "http://127.0.0.1:1",
                String::new(),
                deadline,
            )),
            settings: Settings::default(),
            clock: clock.clone(),
        };
        let app = App::start(parts).await.unwrap();
        let context = Context::new(app, EdgeSecrets::new(SECRET.to_vec()), Limits::default(), None);
        Self { _folder: folder, store, clock, router: crate::router::router(&context) }
    }

    async fn key(&self, role: Role) -> NewStaffKey {
        let key = NewStaffKey::make("k".to_owned(), vec![role], None, self.clock.now()).unwrap();
        assert!(self.store.create_staff_key(key.key.clone()).await.unwrap());
        key
    }

    /// Asks a route, through an edge or past it.
    async fn ask(&self, route: &Route, through_edge: bool, bearer: Option<&str>) -> Response {
        let some = "00000000-0000-7000-8000-000000000000";
        let path: String = route
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { some } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let mut request = Request::builder().method(route.method.clone()).uri(&path);
        if through_edge {
            let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let identity = Identity { user: None, session: None, client };
            let signed = SignedRequest { method: &route.method, path_and_query: &path, body: b"" };
            let mut nonce = [0; 16];
            getrandom::fill(&mut nonce).unwrap();
            request =
                request.header(HEADER, sign(SECRET, &signed, &identity, self.clock.now(), nonce));
        }
        if let Some(token) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).unwrap();
        self.router.clone().call(request).await.unwrap()
    }

    async fn status(&self, route: &Route, through_edge: bool, bearer: Option<&str>) -> StatusCode {
        self.ask(route, through_edge, bearer).await.status()
    }
}

#[tokio::test]
async fn every_route_of_the_staff_is_closed_without_and_with_the_wrong_role_and_open_with_the_right_one()
 {
    let world = World::new().await;
    let mut keys = Vec::new();
    for role in Role::ALL {
        keys.push((role, world.key(role).await));
    }
    let revoked = world.key(Role::Owner).await;
    assert!(world.store.revoke_staff_key(revoked.key.id, world.clock.now()).await.unwrap());
    let unknown =
        NewStaffKey::make("k".to_owned(), vec![Role::Owner], None, world.clock.now()).unwrap();
    let owner = &keys[0].1.text;
    // The right name with another secret.
    let forged = format!("{}{}", &owner[..40], &unknown.text[40..]);

    let routes = admin_routes();
    assert!(routes.len() >= 15, "{}", routes.len());
    for AdminRoute { route, permission } in &routes {
        let name = format!("{} {}", route.method, route.path);
        assert!(route.path.starts_with(api_types::admin::PREFIX), "{name}");
        let closed = StatusCode::UNAUTHORIZED;
        assert_eq!(world.status(route, false, None).await, closed, "{name} past the edge");
        assert_eq!(world.status(route, false, Some(owner)).await, closed, "{name} past the edge");
        assert_eq!(world.status(route, true, None).await, closed, "{name} by nobody");
        for bad in ["x", "vk_", "ot_AAAA", &unknown.text, &revoked.text, &forged] {
            assert_eq!(world.status(route, true, Some(bad)).await, closed, "{name} with {bad}");
        }
        for (role, key) in &keys {
            let status = world.status(route, true, Some(&key.text)).await;
            let may = permission.is_none_or(|permission| role.allows(permission));
            let is_refused = [StatusCode::FORBIDDEN, closed].contains(&status);
            assert_eq!(may, !is_refused, "{name} as {role}: {status}");
            assert_eq!(may, status != StatusCode::FORBIDDEN, "{name} as {role}: {status}");
            assert!(!status.is_server_error(), "{name} as {role}: {status}");
        }
    }
}

#[tokio::test]
async fn a_key_ends_when_it_was_said_to_and_its_use_is_noted() {
    let world = World::new().await;
    let now = world.clock.now();
    let life = std::time::Duration::from_hours(1);
    let key = NewStaffKey::make("k".to_owned(), vec![Role::Reader], Some(now.after(life)), now);
    let key = key.unwrap();
    assert!(world.store.create_staff_key(key.key.clone()).await.unwrap());
    let me = &admin_routes().remove(0).route;
    assert_eq!(world.status(me, true, Some(&key.text)).await, StatusCode::OK);
    let stored = world.store.staff_key(key.key.id).await.unwrap().unwrap();
    assert!(stored.last_used_at.is_some_and(|at| at >= now));
    world.clock.advance(life);
    assert_eq!(world.status(me, true, Some(&key.text)).await, StatusCode::UNAUTHORIZED);
}
