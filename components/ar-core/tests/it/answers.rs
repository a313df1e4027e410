//! Whole answers of `GET /v1/ar/{sku}`.

use bytes::Bytes;
use http::{Request, Response, header};
use ports::{Rows, Sql, SqlError, SqlValue, VariableError, Variables};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};
use serde_json::json;

const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
     Version/17.5 Mobile/15E148 Safari/604.1";

struct Shop {
    database: Connection,
    is_ready: bool,
}

impl Sql for Shop {
    async fn query(&self, statement: &str, parameters: &[SqlValue]) -> Result<Rows, SqlError> {
        if !self.is_ready {
            return Err(SqlError::NotReady);
        }
        let mut statement = self.database.prepare(statement).unwrap();
        let width = statement.column_count();
        let bound = parameters.iter().map(|value| match value {
            SqlValue::Text(text) => Value::Text(text.clone()),
            _ => Value::Null,
        });
        let mut found = statement.query(params_from_iter(bound)).unwrap();
        let mut rows = Vec::new();
        while let Some(row) = found.next().unwrap() {
            rows.push((0..width).map(|at| read(row.get_ref(at).unwrap())).collect());
        }
        Ok(Rows { rows })
    }
}

fn read(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Integer(number) => SqlValue::Integer(number),
        ValueRef::Text(bytes) => SqlValue::Text(String::from_utf8(bytes.to_vec()).unwrap()),
        _ => SqlValue::Null,
    }
}

impl Variables for Shop {
    async fn variable(&self, name: &str) -> Result<String, VariableError> {
        assert_eq!(name, "public_url");
        Ok("https://shop.example/".to_owned())
    }
}

impl Shop {
    fn open() -> Self {
        let database = Connection::open_in_memory().unwrap();
        for statement in api_types::read_model::DDL {
            database.execute_batch(statement).unwrap();
        }
        database
            .execute_batch(
                "INSERT INTO settings VALUES ('default_currency', 'EUR');
                 INSERT INTO products VALUES (1, 'lyra-chair', 'LYRA-OAK', 'chairs', 'Lyra chair', 'Sit', 'Said.', '',
                   '/m/p.jpg', 'A chair', 1, 0, 0, '[]', '[]', '[]', NULL);
                 INSERT INTO variants VALUES ('LYRA-OAK', 1, 0, 'Oak', '{}', '/m/p.jpg', 'A chair', 'oak', '/m/w.glb',
                   '/m/o.glb', '/m/o.usdz', '/m/p.jpg', 550, 905, 600);
                 INSERT INTO variants VALUES ('LYRA-RAW', 1, 1, 'Raw', '{}', '/m/p.jpg', 'A chair', '', '', '', '', '',
                   0, 0, 0);
                 INSERT INTO variant_prices VALUES ('EUR', 'LYRA-OAK', 12900), ('JPY', 'LYRA-OAK', 21000);",
            )
            .unwrap();
        Self { database, is_ready: true }
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request.body(Bytes::new()).unwrap())
    }

    fn ask(&self, request: Request<Bytes>) -> Response<Bytes> {
        futures::executor::block_on(ar_core::handle(self, request))
    }
}

#[test]
fn gives_every_link_and_recommends_one() {
    let response = Shop::open().get("/v1/ar/LYRA-OAK", &[("user-agent", IPHONE)]);
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-ar-decision"], "viewer=quick_look;why=ios;tier=mid");
    assert_eq!(
        response.headers()[header::VARY],
        "User-Agent, Save-Data, ECT, Downlink, Device-Memory"
    );
    assert_eq!(response.headers()["accept-ch"], "Device-Memory, Downlink, ECT");
    assert_eq!(response.headers()["vitrine-cache"], "replica");
    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    let quick_look = "/m/o.usdz#allowsContentScaling=0\
        &canonicalWebPageURL=https%3A%2F%2Fshop.example%2Fp%2Flyra-chair%3Fvariant%3DLYRA-OAK\
        &callToAction=Add%20to%20cart&checkoutTitle=Lyra%20chair&checkoutSubtitle=Oak&price=%E2%82%AC129.00";
    let scene_viewer = "intent://arvr.google.com/scene-viewer/1.2?file=https%3A%2F%2Fshop.example%2Fm%2Fo.glb\
        &mode=ar_preferred&title=Lyra%20chair%20%E2%80%93%20Oak\
        &link=https%3A%2F%2Fshop.example%2Fp%2Flyra-chair%3Fvariant%3DLYRA-OAK&resizable=false\
        #Intent;scheme=https;package=com.google.android.googlequicksearchbox;action=android.intent.action.VIEW;\
        S.browser_fallback_url=https%3A%2F%2Fshop.example%2Fp%2Flyra-chair%3Fvariant%3DLYRA-OAK;end;";
    assert_eq!(
        body,
        json!({
            "sku": "LYRA-OAK",
            "recommended": {"viewer": "quick_look", "url": quick_look, "why": "ios"},
            "links": {"web_glb": "/m/w.glb", "plain_glb": "/m/o.glb", "scene_viewer": scene_viewer,
                "quick_look": quick_look, "usdz": "/m/o.usdz",
                "page": "https://shop.example/p/lyra-chair?variant=LYRA-OAK"},
            "dimensions_m": [0.55, 0.905, 0.6],
            "poster_url": "/m/p.jpg",
            "material_variant": "oak",
        })
    );
}

#[test]
fn takes_the_viewer_and_the_currency_that_are_asked_for() {
    let shop = Shop::open();
    let response = shop.get("/v1/ar/LYRA-OAK?viewer=scene_viewer&currency=JPY&utm_source=x", &[]);
    assert_eq!(response.headers()["x-ar-decision"], "viewer=scene_viewer;why=asked;tier=mid");
    let body = String::from_utf8_lossy(response.body()).into_owned();
    assert!(body.contains("price=%C2%A521%2C000"), "{body}");
}

#[test]
fn says_what_is_wrong() {
    let shop = Shop::open();
    for (path, status, code) in [
        ("/v1/ar/NO-SUCH", 404, "not-found"),
        ("/v1/ar/lyra-oak", 404, "not-found"),
        ("/v1/ar/", 404, "not-found"),
        ("/v1/ar/LYRA-OAK/more", 404, "not-found"),
        ("/v1/ar/LYRA-RAW", 404, "no-model"),
        ("/v1/ar/LYRA-OAK?viewer=hologram", 422, "invalid-input"),
        ("/v1/ar/LYRA-OAK?currency=eur", 422, "invalid-input"),
        ("/v1/ar/LYRA-OAK?currency=KWD", 422, "invalid-input"),
    ] {
        let response = shop.get(path, &[]);
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(body["type"], format!("https://vitrine.dev/problems/{code}"), "{path}");
    }
    let post = Request::post("/v1/ar/LYRA-OAK").body(Bytes::new()).unwrap();
    let response = shop.ask(post);
    assert_eq!(
        (response.status().as_u16(), &response.headers()[header::ALLOW]),
        (405, &"GET, HEAD".parse().unwrap())
    );
}

#[test]
fn asks_to_come_back_while_the_copy_is_on_its_way() {
    let shop = Shop { is_ready: false, ..Shop::open() };
    let response = shop.get("/v1/ar/LYRA-OAK", &[]);
    assert_eq!(
        (response.status().as_u16(), &response.headers()[header::RETRY_AFTER]),
        (503, &"1".parse().unwrap())
    );
}

#[test]
fn may_be_asked_for_again() {
    let shop = Shop::open();
    let first = shop.get("/v1/ar/LYRA-OAK", &[]);
    let etag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
    let second = shop.get("/v1/ar/LYRA-OAK", &[("if-none-match", &etag)]);
    assert_eq!((second.status().as_u16(), second.body().len()), (304, 0));
    assert!(
        second.headers().contains_key("x-ar-decision")
            && second.headers().contains_key(header::VARY)
    );
    let third = shop.get("/v1/ar/LYRA-OAK", &[("if-none-match", &etag), ("user-agent", IPHONE)]);
    assert_eq!(third.status(), 200);
}

#[test]
fn reads_the_model_by_key() {
    let shop = Shop::open();
    let explain = format!("EXPLAIN QUERY PLAN {}", ar_core::sql::MODEL);
    let mut statement = shop.database.prepare(&explain).unwrap();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().unwrap() {
        let line: String = row.get(3).unwrap();
        assert!(!line.contains("SCAN"), "{line}");
    }
}
