//! The command line. These comments are its help.

use std::net::SocketAddr;
use std::path::PathBuf;

use api_types::payment::{STRIPE_JS_URL, StripeJs};
use clap::{Args, Parser, Subcommand, ValueEnum};
use providers::local::switches::Switches;
use providers::stripe::BASE_DEFAULT;

/// The origin of a Vitrine shop.
#[derive(Debug, Parser)]
#[command(name = "vitrine-origin", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves the shop: accounts, carts, checkout, orders, and the feed to the edges.
    Serve(Box<Serve>),
    /// Writes a catalogue into the shop. Stock of SKUs that exist is left alone.
    Seed(Seed),
    /// Runs the local payment provider: a process of its own with records of its own.
    Payments(Payments),
    /// Breaks the feed's history after a restore from a backup: every edge starts again from a snapshot.
    NewEpoch(NewEpoch),
    /// Sets a flag that the edges look at, such as `waiting-room`; an empty value switches it off.
    Flag(Flag),
    /// Moves a shop.
    Migrate(Migrate),
    /// Says how a cluster numbers its orders. A file numbers without gaps, always.
    Numbers(Numbers),
    /// Gives and takes roles of the staff, and makes and revokes keys for programs.
    Admin(Admin),
    /// Looks after the stock.
    Stock(Stock),
}

/// Which database holds the shop: the cluster that `DATABASE_URL` names, else the file in the folder `--data`.
#[derive(Debug, Args)]
pub(crate) struct Database {
    /// Folder of the database `origin.db`, made when absent; for one origin on one machine.
    #[arg(long, required_unless_present = "database_url")]
    pub(crate) data: Option<PathBuf>,
    /// Connection URL of a PostgreSQL cluster, for any number of origins; it may name several hosts. Better given as
    /// the environment variable: arguments are seen by everybody on the machine.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<Secret>,
    /// The same for reads whose answer may be some seconds old. By default they go to the primary too.
    #[arg(long, env = "DATABASE_STANDBY_URL", hide_env_values = true, requires = "database_url")]
    pub(crate) database_standby_url: Option<Secret>,
    /// Connections that this process keeps to each of the two.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) database_connections_max: u16,
}

/// A value that is not printed.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8081")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) database: Database,
    /// File with the secret that the edges sign with.
    #[arg(long)]
    pub(crate) edge_secret_file: PathBuf,
    /// Also believes edges that sign with the secret `development`, the default of `spin.toml`. Everybody knows it, so
    /// the address must be a loopback one, and nothing may forward to it from elsewhere.
    #[arg(long)]
    pub(crate) allow_development_secret: bool,
    /// Where the local payment provider is. Either it or Stripe moves the money.
    #[arg(long, required_unless_present = "stripe_key_file", requires = "payments_secret_file")]
    pub(crate) payments_url: Option<String>,
    /// File with the secret shared with the local payment provider.
    #[arg(long)]
    pub(crate) payments_secret_file: Option<PathBuf>,
    /// File with Stripe's secret key: Stripe moves the money.
    #[arg(long, conflicts_with = "payments_url", requires = "stripe_webhook_secret_file")]
    pub(crate) stripe_key_file: Option<PathBuf>,
    /// File with the signing secret of Stripe's webhooks; give it twice while one is being changed.
    #[arg(long, requires = "stripe_key_file")]
    pub(crate) stripe_webhook_secret_file: Vec<PathBuf>,
    /// Where Stripe is, for a stand-in. Plain HTTP only on this machine.
    #[arg(long, default_value = BASE_DEFAULT)]
    pub(crate) stripe_url: String,
    /// Stripe's publishable key, `pk_live_…` or `pk_test_…`: the storefront then shows Stripe's own field. It is no
    /// secret. Banks must have a page to send payers back to.
    #[arg(long, requires = "stripe_key_file", requires = "return_url")]
    pub(crate) stripe_publishable_key: Option<String>,
    /// Where the script of Stripe's field is: at Stripe, or for tests a stand-in's at `http://127.0.0.1:PORT/`. Edges
    /// must allow it, see the variable `stripe_js_url` of `spin.toml`.
    #[arg(long, default_value = STRIPE_JS_URL, value_parser = stripe_js_url, requires = "stripe_publishable_key")]
    pub(crate) stripe_js_url: String,
    /// Folder of models and pictures, for edges that keep none of their own. Uploads come with the media pipeline.
    #[arg(long)]
    pub(crate) media_dir: Option<PathBuf>,
    /// Lets merchants' webhooks lead to this machine, and without TLS. For development alone: whoever may make a webhook
    /// may then make the shop ask its own machine.
    #[arg(long)]
    pub(crate) allow_local_webhooks: bool,
    /// Who sells, as invoices print it; give it once for each line: name, street, town, tax number.
    #[arg(long)]
    pub(crate) seller: Vec<String>,
    /// Font file for letters that invoices cannot be printed with otherwise, such as Chinese ones: TrueType or OpenType. Of
    /// a collection `FILE#N` is one, counted from 0. Give it again for further ones: a letter comes from the first that has
    /// it. In the environment, colons stand between them.
    #[arg(long, value_name = "FILE", env = "DOCUMENT_FONTS", value_delimiter = ':')]
    pub(crate) document_font: Vec<PathBuf>,
    /// How long a checkout holds its stock, in seconds.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) hold_seconds: u64,
    /// When money is taken: at the checkout, or held until the staff takes it.
    #[arg(long, value_enum, default_value_t = Capture::Automatic)]
    pub(crate) capture: Capture,
    /// Days until money that was held and not taken is let go. Banks let it go by themselves after about seven.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=30))]
    pub(crate) hold_kept_days: u32,
    /// Where payers come back to from a page of the provider or the bank, for instance
    /// `https://shop.example/orders/{order_id}`. Without it, methods that lead away are not offered.
    #[arg(long, value_parser = return_url)]
    pub(crate) return_url: Option<String>,
    /// Longest call to the payment provider, in milliseconds.
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(50..=8_000))]
    pub(crate) payments_timeout_ms: u64,
}

/// When money is taken.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Capture {
    /// At the checkout.
    Automatic,
    /// Held at the checkout, and taken by the staff.
    Manual,
}

#[derive(Debug, Args)]
pub(crate) struct Seed {
    #[command(flatten)]
    pub(crate) database: Database,
    /// The catalogue, as JSON.
    #[arg(long)]
    pub(crate) catalogue: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Payments {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8082")]
    pub(crate) listen: SocketAddr,
    /// Folder of the database `payments.db`; made when absent.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// File with the secret shared with the shop.
    #[arg(long)]
    pub(crate) secret_file: PathBuf,
    /// Where webhooks go. Given several times, as for several origins, each attempt goes to the next one.
    #[arg(long = "webhook-url", value_name = "URL", required = true)]
    pub(crate) webhook_urls: Vec<String>,
    /// How long a `late` payment takes, in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) late_ms: u64,
    /// How long an authorization lives before it is let go, in seconds; 7 days unless said otherwise.
    #[arg(long, default_value_t = 604_800, value_parser = clap::value_parser!(u64).range(1..=2_592_000))]
    pub(crate) authorization_seconds: u64,
    /// Where the payer's browser reaches the provider's page; the address it listens on unless said otherwise.
    #[arg(long)]
    pub(crate) public_url: Option<String>,
    /// What goes wrong from the start, as JSON, for instance `{"decline_percent":5,"force_3ds":true}`. Later it is set
    /// with `PUT /admin/switches` and the shared secret as bearer.
    #[arg(long, default_value = "{}", value_parser = switches)]
    pub(crate) switches: Switches,
}

#[derive(Debug, Args)]
pub(crate) struct NewEpoch {
    #[command(flatten)]
    pub(crate) database: Database,
}

#[derive(Debug, Args)]
pub(crate) struct Flag {
    #[command(flatten)]
    pub(crate) database: Database,
    /// Name of the flag, without `flag/`.
    pub(crate) name: String,
    /// Its value, for instance JSON; empty switches it off.
    pub(crate) value: String,
}

/// Checks a place to come back to: over TLS unless it is on this machine, and it names the order.
fn return_url(text: &str) -> Result<String, String> {
    let uri: http::Uri = text
        .replace(app::ORDER_IN_URL, "o")
        .parse()
        .map_err(|error: http::uri::InvalidUri| error.to_string())?;
    let is_here = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let is_secure = uri.scheme_str() == Some("https") && uri.host().is_some();
    let is_plain_here = is_here && uri.scheme_str() == Some("http");
    if !is_secure && !is_plain_here {
        return Err("it must begin with https://".to_owned());
    }
    if !text.contains(app::ORDER_IN_URL) {
        return Err(format!("it must have {} in it", app::ORDER_IN_URL));
    }
    Ok(text.to_owned())
}

/// Checks where Stripe's script is.
fn stripe_js_url(text: &str) -> Result<String, String> {
    match StripeJs::parse(text) {
        Ok(StripeJs::Off) => Err("it is empty".to_owned()),
        Ok(StripeJs::Official | StripeJs::Here(_)) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(subcommand)]
    pub(crate) command: MigrateCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MigrateCommand {
    /// Copies a shop from a file into an empty PostgreSQL cluster. Stop the origins first.
    Copy(Copy),
}

#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// The file, for instance `DATA/origin.db`. It is left as it is.
    #[arg(long)]
    pub(crate) from: PathBuf,
    /// Connection URL of the cluster. Better given as the environment variable.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) to: Secret,
}

#[derive(Debug, Args)]
pub(crate) struct Numbers {
    #[command(flatten)]
    pub(crate) database: Database,
    /// Without gaps, in the order of commits. All checkouts of the shop then queue at one row.
    #[arg(long, conflicts_with = "blocks", required_unless_present = "blocks")]
    pub(crate) gapless: bool,
    /// From a sequence, of which each connection draws so many ahead. What is drawn and not used is a gap.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) blocks: Option<u16>,
}

fn switches(text: &str) -> Result<Switches, String> {
    let switches: Switches = serde_json::from_str(text).map_err(|error| error.to_string())?;
    switches.checked().map_err(|error| error.to_string())
}

#[derive(Debug, Args)]
pub(crate) struct Stock {
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(subcommand)]
    pub(crate) command: StockCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StockCommand {
    /// Replays every movement there ever was, at every location, and compares the outcome with the counters. Fails where
    /// they differ. The shop may go on meanwhile.
    Prove,
}

#[derive(Debug, Args)]
pub(crate) struct Admin {
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(subcommand)]
    pub(crate) command: AdminCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Keys for programs, shown as `Authorization: Bearer vk_…`.
    Key {
        #[command(subcommand)]
        command: AdminKey,
    },
    /// Gives a role to the account of an address.
    Grant(Member),
    /// Takes a role from the account of an address, or all of them.
    Revoke(Member),
    /// Lists the accounts with roles.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminKey {
    /// Makes a key and prints it, once: nobody can tell it again.
    Create(CreateKey),
    /// Lists the keys, never their secrets.
    List,
    /// Makes a key worthless for ever.
    Revoke {
        /// Its id, as the list shows it.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateKey {
    /// What people call it, for instance the program that has it.
    #[arg(long)]
    pub(crate) name: String,
    /// What it may be used for: owner, catalogue, orders, payments, support, integrations or reader; may be repeated.
    #[arg(long, required = true)]
    pub(crate) role: Vec<String>,
    /// Days until it is worth nothing. Without it the key lives until it is revoked.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub(crate) days: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Member {
    /// Address of the account.
    #[arg(long)]
    pub(crate) email: String,
    /// The role: owner, catalogue, orders, payments, support, integrations or reader.
    #[arg(long)]
    pub(crate) role: Option<String>,
}
