//! Start to end: configuration, then components, then the port; on a signal the way back.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use manifest::{App, Manifest, RuntimeConfig, VariableSources};
use runtime::{DatabaseSource, Resources, Runtime};
use tokio::net::TcpListener;

use crate::{
    accept::{self, Accepting},
    cli::{LogFormat, Up},
    metrics::Metrics,
    replication::{self, ReplicaFile},
    serve::Node,
};

/// Why the node does not run, and whose fault it is.
pub(crate) enum Failure {
    /// The manifest, a variable or a component cannot be used.
    Configuration(anyhow::Error),
    /// The machine refused something.
    Other(anyhow::Error),
}

impl Failure {
    pub(crate) const fn error(&self) -> &anyhow::Error {
        match self {
            Self::Configuration(error) | Self::Other(error) => error,
        }
    }
}

/// Starts logging: levels by `RUST_LOG`, otherwise `info`.
pub(crate) fn start_logging(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}

/// Serves until a signal.
pub(crate) fn run(options: Up) -> Result<(), Failure> {
    let app = read_manifest(&options).map_err(Failure::Configuration)?;
    let replica_options = replication::read(&app, &options).map_err(Failure::Configuration)?;
    let tasks = tokio::runtime::Builder::new_multi_thread()
        // With one thread, a component in a loop would hold up every other for a tick.
        .worker_threads(std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2)))
        .thread_name("edge")
        .enable_all()
        .build()
        .context("start the runtime")
        .map_err(Failure::Other)?;
    let ended = tasks.block_on(serve(options, app, replica_options));
    // Statements may still run; nobody waits for their answers.
    tasks.shutdown_timeout(Duration::from_millis(500));
    ended
}

async fn serve(
    options: Up,
    app: App,
    replica_settings: Option<replica::Settings>,
) -> Result<(), Failure> {
    let stop = accept::stop_signal().context("listen for signals").map_err(Failure::Other)?;
    let replica = match replica_settings {
        Some(settings) => {
            let started = replica::Replica::start(settings).await.context("start the replica");
            Some(started.map_err(Failure::Other)?)
        }
        None => None,
    };
    let source =
        replica.clone().map(|replica| Arc::new(ReplicaFile(replica)) as Arc<dyn DatabaseSource>);
    let resources = Resources {
        state_dir: options.state_dir.clone(),
        replica: source,
        config: RuntimeConfig::default(),
        limits: options.limits.runtime(),
        has_express: !options.standard_lane,
    };
    // Compiling blocks; there is nothing to serve before it is done.
    let base_dir = base_dir(&options.from);
    let loaded = tokio::task::block_in_place(|| Runtime::new(resources)?.load(&app, &base_dir));
    let application = loaded.map_err(|error| Failure::Configuration(error.into()))?;
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("listen on {}", options.listen))
        .map_err(Failure::Other)?;
    let address = listener.local_addr().context("read the address").map_err(Failure::Other)?;
    let node = Arc::new(Node {
        metrics: Metrics::new(&app),
        id: options.node_id,
        app,
        application,
        replica: replica.clone(),
        body_bytes_max: options.limits.body_bytes_max,
        head_bytes_max: options.limits.head_bytes_max,
    });
    announce(address);
    let accepting = Accepting {
        connections_max: options.limits.connections_max,
        head_bytes_max: options.limits.head_bytes_max,
        head_timeout: Duration::from_millis(options.limits.head_timeout_ms),
        drain_timeout: Duration::from_millis(options.limits.drain_timeout_ms),
    };
    accept::run(listener, node, accepting, stop).await;
    if let Some(replica) = replica {
        replica.stop().await;
    }
    Ok(())
}

/// The one line that programs wait for.
#[expect(clippy::print_stdout, reason = "whoever started the node waits for this line")]
fn announce(address: std::net::SocketAddr) {
    use std::io::Write as _;
    println!("listening http://{address}");
    // Nobody reads it if this fails.
    let _ = std::io::stdout().flush();
    tracing::info!(listen = %address, "accepting connections");
}

fn read_manifest(options: &Up) -> anyhow::Result<App> {
    let shown = options.from.display();
    let text = std::fs::read_to_string(&options.from).with_context(|| format!("read {shown}"))?;
    let given = options.variables.iter().map(|given| (given.name.clone(), given.value.clone()));
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let sources = VariableSources::new().with_command_line(given).with_environment(environment);
    let app = Manifest::parse(&text).and_then(|manifest| manifest.resolve(&sources));
    app.with_context(|| format!("read {shown}"))
}

fn base_dir(manifest: &Path) -> std::path::PathBuf {
    match manifest.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => std::path::PathBuf::from("."),
    }
}
