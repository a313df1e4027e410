//! Spin's database file as `cargo xtask spin seed` leaves it, read with plain SQLite as Spin's own engine reads it, by the
//! code that runs in the components.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use domain::Timestamp;
use e2e::{Client, Role, Shop, eventually, terminate};
use futures::executor::block_on;
use http::Request;
use ports::{Clock, Rows, Sql, SqlError, SqlValue, VariableError, Variables};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};

use crate::guest::{cart_with, check_out, fresh_key, skus_in_stock, stock};

const SEED_LIMIT: Duration = Duration::from_secs(60);
const FOLLOW_LIMIT: Duration = Duration::from_secs(20);
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
     Version/17.5 Mobile/15E148 Safari/604.1";

/// A connection like the one that Spin keeps for as long as it runs, as the components' port.
struct Spin {
    database: Connection,
    statements: RefCell<BTreeSet<String>>,
    public_url: String,
}

impl Spin {
    fn open(state: &Path, public_url: &str) -> Self {
        let database = Connection::open(state.join("sqlite_db.db")).unwrap();
        Self { database, statements: RefCell::default(), public_url: public_url.to_owned() }
    }

    fn run(&self, text: &str, parameters: &[SqlValue]) -> rusqlite::Result<Rows> {
        let mut statement = self.database.prepare_cached(text)?;
        let width = statement.column_count();
        let mut found = statement.query(params_from_iter(parameters.iter().map(bound)))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let values = (0..width).map(|at| row.get_ref(at).map(read));
            rows.push(values.collect::<rusqlite::Result<_>>()?);
        }
        Ok(Rows { rows })
    }

    /// What the component behind `path` answers over this database.
    fn answer(&self, path: &str) -> serde_json::Value {
        let request = Request::get(path).header("user-agent", IPHONE).body(Bytes::new()).unwrap();
        let response = if path.starts_with("/v1/ar/") {
            block_on(ar_core::handle(self, request))
        } else {
            block_on(catalog_core::handle(self, request))
        };
        assert_eq!(response.status(), 200, "{path}");
        serde_json::from_slice(response.body()).unwrap()
    }
}

impl Sql for Spin {
    async fn query(&self, statement: &str, parameters: &[SqlValue]) -> Result<Rows, SqlError> {
        self.statements.borrow_mut().insert(statement.to_owned());
        self.run(statement, parameters).map_err(|error| SqlError::Failed(error.to_string()))
    }
}

impl Clock for Spin {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_unix_ms(since.as_millis().try_into().unwrap())
    }
}

impl Variables for Spin {
    async fn variable(&self, name: &str) -> Result<String, VariableError> {
        assert_eq!(name, "public_url");
        Ok(self.public_url.clone())
    }
}

fn bound(value: &SqlValue) -> Value {
    match value {
        SqlValue::Integer(number) => Value::Integer(*number),
        SqlValue::Real(number) => Value::Real(*number),
        SqlValue::Text(text) => Value::Text(text.clone()),
        SqlValue::Blob(bytes) => Value::Blob(bytes.clone()),
        SqlValue::Null => Value::Null,
    }
}

fn read(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(number) => SqlValue::Integer(number),
        ValueRef::Real(number) => SqlValue::Real(number),
        ValueRef::Text(text) => SqlValue::Text(String::from_utf8(text.to_vec()).unwrap()),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes.to_vec()),
    }
}

fn seed(origin: &str, state: &Path, more: &[&str]) -> Command {
    let xtask: PathBuf =
        std::env::var_os("VITRINE_XTASK").expect("run this through `cargo xtask test e2e`").into();
    let mut command = Command::new(xtask);
    command.args(["spin", "seed", "--no-build", "--origin", origin, "--state-dir"]).arg(state);
    command.args(more).stdin(Stdio::null());
    command
}

/// Runs a seeding to its end and returns what it said.
fn seeded(origin: &str, state: &Path, more: &[&str]) -> Result<String, String> {
    let output = seed(origin, state, more).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(said) } else { Err(said) }
}

/// Addresses that between them need every statement of the catalogue and of the AR routing.
fn addresses(edge: &Client) -> Vec<String> {
    let products = edge.get("/v1/products?limit=50").unwrap().expect_status(200).json();
    let first = &products["items"][0];
    let (handle, sku) = (first["handle"].as_str().unwrap(), first["sku"].as_str().unwrap());
    let category = first["category"].as_str().unwrap();
    let mut addresses = vec![
        "/v1/categories".to_owned(),
        format!("/v1/products/{handle}"),
        format!("/v1/products/{handle}?currency=JPY"),
        format!("/v1/ar/{sku}"),
        "/v1/search?q=chair".to_owned(),
        format!("/v1/search?q=oak&category={category}"),
        "/v1/products?available=true".to_owned(),
    ];
    for sort in ["newest", "price_asc", "price_desc", "title"] {
        addresses.push(format!("/v1/products?limit=5&sort={sort}"));
        addresses
            .push(format!("/v1/products?limit=5&sort={sort}&category={category}&currency=EUR"));
        addresses.push(format!("/v1/search?q=oak&sort={sort}"));
        addresses.push(format!("/v1/search?q=oak&sort={sort}&category={category}"));
    }
    addresses
}

/// Asserts that Spin's components would answer what our node answers.
fn check_equal(spin: &Spin, edge: &Client, addresses: &[String]) {
    for address in addresses {
        let headers = [("user-agent", IPHONE)];
        let answer = edge.send("GET", address, &headers, None).unwrap().expect_status(200);
        assert_eq!(spin.answer(address), answer.json(), "{address}");
    }
}

struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn spins_database_is_filled_once_followed_and_answers_as_our_node_does() {
    let shop = Shop::start().unwrap();
    let (edge, origin) = (shop.edge(), shop.url(Role::Origin));
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join(".spin");
    let said = seeded(&origin, &state, &[]).unwrap();
    assert!(said.contains("(a new copy)"), "{said}");
    let spin = Spin::open(&state, &shop.url(Role::Edge));
    let addresses = addresses(&edge);
    check_equal(&spin, &edge, &addresses);
    // Every list of `catalog_core::sql` in both forms, product, variants, categories, currency, and the AR row.
    assert!(spin.statements.borrow().len() >= 19, "{:#?}", spin.statements);
    let bytes = std::fs::read(state.join("sqlite_db.db")).unwrap();
    let said = seeded(&origin, &state, &[]).unwrap();
    assert!(said.contains("(unchanged)"), "{said}");
    assert_eq!(std::fs::read(state.join("sqlite_db.db")).unwrap(), bytes);

    let mut command = seed(&origin, &state, &["--follow"]);
    let mut following = Following(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(following.0.stderr.take().unwrap()).lines();
    lines
        .find(|line| line.as_ref().is_ok_and(|line| line.starts_with("following ")))
        .unwrap()
        .unwrap();
    let reading = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
    let sku = skus_in_stock(&edge).into_iter().find(|sku| (1..=9).contains(&stock(&edge, sku)));
    let sku = sku.expect("the demo shop has something that few are left of");
    let cart = cart_with(&edge, &sku, stock(&edge, &sku));
    assert!(matches!(check_out(&edge, &cart, &fresh_key(), "success").status, 200 | 201));
    eventually(FOLLOW_LIMIT, "Spin's database says that it is sold out", || {
        let state: String = spin
            .database
            .query_row("SELECT state FROM stock WHERE sku = ?", [&sku], |row| row.get(0))
            .unwrap();
        (state == "out_of_stock").then_some(())
    });
    eventually(FOLLOW_LIMIT, "our node says so too", || {
        let product = format!("/v1/ar/{sku}");
        (spin.answer(&product)
            == edge.send("GET", &product, &[("user-agent", IPHONE)], None).ok()?.json())
        .then_some(())
    });
    check_equal(&spin, &edge, &addresses);
    terminate(following.0.id());
    let ended = eventually(SEED_LIMIT, "following ends", || following.0.try_wait().unwrap());
    assert!(ended.success(), "{ended}: {:?}", reading.join().unwrap());
}

#[test]
fn a_seeding_that_cannot_be_says_why_and_loses_nothing() {
    let shop = Shop::start().unwrap();
    let origin = shop.url(Role::Origin);
    let folder = tempfile::tempdir().unwrap();
    let said = seeded("http://127.0.0.1:1", folder.path(), &[]).unwrap_err();
    assert!(said.contains("an origin must answer at http://127.0.0.1:1"), "{said}");
    let other = folder.path().join("other.secret");
    std::fs::write(&other, "another secret").unwrap();
    let secret = ["--secret-file", other.to_str().unwrap()];
    let said = seeded(&origin, folder.path(), &secret).unwrap_err();
    assert!(said.contains("the feed answered 401"), "{said}");
    let file = folder.path().join("sqlite_db.db");
    std::fs::write(&file, "holiday pictures").unwrap();
    let said = seeded(&origin, folder.path(), &[]).unwrap_err();
    assert!(said.contains("no sound database"), "{said}");
    let mut text = String::new();
    std::fs::File::open(&file).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "holiday pictures");
}
