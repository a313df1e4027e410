//! A small shop in memory, and the `Sql` port over it.

use std::cell::Cell;

use bytes::Bytes;
use domain::Timestamp;
use http::{Request, Response};
use ports::{Clock, Rows, SQL_ROWS_MAX, Sql, SqlError, SqlValue};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};

/// The read model in memory; counts statements and can be told to be away.
pub(crate) struct Shop {
    pub(crate) database: Connection,
    pub(crate) statements: Cell<u32>,
    pub(crate) error: Cell<Option<SqlError>>,
    pub(crate) now_ms: Cell<i64>,
}

impl Clock for Shop {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.now_ms.get())
    }
}

impl Sql for Shop {
    async fn query(&self, statement: &str, parameters: &[SqlValue]) -> Result<Rows, SqlError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.statements.set(self.statements.get() + 1);
        self.run(statement, parameters).map_err(|error| SqlError::Failed(error.to_string()))
    }
}

impl Shop {
    fn run(&self, text: &str, parameters: &[SqlValue]) -> rusqlite::Result<Rows> {
        let mut statement = self.database.prepare_cached(text)?;
        let width = statement.column_count();
        let mut found = statement.query(params_from_iter(parameters.iter().map(bound)))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let values = (0..width).map(|at| Ok(read(row.get_ref(at)?)));
            rows.push(values.collect::<rusqlite::Result<_>>()?);
            assert!(rows.len() <= SQL_ROWS_MAX);
        }
        Ok(Rows { rows })
    }

    /// Makes the empty tables, and a shop whose own currency is EUR.
    pub(crate) fn empty() -> Self {
        let database = Connection::open_in_memory().unwrap();
        for statement in api_types::read_model::DDL {
            database.execute_batch(statement).unwrap();
        }
        database.execute_batch("INSERT INTO settings VALUES ('default_currency', 'EUR')").unwrap();
        let now_ms = Cell::new(1_000);
        Self { database, statements: Cell::new(0), error: Cell::new(None), now_ms }
    }

    /// Adds a product with one variant per SKU, at these prices in EUR and JPY.
    pub(crate) fn add(&self, product: &Product<'_>) {
        let Product { id, handle, title, category, minor, created_at_ms, words, stock } = product;
        let sku = format!("SKU-{id}");
        self.execute(
            "INSERT INTO products VALUES (?1, ?2, ?3, ?4, ?5, 'A subtitle', 'Said of it.', ?6, '/m/a.jpg', 'A picture', \
             1, 0, ?7, '[\"new\"]', '[{\"url\":\"/m/a.jpg\",\"alt\":\"A picture\"}]', \
             '[{\"name\":\"Wood\",\"values\":[\"Oak\",\"Walnut\"]}]', \
             '{\"web_glb_url\":\"/m/a.glb\",\"dimensions_m\":[0.5,0.9,0.55],\"triangles\":1200,\"bytes\":40000}')",
            &[
                (*id).into(),
                (*handle).into(),
                sku.clone().into(),
                (*category).into(),
                (*title).into(),
                (*words).into(),
                (*created_at_ms).into(),
            ],
        );
        for (currency, price) in [("EUR", *minor), ("JPY", minor * 2)] {
            self.execute(
                "INSERT INTO product_prices VALUES (?1, ?2, ?3)",
                &[currency.into(), (*id).into(), price.into()],
            );
        }
        for (position, (name, url)) in [("-W", "/m/w"), ("", "/m/o")].into_iter().enumerate() {
            self.add_variant(*id, &format!("{sku}{name}"), position, url, *minor, stock);
        }
    }

    fn add_variant(&self, id: i64, sku: &str, position: usize, url: &str, minor: i64, stock: &str) {
        self.execute(
            "INSERT INTO variants VALUES (?1, ?2, ?3, 'Oak', '{\"Wood\":\"Oak\"}', '/m/v.jpg', 'In oak', 'oak', \
             '/m/a.glb', ?4 || '.glb', ?4 || '.usdz', '/m/v.jpg', 500, 900, 550)",
            &[sku.to_owned().into(), id.into(), i64::try_from(position).unwrap().into(), url.into()],
        );
        for (currency, price) in [("EUR", minor), ("JPY", minor * 2)] {
            self.execute(
                "INSERT INTO variant_prices VALUES (?1, ?2, ?3)",
                &[currency.into(), sku.to_owned().into(), price.into()],
            );
        }
        self.execute(
            "INSERT INTO stock (sku, product_id, state) VALUES (?1, ?2, ?3)",
            &[sku.to_owned().into(), id.into(), stock.into()],
        );
    }

    pub(crate) fn execute(&self, statement: &str, parameters: &[Text]) {
        let values = parameters.iter().map(|Text(value)| value.clone());
        self.database.execute(statement, params_from_iter(values)).unwrap();
    }

    /// Asks by `GET`, without a header.
    pub(crate) fn get(&self, path: &str) -> Response<Bytes> {
        self.ask(Request::get(path).body(Bytes::new()).unwrap())
    }

    pub(crate) fn ask(&self, request: Request<Bytes>) -> Response<Bytes> {
        futures::executor::block_on(catalog_core::handle(self, request))
    }

    /// Asks by `GET` and reads the body, which must be a 200.
    pub(crate) fn json(&self, path: &str) -> serde_json::Value {
        let response = self.get(path);
        let fault = response.extensions().get::<api_types::problem::Fault>();
        assert_eq!(response.status(), 200, "{path}: {fault:?}");
        serde_json::from_slice(response.body()).unwrap()
    }
}

/// A product of the small shop.
pub(crate) struct Product<'a> {
    pub(crate) id: i64,
    pub(crate) handle: &'a str,
    pub(crate) title: &'a str,
    pub(crate) category: &'a str,
    pub(crate) minor: i64,
    pub(crate) created_at_ms: i64,
    pub(crate) words: &'a str,
    pub(crate) stock: &'a str,
}

/// A bound value.
#[derive(Clone)]
pub(crate) struct Text(Value);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Value::Text(text.to_owned()))
    }
}
impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Value::Text(text))
    }
}
impl From<i64> for Text {
    fn from(number: i64) -> Self {
        Self(Value::Integer(number))
    }
}

fn bound(value: &SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(number) => Value::Integer(*number),
        SqlValue::Real(number) => Value::Real(*number),
        SqlValue::Text(text) => Value::Text(text.clone()),
        SqlValue::Blob(bytes) => Value::Blob(bytes.clone()),
    }
}

fn read(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(number) => SqlValue::Integer(number),
        ValueRef::Real(number) => SqlValue::Real(number),
        ValueRef::Text(bytes) => SqlValue::Text(String::from_utf8(bytes.to_vec()).unwrap()),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes.to_vec()),
    }
}
