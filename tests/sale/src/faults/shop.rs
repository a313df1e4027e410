//! A shop of real processes: a database, one or two origins, the local payment provider.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use pgcluster::{Cluster, Patroni};
use rusqlite::OpenFlags;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};
use store::{ConnectionUrl, StockSums, Store, StoreConfig};

use super::client::EDGE_SECRET;
use super::process::{Process, Recipe};

/// Names the program `vitrine-origin`, where it is not beside this one.
const PROGRAM: &str = "VITRINE_ORIGIN_BIN";
const PAYMENTS_SECRET: &str = "fedcba9876543210fedcba9876543210";
const DATABASE: &str = "shop";
/// Pieces of the SKU that is always there.
const PLENTY: u32 = 1_000_000;
/// Pieces of the SKU that sells out.
const FEW: u32 = 150;
/// Pieces of all SKUs together.
pub(crate) const PIECES: i64 = 1_000_150;

/// Where the shop's truth lies.
#[derive(Debug)]
pub(crate) enum Database {
    /// A primary and two standbys.
    Cluster(Box<Cluster>),
    /// The same, looked after by Patroni.
    Patroni(Box<Patroni>),
    /// One file.
    File(PathBuf),
}

/// All of it. Fields are dropped in this order: who asks before who is asked.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) origins: Vec<Process>,
    /// Never asked from here, but ended with the shop.
    _payments: Process,
    pub(crate) database: Database,
    folder: PathBuf,
}

/// A row as text.
pub(crate) type Row = Vec<String>;

impl Shop {
    /// Starts a shop in a folder, over a cluster that runs or over a file.
    pub(crate) fn start(folder: &Path, database: Database) -> Result<Self> {
        let maker = Maker::new(folder, &database)?;
        maker.recipe("seed", &["--catalogue", &maker.path("catalogue.json")], true)?.run()?;
        let count = if matches!(database, Database::File(_)) { 1 } else { 2 };
        let ports: Vec<u16> = (0..count).map(|_| free_port()).collect::<Result<_>>()?;
        let payments = maker.payments(&ports)?;
        let origins = ports
            .iter()
            .map(|port| maker.origin(*port, &payments.url))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { origins, _payments: payments, database, folder: folder.to_owned() })
    }

    /// Returns where the origins are.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.origins.iter().map(|origin| origin.url.clone()).collect()
    }

    /// Returns the cluster.
    pub(crate) fn cluster(&mut self) -> Result<&mut Cluster> {
        match &mut self.database {
            Database::Cluster(cluster) => Ok(cluster),
            Database::Patroni(_) | Database::File(_) => {
                bail!("nobody promotes by hand where this shop is kept")
            }
        }
    }

    /// Returns the cluster that Patroni looks after.
    pub(crate) fn patroni(&mut self) -> Result<&mut Patroni> {
        match &mut self.database {
            Database::Patroni(cluster) => Ok(cluster),
            Database::Cluster(_) | Database::File(_) => bail!("Patroni does not keep this shop"),
        }
    }

    /// Asks the shop's database, beside the shop. Tables need no schema; bytes come as `\x…`.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<Row>> {
        match &self.database {
            Database::Cluster(cluster) => {
                postgres_rows(&cluster.primary().url(DATABASE), sql).await
            }
            Database::Patroni(cluster) => {
                let url = format!("{}?target_session_attrs=read-write", cluster.url(DATABASE));
                postgres_rows(&url, sql).await
            }
            Database::File(file) => sqlite_rows(file, sql),
        }
    }

    /// Asks the payment provider's database.
    pub(crate) fn provider_rows(&self, sql: &str) -> Result<Vec<Row>> {
        sqlite_rows(&self.folder.join("payments.d").join("payments.db"), sql)
    }

    /// Adds up stock and ledger through the store. The file's one writer must have ended.
    pub(crate) async fn sums(&self) -> Result<StockSums> {
        let config = match &self.database {
            Database::Cluster(cluster) => {
                StoreConfig::cluster(ConnectionUrl::new(cluster.primary().url(DATABASE)))
            }
            Database::Patroni(cluster) => {
                StoreConfig::cluster(ConnectionUrl::new(cluster.url(DATABASE)))
            }
            Database::File(file) => StoreConfig::file(file.clone()),
        };
        let store = Store::open(&config, "unused").await.context("open the shop's store")?;
        store.sums().await.context("add up")
    }
}

/// Knows how the processes are started.
struct Maker<'a> {
    folder: &'a Path,
    program: PathBuf,
    url: Option<String>,
    data: Option<String>,
}

impl<'a> Maker<'a> {
    fn new(folder: &'a Path, database: &Database) -> Result<Self> {
        let (url, data) = match database {
            Database::Cluster(cluster) => {
                cluster.primary().ask(&format!("CREATE DATABASE {DATABASE}"))?;
                (Some(cluster.url(DATABASE)), None)
            }
            Database::Patroni(cluster) => {
                let primary = cluster.server(cluster.primary(&[])?)?;
                primary.ask(&format!("CREATE DATABASE {DATABASE}"))?;
                (Some(cluster.url(DATABASE)), None)
            }
            Database::File(file) => {
                let data = file.parent().context("find the folder of the file")?;
                (None, Some(data.display().to_string()))
            }
        };
        let maker = Self { folder, program: program()?, url, data };
        std::fs::write(maker.path("edge"), EDGE_SECRET).context("write a secret")?;
        std::fs::write(maker.path("payments"), PAYMENTS_SECRET).context("write a secret")?;
        std::fs::write(maker.path("catalogue.json"), catalogue().to_string())
            .context("write the catalogue")?;
        Ok(maker)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn recipe(&self, role: &str, options: &[&str], with_database: bool) -> Result<Recipe> {
        let mut arguments: Vec<String> = vec![role.to_owned()];
        arguments.extend(options.iter().map(|word| (*word).to_owned()));
        if with_database && let Some(data) = &self.data {
            arguments.extend(["--data".to_owned(), data.clone()]);
        }
        let database = if with_database { self.url.clone() } else { None };
        let log = self.folder.join(format!("{role}.log"));
        Ok(Recipe { program: self.program.clone(), arguments, database, log })
    }

    fn payments(&self, ports: &[u16]) -> Result<Process> {
        let (data, secret) = (self.path("payments.d"), self.path("payments"));
        let hooks: Vec<String> = ports
            .iter()
            .map(|port| format!("http://127.0.0.1:{port}/internal/payments/webhook"))
            .collect();
        let mut options = vec!["--listen", "127.0.0.1:0", "--late-ms", "300", "--data", &data];
        options.extend(["--secret-file", &secret]);
        options.extend(hooks.iter().flat_map(|hook| ["--webhook-url", hook]));
        Process::start(self.recipe("payments", &options, false)?)
    }

    fn origin(&self, port: u16, payments: &str) -> Result<Process> {
        let listen = format!("127.0.0.1:{port}");
        let (edge, secret) = (self.path("edge"), self.path("payments"));
        let options = [
            ["--listen", &listen],
            ["--edge-secret-file", &edge],
            ["--payments-url", payments],
            ["--payments-secret-file", &secret],
            ["--payments-timeout-ms", "1500"],
        ];
        Process::start(self.recipe("serve", options.as_flattened(), true)?)
    }
}

/// Finds `vitrine-origin`: where the environment says, else beside this program.
fn program() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(PROGRAM) {
        return Ok(named.into());
    }
    let own = std::env::current_exe().context("find this program")?;
    let beside = own.with_file_name("vitrine-origin");
    if !beside.is_file() {
        bail!("{} is not there: build it, or name it in {PROGRAM}", beside.display());
    }
    Ok(beside)
}

async fn postgres_rows(url: &str, sql: &str) -> Result<Vec<Row>> {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.context("connect")?;
    let driver = tokio::spawn(connection);
    let sql = format!("SET search_path TO orders, payments, inventory, public; {sql}");
    let messages = client.simple_query(&sql).await.with_context(|| format!("ask {sql}"));
    driver.abort();
    let mut rows = Vec::new();
    for message in messages? {
        if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
            let text = |column| row.get(column).unwrap_or_default().to_owned();
            rows.push((0..row.len()).map(text).collect());
        }
    }
    Ok(rows)
}

fn sqlite_rows(file: &Path, sql: &str) -> Result<Vec<Row>> {
    let connection = rusqlite::Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .with_context(|| format!("open {}", file.display()))?;
    let mut statement = connection.prepare(sql).with_context(|| format!("ask {sql}"))?;
    let columns = statement.column_count();
    let mut found = statement.query([]).context("ask")?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().context("read a row")? {
        let texts: Result<Row> = (0..columns)
            .map(|column| Ok(text(row.get_ref(column).context("read a column")?)))
            .collect();
        rows.push(texts?);
    }
    Ok(rows)
}

/// Writes a value as PostgreSQL does.
fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\x{hex}")
        }
    }
}

/// Takes a free port on loopback.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}

fn catalogue() -> Value {
    let variant = |sku: &str, title: &str, stock: u32| {
        json!({"sku": sku, "title": title, "options": {"Colour": title}, "stock": stock,
            "prices": [{"currency": "EUR", "minor": 1900}],
            "image_url": "/m/cup.webp", "image_alt": "A cup",
            "ar": {"material_variant": title, "web_glb_url": "/m/a.glb", "plain_glb_url": "/m/b.glb",
                "usdz_url": "/m/c.usdz", "poster_url": "/m/d.webp", "dimensions_mm": [80, 95, 80],
                "triangles": 1000, "bytes_glb": 1, "bytes_usdz": 1}})
    };
    json!({
        "currencies": ["EUR"],
        "hero_image_url": "/m/hero.webp",
        "categories": [{"handle": "table", "title": "Table", "description": "For the table.", "position": 1,
            "image_url": "/m/table.webp"}],
        "products": [{"handle": "cup", "title": "Cup", "subtitle": "Holds tea", "description": "A cup.",
            "category": "table", "tags": ["tea"], "featured": true, "created_at": "2026-11-01T00:00:00Z",
            "options": [{"name": "Colour", "values": ["Red", "Blue"]}],
            "images": [{"url": "/m/cup.webp", "alt": "A cup"}],
            "model": {"web_glb_url": "/m/a.glb", "triangles": 1000, "bytes": 5000, "dimensions_mm": [80, 95, 80]},
            "variants": [variant("CUP-RED", "Red", PLENTY), variant("CUP-BLUE", "Blue", FEW)]}]
    })
}
