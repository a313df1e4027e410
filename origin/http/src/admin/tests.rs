//! Every route of the staff, asked by everybody.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use app::{App, Clock, NewStaffKey, Parts as ShopParts, Settings};
use axum::body::Body;
use domain::staff::Role;
use http::{StatusCode, header};
use http_body_util::BodyExt;
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
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig::file(folder.path().join("origin.db"));
        let store = Arc::new(Store::open(&config, "first").await.unwrap());
        let clock = Clock::default();
        let deadline = Duration::from_secs(1);
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
        let context = Context::new(app, EdgeSecrets::new(SECRET.to_vec()), limits, None);
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
    let life = Duration::from_hours(1);
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

/// Fills a shop with a megabyte of products: more than an export keeps while nobody takes it.
async fn fill(world: &World) {
    let description = "x".repeat(10_000);
    let products: Vec<_> = (0..100)
        .map(|number| {
            serde_json::json!({"handle": format!("cup-{number}"), "title": "Cup", "subtitle": "",
                "description": description, "category": "table", "created_at": "2026-11-01T00:00:00Z",
                "variants": [{"sku": format!("CUP-{number}"), "title": "Plain", "stock": 1, "image_url": "",
                    "prices": [{"currency": "EUR", "minor": 1}]}]})
        })
        .collect();
    let file = serde_json::json!({"currencies": ["EUR"], "products": products,
        "categories": [{"handle": "table", "title": "Table", "description": "", "position": 1}]});
    let catalogue = app::parse_catalogue(file.to_string().as_bytes()).unwrap();
    world.store.upsert_catalogue(catalogue, world.clock.now()).await.unwrap();
}

/// Reads what is left of an export, a piece at each tick; returns how much it was and whether it broke off.
async fn take(response: Response, every: Duration) -> (usize, bool) {
    let (mut body, mut bytes) = (response.into_body(), 0);
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        match body.frame().await {
            Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, |piece| piece.len()),
            Some(Err(_broken)) => return (bytes, true),
            None => return (bytes, false),
        }
    }
}

async fn export(world: &World, bearer: &str) -> Response {
    let routes = admin_routes();
    let route = &routes.iter().find(|one| one.route.path.ends_with("/exports/products")).unwrap();
    world.ask(&route.route, true, Some(bearer)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_nobody_takes_keeps_little_gives_its_place_back_and_says_that_it_broke_off()
{
    let stall = Duration::from_millis(200);
    let limits = Limits { exports_max: 1, snapshot_stall_max: stall, ..Limits::default() };
    let world = World::with(limits).await;
    fill(&world).await;
    let owner = world.key(Role::Owner).await.text;
    let stalled = export(&world, &owner).await;
    assert_eq!(stalled.status(), StatusCode::OK);
    // There is one place: the next one comes to it when the first is given up, transaction and all.
    let next = export(&world, &owner).await;
    assert_eq!(next.status(), StatusCode::OK);
    let (all, is_broken) = take(next, Duration::from_millis(1)).await;
    assert!(all > 1_000_000 && !is_broken, "{all}");
    let (kept, is_broken) = take(stalled, Duration::from_millis(1)).await;
    assert!(is_broken && kept < all / 2, "{kept} of {all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_is_taken_too_slowly_ends_before_its_reader_does() {
    let limits = Limits { export_max: Duration::from_millis(300), ..Limits::default() };
    let world = World::with(limits).await;
    fill(&world).await;
    let owner = world.key(Role::Owner).await.text;
    let slow = export(&world, &owner).await;
    let (kept, is_broken) = take(slow, Duration::from_millis(100)).await;
    assert!(is_broken && kept < 1_000_000, "{kept}");
}
