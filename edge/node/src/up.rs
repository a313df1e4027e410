//! Start to end: configuration, then components, then the port; on a signal the way back.

mod beside;

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context as _;
use cdn::{Proxy, files::Files};
use http::HeaderValue;
use replica::Replica;
use runtime::{Application, DatabaseSource, Resources, Runtime};

use self::beside::{Beside, Operators};
use crate::{
    accept::{self, Accepting, Server},
    access_log::AccessLog,
    admin,
    application::{Source, Surroundings},
    cdn_loop::{CdnId, LoopGuard},
    cli::{AppOptions, LogFormat, ProxyOptions, Up},
    deploy::{Deployer, State},
    deployment::{Deployment, Loaded},
    first_version::FirstVersion,
    listen,
    metrics::Metrics,
    notify,
    operation::{Operation, Phase},
    origins::{self, OriginSide},
    paced_body::Pace,
    replication::{self, ReplicaFile},
    serve::{Node, Positions, Rules},
    shard, threads,
    tls::{self, Tls, Transports},
    traffic::Traffic,
    watch::{self, Watched},
};

/// Longest time for what the cache has still to write at the end: 5 s. What is not written then is fetched again.
const SETTLE_MAX: Duration = Duration::from_secs(5);

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
    let source = Source::find(options.app.from.as_deref()).map_err(Failure::Configuration)?;
    run_source(options, &source)
}

/// Serves origins until a signal.
pub(crate) fn run_proxy(options: ProxyOptions) -> Result<(), Failure> {
    let (options, origins) = options.split();
    run_source(options, &Source::Origins(origins))
}

fn run_source(options: Up, source: &Source) -> Result<(), Failure> {
    let surroundings = Surroundings::read(&options.app, source).map_err(Failure::Configuration)?;
    let watched = if options.versions.watch { Watched::begin(source) } else { None };
    let first = FirstVersion::read(&options, &surroundings, source)?;
    let origins = OriginSide::new(&options).map_err(Failure::Configuration)?;
    let proxies = origins.proxies(&first.app).map_err(Failure::Configuration)?;
    let files = origins::files(&first.app, &first.base_dir).map_err(Failure::Configuration)?;
    let replica = replication::read(&first.app, &surroundings.state_dir, &options.node_id)
        .map_err(Failure::Configuration)?;
    shard::set_count(options.server.threads());
    // Only what is not a request runs here: the replica's follower, signals, starting and stopping.
    let tasks = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("edge-control")
        .enable_all()
        .build()
        .context("start the runtime")
        .map_err(Failure::Other)?;
    let takes_versions = !matches!(source, Source::Origins(_));
    let state_dir = surroundings.state_dir.clone();
    let ended = tasks.block_on(serve(
        options,
        Boot { surroundings, first, replica, watched, origins, proxies, files, takes_versions },
    ));
    // Statements may still run; nobody waits for their answers.
    tasks.shutdown_timeout(Duration::from_millis(500));
    if !takes_versions {
        // It was made for this process and has nothing in it; left behind it would only be in the way.
        let _ = std::fs::remove_dir_all(state_dir);
    }
    ended
}

/// What was read before anything is started.
struct Boot {
    surroundings: Surroundings,
    first: FirstVersion,
    replica: Option<replica::Settings>,
    watched: Option<Watched>,
    origins: OriginSide,
    proxies: Vec<Option<Proxy>>,
    files: Vec<Option<Arc<Files>>>,
    takes_versions: bool,
}

async fn serve(options: Up, mut boot: Boot) -> Result<(), Failure> {
    let tls = read_tls(&options).map_err(Failure::Configuration)?;
    let operators = Operators::read(&options).map_err(Failure::Configuration)?;
    let mut stop = accept::stop_signal().context("listen for signals").map_err(Failure::Other)?;
    // Whoever is told that the node is ready may ask at once.
    let reloads = tls::Reloads::listen(tls.as_ref()).context("listen for signals");
    let mut reloads = reloads.map_err(Failure::Other)?;
    let replica = match boot.replica.clone() {
        Some(settings) => {
            let started = Replica::start(settings).await.context("start the replica");
            Some(started.map_err(Failure::Other)?)
        }
        None => None,
    };
    let resources = resources(&options, &boot, replica.clone()).map_err(Failure::Other)?;
    // Compiling blocks; there is nothing to serve before it is done.
    let loaded = tokio::task::block_in_place(|| {
        let runtime = Arc::new(Runtime::new(resources)?);
        let outsides = boot.origins.outsides(&boot.first.app, &boot.proxies, &boot.files);
        let application = runtime.load(&boot.first.app, &boot.first.base_dir, &outsides)?;
        boot.first.keep(&options.app, &boot.surroundings);
        Ok((runtime, application))
    });
    OriginSide::watch(&boot.first.app, &boot.proxies);
    let (runtime, application) =
        loaded.map_err(|error: runtime::LoadError| Failure::Configuration(error.into()))?;
    let access_log = AccessLog::start(options.server.access_log(options.log_format));
    let access_log = access_log.context("start the access log").map_err(Failure::Other)?;
    let (watched, takes_versions) = (boot.watched.take(), boot.takes_versions);
    let body_bytes_max = options.limits.body_bytes_max;
    let operation =
        Operation::start(&options.server.operation, &options.node_id, boot.origins.cache());
    let operation = operation.context("start to send spans").map_err(Failure::Other)?;
    let deployer = deployer(boot, options.app.clone(), body_bytes_max, runtime, application);
    let deployer = Arc::new(deployer);
    let node = node(&options, &deployer, replica.clone(), access_log, operation, takes_versions);
    let node = Arc::new(node);
    let mut beside = Beside::bind(&options, operators, &node).await?;
    let listeners = listen::bind(options.listen, options.find_free_port, options.server.threads())
        .await
        .map_err(Failure::Other)?;
    let address = listeners
        .first()
        .context("listen on no address")
        .and_then(|listener| listener.local_addr().context("read the address"));
    let address = address.map_err(Failure::Other)?;
    let server = Arc::new(Server::new(Arc::clone(&node), tls.clone(), accepting(&options)));
    let quic = quic(&options, address).map_err(Failure::Other)?;
    let serving = threads::start(listeners, quic, &server).context("start to serve");
    let serving = serving.map_err(Failure::Other)?;
    // Whoever only stands in front of origins has no versions.
    let admin = takes_versions.then(|| admin::start(&deployer));
    if let Some(watched) = watched {
        watch::start(watched, Arc::clone(&deployer));
    }
    node.operation.enter(Phase::Serving);
    notify::tell(notify::Step::Ready);
    beside.start(&options, &node, address);
    announce(address, tls.is_some(), &beside);
    tokio::select! {
        () = stop.wait() => {}
        () = reloads.follow() => {}
    }
    drop(admin);
    node.operation.enter(Phase::Draining);
    notify::tell(notify::Step::Stopping);
    serving.stop().await;
    drop(beside);
    finish(&node, replica).await;
    Ok(())
}

/// Lets everything be written that still waits to be.
async fn finish(node: &Node, replica: Option<Arc<Replica>>) {
    node.access_log.stop();
    node.operation.stop();
    tokio::task::block_in_place(|| node.operation.cache.settle(SETTLE_MAX));
    if let Some(replica) = replica {
        replica.stop().await;
    }
}

/// What components are given.
fn resources(
    options: &Up,
    boot: &Boot,
    replica: Option<Arc<Replica>>,
) -> anyhow::Result<Resources> {
    let source = replica.map(|replica| Arc::new(ReplicaFile(replica)) as Arc<dyn DatabaseSource>);
    Ok(Resources {
        state_dir: boot.surroundings.state_dir.clone(),
        config: boot.surroundings.runtime_config.clone(),
        output: boot.surroundings.output.clone(),
        compiler: Some(program()?),
        replica: source,
        limits: options.app.limit(options.limits.runtime()),
        has_express: !options.standard_lane,
    })
}

/// Gives the first version all requests, and makes ready for others.
fn deployer(
    boot: Boot,
    options: AppOptions,
    body_bytes_max: u64,
    runtime: Arc<Runtime>,
    application: Application,
) -> Deployer {
    let Boot { surroundings, first, replica, origins, proxies, files, .. } = boot;
    let metrics = Arc::new(Metrics::new());
    let loaded = Arc::new(Loaded::default());
    let deployment = Deployment::new(first.id, first.app, application, proxies, files, &metrics);
    let deployment = Arc::new(deployment);
    loaded.add(&deployment);
    Deployer {
        surroundings,
        options,
        runtime,
        traffic: Arc::new(Traffic::new(deployment)),
        loaded,
        metrics,
        origins,
        body_bytes_max,
        replica,
        state: tokio::sync::Mutex::new(State::new(first.id, first.history)),
        step: Mutex::default(),
    }
}

/// This program's own file, which stays the same when another is put in its place meanwhile.
fn program() -> anyhow::Result<std::path::PathBuf> {
    let own = std::path::PathBuf::from("/proc/self/exe");
    if own.exists() { Ok(own) } else { std::env::current_exe().context("find this program") }
}

fn node(
    options: &Up,
    deployer: &Deployer,
    replica: Option<Arc<Replica>>,
    access_log: AccessLog,
    operation: Operation,
    has_own_paths: bool,
) -> Node {
    let (server, limits) = (&options.server, &options.limits);
    let cdn_id = server.cdn_id.clone().unwrap_or_else(|| CdnId::of_node(&options.node_id));
    deployer.origins.tell_attempts(operation.exporter.as_ref());
    Node {
        metrics: Arc::clone(&deployer.metrics),
        runtime: Arc::clone(&deployer.runtime),
        traffic: Arc::clone(&deployer.traffic),
        loaded: Arc::clone(&deployer.loaded),
        // Never freed: a text that lasts as long as the process is sent without being counted.
        edge: HeaderValue::from_static(String::leak(options.node_id.clone())),
        id: options.node_id.clone(),
        replica,
        positions: Positions::new(),
        access_log,
        operation: Arc::new(operation),
        rules: Rules {
            body_bytes_max: limits.body_bytes_max,
            head_bytes_max: limits.head_bytes_max,
            headers_max: server.headers_max,
            pace: Pace {
                stall_max: Duration::from_millis(server.body_stall_timeout_ms),
                rate_min: server.body_rate_min,
            },
            trusted_proxies: server.trusted_proxies.clone(),
            loops: LoopGuard::new(cdn_id, server.cdn_loop_max),
            // An origin behind a proxy may have such paths itself.
            has_own_paths,
        },
    }
}

fn accepting(options: &Up) -> Accepting {
    let (server, limits) = (&options.server, &options.limits);
    Accepting {
        connections_max: limits.connections_max,
        head_bytes_max: limits.head_bytes_max,
        head_timeout: Duration::from_millis(limits.head_timeout_ms),
        handshake_timeout: Duration::from_millis(server.handshake_timeout_ms),
        drain_timeout: Duration::from_millis(limits.drain_timeout_ms),
        h2_streams_max: server.h2_streams_max,
        h2_resets_max: server.h2_resets_max,
        h2_error_resets_max: server.h2_error_resets_max,
        h3_streams_max: server.operation.h3_streams_max,
    }
}

fn read_tls(options: &Up) -> anyhow::Result<Option<Arc<Tls>>> {
    let (Some(certificate), Some(key)) = (&options.server.tls_cert, &options.server.tls_key) else {
        return Ok(None);
    };
    let transports =
        if options.server.operation.http3 { Transports::TcpAndQuic } else { Transports::Tcp };
    Ok(Some(Arc::new(Tls::load(certificate.clone(), key.clone(), transports)?)))
}

/// Takes the port for HTTP/3, which is the same as for the others.
fn quic(options: &Up, address: SocketAddr) -> anyhow::Result<Option<UdpSocket>> {
    if !options.server.operation.http3 {
        return Ok(None);
    }
    let bound = accept::http3::bind(address);
    bound.map(Some).with_context(|| format!("listen for HTTP/3 on {address}"))
}

/// The line that programs wait for, and behind it, in the same write, where else the node listens.
fn announce(address: SocketAddr, is_tls: bool, beside: &Beside) {
    use std::io::Write as _;
    let mut lines = format!("listening http{}://{address}\n", if is_tls { "s" } else { "" });
    for (word, address) in beside.addresses() {
        lines.push_str(&format!("{word} http://{address}\n"));
    }
    let mut out = std::io::stdout().lock();
    // Nobody reads it if this fails.
    let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
    drop(out);
    tracing::info!(listen = %address, "accepting connections");
}
