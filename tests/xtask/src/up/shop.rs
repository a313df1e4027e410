//! The processes of a shop: what each is called, how it is started, when it is ready.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::data::DataDir;
use super::health;
use super::ports::Ports;
use super::supervisor::{Spec, Supervisor};
use crate::Context;

/// Rate limits of a shop started here, as a multiple of the table's, for everybody on this machine shares one address
/// and some of them are load tests: `--variable rate_limit_scale=1` is the table.
pub(crate) const RATE_LIMIT_SCALE: u32 = 10;

const START_LIMIT: Duration = Duration::from_secs(30);
/// The node compiles its components at the first start; unoptimised, that takes a while.
const NODE_START_LIMIT: Duration = Duration::from_secs(180);
const REPLICA_LIMIT: Duration = Duration::from_secs(60);
/// Where the payment provider tells the origin how a payment went.
const WEBHOOK_PATH: &str = "/internal/payments/webhook";

/// Everything that the command lines need.
#[derive(Debug)]
pub(crate) struct Shop {
    root: PathBuf,
    programs: PathBuf,
    media: PathBuf,
    data: PathBuf,
    edge_secret: PathBuf,
    payments_secret: PathBuf,
    ports: Ports,
    /// Where the shop is kept, unless in a file below its own folder.
    database: Option<DatabaseUrls>,
    /// Whether the stand-in for Stripe takes the money, and not the local provider.
    has_stripe: bool,
}

/// The cluster as origins are told of it.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseUrls {
    /// Names all servers; the one that takes writes is used.
    pub(crate) primary: String,
    /// Names them with the standbys first, for reads whose answer may be old.
    pub(crate) standby: String,
}

impl DatabaseUrls {
    /// What origins read them from. Not from their command lines, which are everybody's to read.
    fn env(&self) -> [(String, String); 2] {
        [
            ("DATABASE_URL".to_owned(), self.primary.clone()),
            ("DATABASE_STANDBY_URL".to_owned(), self.standby.clone()),
        ]
    }
}

/// What stands between shopper and origin: our node, or the Worker.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) spec: Spec,
    /// How long its first start may take.
    pub(crate) start_limit: Duration,
}

impl Shop {
    pub(crate) fn new(
        context: &Context,
        data: &DataDir,
        ports: Ports,
        release: bool,
    ) -> Result<Self> {
        let workspace = &context.workspace;
        let shop = Self {
            root: workspace.root().to_path_buf(),
            programs: workspace.programs(release),
            media: workspace.demo_shop().join("media"),
            data: data.path().to_path_buf(),
            edge_secret: data.secret("edge")?,
            payments_secret: data.secret("payments")?,
            ports,
            database: None,
            has_stripe: false,
        };
        require(&shop.origin_program())?;
        Ok(shop)
    }

    /// Keeps the shop in a cluster.
    pub(crate) fn set_database(&mut self, urls: DatabaseUrls) {
        self.database = Some(urls);
    }

    /// Lets the stand-in for Stripe take the money.
    pub(crate) fn set_stripe(&mut self) -> Result<()> {
        require(&self.programs.join("fake-stripe"))?;
        self.has_stripe = true;
        Ok(())
    }

    pub(crate) fn url(&self) -> String {
        url(self.ports.edge)
    }

    pub(crate) fn origin_url(&self) -> String {
        url(self.ports.origin)
    }

    /// What a person may want to open, with its name.
    pub(crate) fn addresses(&self) -> Vec<(&'static str, String)> {
        let mut addresses = vec![
            ("shop", self.url()),
            ("API description", format!("{}/openapi.json", self.url())),
            ("origin", self.origin_url()),
        ];
        addresses.extend(
            self.origin_ports().into_iter().skip(1).map(|(_, port)| ("second origin", url(port))),
        );
        addresses.extend(self.database.iter().map(|urls| ("database", urls.primary.clone())));
        addresses.extend([
            ("payments", url(self.ports.payments)),
            ("logs", self.data.join("logs").display().to_string()),
        ]);
        addresses
    }

    /// The origins, the one that is asked first at the head.
    fn origin_ports(&self) -> Vec<(&'static str, u16)> {
        match self.ports.cluster {
            None => vec![("origin", self.ports.origin)],
            Some(cluster) => {
                vec![("origin-one", self.ports.origin), ("origin-two", cluster.second_origin)]
            }
        }
    }

    fn origin_program(&self) -> PathBuf {
        self.programs.join("vitrine-origin")
    }

    /// The command that puts a catalogue into the shop.
    pub(crate) fn seed(&self, catalogue: &Path) -> Result<Command> {
        let mut command = Command::new(self.origin_program());
        command.arg("seed").arg("--catalogue").arg(catalogue);
        match &self.database {
            Some(urls) => {
                command.envs(urls.env());
            }
            None => {
                command.arg("--data").arg(self.folder("origin")?);
                command.env_remove("DATABASE_URL").env_remove("DATABASE_STANDBY_URL");
            }
        }
        Ok(command)
    }

    /// The secret that the origin knows the edge by.
    pub(crate) fn edge_secret(&self) -> Result<String> {
        let secret = fs::read_to_string(&self.edge_secret).context("read the edge's secret")?;
        Ok(secret.trim().to_owned())
    }

    /// Starts all in the order of who needs whom, and waits until a shopper would see products.
    pub(crate) fn start(
        &self,
        supervisor: &mut Supervisor<'_>,
        edge: Edge,
        expect_products: bool,
    ) -> Result<()> {
        let ports = self.ports;
        supervisor.start(self.payments()?, START_LIMIT, || is_healthy(ports.payments))?;
        for (role, port) in self.origin_ports() {
            supervisor.start(self.origin(role, port)?, START_LIMIT, || is_healthy(port))?;
        }
        supervisor.start(edge.spec, edge.start_limit, || is_healthy(ports.edge))?;
        supervisor.wait_until("copy the catalogue to the edge", REPLICA_LIMIT, || {
            has_catalogue(ports.edge, expect_products)
        })
    }

    fn payments(&self) -> Result<Spec> {
        let data = self.folder("payments")?;
        if self.has_stripe {
            let mut args = words(["--listen", &address(self.ports.payments), "--data", &data]);
            for (_, port) in self.origin_ports() {
                args.extend(words(["--webhook-host", &address(port)]));
            }
            let program = self.programs.join("fake-stripe");
            return Ok(self.spec("payments", self.ports.payments, program, args));
        }
        let mut args = words([
            "payments",
            "--listen",
            &address(self.ports.payments),
            "--data",
            &data,
            "--secret-file",
            &self.payments_secret.display().to_string(),
        ]);
        for (_, port) in self.origin_ports() {
            args.extend(words(["--webhook-url", &format!("{}{WEBHOOK_PATH}", url(port))]));
        }
        Ok(self.spec("payments", self.ports.payments, self.origin_program(), args))
    }

    fn origin(&self, role: &'static str, port: u16) -> Result<Spec> {
        let mut args = words([
            "serve",
            "--listen",
            &address(port),
            "--edge-secret-file",
            &self.edge_secret.display().to_string(),
            // Listening on loopback, it may believe a `spin up` beside this shop, too.
            "--allow-development-secret",
            "--media-dir",
            &self.media.display().to_string(),
            "--return-url",
            &format!("{}/orders/{{order_id}}", self.url()),
        ]);
        args.extend(self.provider()?);
        if self.database.is_none() {
            args.extend(words(["--data", &self.folder("origin")?]));
        }
        let mut spec = self.spec(role, port, self.origin_program(), args);
        spec.env.extend(self.database.iter().flat_map(DatabaseUrls::env));
        Ok(spec)
    }

    /// Who moves the money, as origins are told. The stand-in has written its keys when it has started.
    fn provider(&self) -> Result<Vec<String>> {
        let payments = url(self.ports.payments);
        if !self.has_stripe {
            let secret = self.payments_secret.display().to_string();
            return Ok(words(["--payments-url", &payments, "--payments-secret-file", &secret]));
        }
        let folder = self.data.join("payments");
        let file = |name: &str| folder.join(name).display().to_string();
        let publishable = fs::read_to_string(folder.join("publishable-key"))
            .context("read the publishable key of the stand-in for Stripe")?;
        Ok(words([
            "--stripe-url",
            &payments,
            "--stripe-key-file",
            &file("key"),
            "--stripe-webhook-secret-file",
            &file("webhook-secret"),
            "--stripe-publishable-key",
            &publishable,
            "--stripe-js-url",
            &self.script_url(),
        ]))
    }

    /// Where the stand-in's Stripe.js is.
    fn script_url(&self) -> String {
        format!("{}/stripe.js", url(self.ports.payments))
    }

    /// Our node as the edge, with these variables of `spin.toml`.
    pub(crate) fn node(&self, variables: &[String]) -> Result<Edge> {
        let program = self.programs.join("vitrine-edge");
        require(&program)?;
        let data = self.folder("edge")?;
        let mut args = words([
            "up",
            "--from",
            &self.root.join("spin.toml").display().to_string(),
            "--listen",
            &address(self.ports.edge),
            "--state-dir",
            &data,
            "--variable",
            &format!("origin_url={}", self.origin_url()),
            "--variable",
            &format!("public_url={}", self.url()),
            "--variable",
            &format!("rate_limit_scale={RATE_LIMIT_SCALE}"),
        ]);
        if let Some(cluster) = self.ports.cluster {
            let second = format!("origin_url_secondary={}", url(cluster.second_origin));
            args.extend(words(["--variable", &second, "--variable", "origin_balance=share"]));
        }
        if self.has_stripe {
            let script = format!("stripe_js_url={}", self.script_url());
            args.extend(words(["--variable", &script]));
        }
        for variable in variables {
            args.extend(words(["--variable", variable]));
        }
        let mut spec = self.spec("edge", self.ports.edge, program, args);
        // A secret in a command line would be everybody's to read.
        spec.env.push(("SPIN_VARIABLE_EDGE_SECRET".to_owned(), self.edge_secret()?));
        Ok(Edge { spec, start_limit: NODE_START_LIMIT })
    }

    fn folder(&self, role: &str) -> Result<String> {
        let folder = self.data.join(role);
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        Ok(folder.display().to_string())
    }

    fn spec(&self, role: &'static str, port: u16, program: PathBuf, args: Vec<String>) -> Spec {
        let (env, folder) = (Vec::new(), self.root.clone());
        Spec { role, url: url(port), program, args, env, folder, mend: None }
    }
}

fn require(program: &Path) -> Result<()> {
    if !program.is_file() {
        bail!("{} is missing: run `cargo xtask build`", program.display());
    }
    Ok(())
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn url(port: u16) -> String {
    format!("http://{}", address(port))
}

fn is_healthy(port: u16) -> bool {
    health::get(port, "/healthz").is_some_and(|(status, _)| status == 200)
}

/// Whether a shopper would see the catalogue: through routing, gateway, component and replica.
fn has_catalogue(port: u16, expect_products: bool) -> bool {
    health::get(port, "/v1/products?limit=1").is_some_and(|(status, body)| {
        status == 200 && (!expect_products || body.contains("\"sku\""))
    })
}
