//! An origin in a process of its own: what it answers follows from the path, the clock and how it was told to behave.
//!
//! `/<bytes>/<rule>/…` is a body of so many bytes with a `Cache-Control` from [`plan::Rule`]. Its version is the clock
//! divided by a period, so that all origins agree on it and one that was killed has lost nothing.
//! Start at [`serve`]; [`Child`] is the handle of whoever started one.

mod pieces;
mod plan;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use clap::Args;
use harness::{Client, Process, Program};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use pieces::Pieces;
pub(crate) use plan::{MADE_AT, Plan, Rule, VERSION, now_ms, version_at};

/// What it says instead of HTTP when it is told to.
const GARBAGE: &[u8] = b"\x16\x03\x01 this is not the protocol you are looking for\r\n\r\n";

/// Where an origin listens.
#[derive(Debug, Args)]
pub(crate) struct OriginArgs {
    /// Where it answers.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where it is told how to behave.
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
}

/// How it behaves, and what it has done.
#[derive(Debug, Default)]
struct State {
    requests: AtomicU64,
    slow_ms: AtomicU64,
    is_garbage: AtomicU64,
    /// Answers by whom they were for, as its `Via` says.
    answers: RefCell<BTreeMap<String, u64>>,
}

/// Serves on one thread until the process is killed.
pub(crate) async fn serve(args: OriginArgs) -> Result<()> {
    let control = TcpListener::bind(args.control).await.context("listen for the control")?;
    let listener = TcpListener::bind(args.listen).await.context("listen for the origin")?;
    let mut out = std::io::stdout();
    let address = |listener: &TcpListener| listener.local_addr().context("read an address");
    writeln!(out, "control http://{}", address(&control)?).context("say where it listens")?;
    writeln!(out, "listening http://{}", address(&listener)?).context("say where it listens")?;
    let state = Rc::new(State::default());
    let serving = async {
        tokio::try_join!(accept(listener, &state), accept_control(control, &state)).map(|_| ())
    };
    LocalSet::new().run_until(serving).await
}

async fn accept(listener: TcpListener, state: &Rc<State>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("accept a connection")?;
        stream.set_nodelay(true).context("set up a connection")?;
        let state = Rc::clone(state);
        tokio::task::spawn_local(async move {
            if state.is_garbage.load(Ordering::Relaxed) != 0 {
                state.requests.fetch_add(1, Ordering::Relaxed);
                return garbage(stream).await;
            }
            let service = service_fn(|request| answer(&state, request));
            // A proxy closes connections as it likes; that is no error here.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Reads a request and answers with what is no answer.
async fn garbage(mut stream: TcpStream) {
    let mut room = [0; 4096];
    // Whoever is gone before it is told nonsense has missed nothing.
    if stream.read(&mut room).await.is_ok_and(|read| read > 0) {
        let _ = stream.write_all(GARBAGE).await;
    }
}

/// Why a connection ends without an answer.
#[derive(Debug)]
struct Nonsense;

impl std::fmt::Display for Nonsense {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("told to talk nonsense")
    }
}

impl std::error::Error for Nonsense {}

async fn answer(state: &State, request: Request<Incoming>) -> Result<Response<Pieces>, Nonsense> {
    state.requests.fetch_add(1, Ordering::Relaxed);
    if state.is_garbage.load(Ordering::Relaxed) != 0 {
        return Err(Nonsense);
    }
    let Some(plan) = Plan::read(request.uri().path()) else {
        let mut none = Response::new(Pieces::whole(Bytes::from_static(b"no such path\n")));
        *none.status_mut() = StatusCode::NOT_FOUND;
        return Ok(none);
    };
    let wait = Duration::from_millis(state.slow_ms.load(Ordering::Relaxed)) + plan.wait;
    if !wait.is_zero() {
        // sleeps because this origin is to be slow
        tokio::time::sleep(wait).await;
    }
    if let Some(via) = request.headers().get(header::VIA).and_then(|via| via.to_str().ok()) {
        *state.answers.borrow_mut().entry(via.to_owned()).or_default() += 1;
    }
    Ok(planned(&plan, request.uri().path(), request.headers()))
}

fn planned(plan: &Plan, path: &str, asked: &HeaderMap) -> Response<Pieces> {
    let now = now_ms();
    let version = version_at(plan.rule, now);
    let tag = format!("\"{version:x}-{}\"", plan.bytes);
    let is_known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| *known == *tag);
    let mut builder = Response::builder()
        .status(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK })
        .header(header::CACHE_CONTROL, plan.rule.cache_control())
        .header("cache-tag", plan.tag())
        .header(header::ETAG, tag)
        .header(VERSION, version)
        .header(MADE_AT, now);
    let body = if is_known {
        Pieces::whole(Bytes::new())
    } else {
        builder = builder.header(header::CONTENT_TYPE, plan.content_type(path));
        let bytes = Bytes::from(crate::content::whole(path, version, plan.bytes));
        Pieces::over(bytes, plan.pieces, plan.pause)
    };
    // The headers are ours: numbers and constants.
    builder.body(body).unwrap_or_else(|_| Response::new(Pieces::whole(Bytes::new())))
}

async fn accept_control(listener: TcpListener, state: &Rc<State>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("accept a connection")?;
        let state = Rc::clone(state);
        tokio::task::spawn_local(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let told = told(&state, request.uri().path());
                std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(told)))))
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// `/slow/<ms>`, `/garbage`, `/normal`; answers with the number of requests so far, as `/requests` does. `/answers` is
/// about those that got an answer: a line for each proxy.
fn told(state: &State, path: &str) -> String {
    if path == "/answers" {
        let answers = state.answers.borrow();
        return answers.iter().map(|(via, count)| format!("{count} {via}\n")).collect();
    }
    let slow = path.strip_prefix("/slow/").and_then(|ms| ms.parse().ok());
    if path != "/requests" {
        state.slow_ms.store(slow.unwrap_or(0), Ordering::Relaxed);
        state.is_garbage.store(u64::from(path == "/garbage"), Ordering::Relaxed);
    }
    state.requests.load(Ordering::Relaxed).to_string()
}

/// An origin in a process of its own, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) process: Process,
    control: Client,
}

impl Child {
    /// Starts one on free ports.
    pub(crate) async fn start(name: &str, core: Option<usize>, folder: &Path) -> Result<Self> {
        let address = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let addresses = harness::free_ports()?.map(address);
        Self::start_at(name, addresses, core, folder).await
    }

    /// Starts one that listens there, and is told there how to behave.
    pub(crate) async fn start_at(
        name: &str,
        [listen, control]: [SocketAddr; 2],
        core: Option<usize>,
        folder: &Path,
    ) -> Result<Self> {
        let mut path: PathBuf = std::env::current_exe().context("find this program")?;
        let mut args = vec!["serve-origin".to_owned()];
        args.extend([format!("--listen={listen}"), format!("--control={control}")]);
        if let Some(core) = core {
            (path, args) = harness::on_core(core, &path, args);
        }
        let name = name.to_owned();
        let program = Program { name, path, args, env: Vec::new(), announces: "listening " };
        let process = Process::start_alone(program, folder).await?;
        let control = Client::new(&format!("http://{control}"));
        Ok(Self { process, control })
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> &str {
        self.process.url()
    }

    /// How many requests it has got since it was started.
    pub(crate) async fn requests(&self) -> Result<u64> {
        self.tell("/requests").await
    }

    /// How many answers it has given to each proxy, by what that calls itself in `Via`.
    pub(crate) async fn answers(&self) -> Result<BTreeMap<String, u64>> {
        let text = self.control("/answers").await?;
        let line = |line: &str| {
            let (count, via) = line.split_once(' ')?;
            Some((via.to_owned(), count.parse().ok()?))
        };
        Ok(text.lines().filter_map(line).collect())
    }

    /// Tells it how to behave: `/slow/<ms>`, `/garbage`, `/normal`.
    pub(crate) async fn tell(&self, what: &str) -> Result<u64> {
        self.control(what).await?.parse().context("read the origin's count")
    }

    async fn control(&self, what: &str) -> Result<String> {
        let answer = self.control.get(what).await?;
        if answer.status != 200 {
            bail!("{what}: the origin answers {}", answer.status);
        }
        Ok(answer.text())
    }
}
