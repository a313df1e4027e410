//! The yardstick: hyper and nothing else, answering recorded bytes.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use harness::Answer;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// Headers that every server makes for itself, and those that the node adds: they are its own cost.
const OWN_HEADERS: [&str; 7] = [
    "date",
    "connection",
    "transfer-encoding",
    "content-length",
    "x-request-id",
    "vitrine-edge",
    "vitrine-position",
];

/// An answer as it goes into a file.
#[derive(Debug, Serialize, Deserialize)]
struct Recorded {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// A plain server in a process of its own, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Plain {
    _child: Child,
    pub(crate) url: String,
    pub(crate) pid: Option<u32>,
}

impl Plain {
    /// Starts this program again, on a core, to serve `answer`, recorded into the folder under `name`.
    pub(crate) async fn start(
        answer: &Answer,
        core: Option<usize>,
        folder: &Path,
        name: &str,
    ) -> Result<Self> {
        let file = record(answer, &folder.join(format!("{name}.json")))?;
        let mut program = std::env::current_exe().context("find this program")?;
        let mut args = vec!["serve-plain".to_owned(), file.display().to_string()];
        if let Some(core) = core {
            (program, args) = harness::on_core(core, &program, args);
        }
        let mut child = Command::new(program)
            .args(args)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start the plain server")?;
        let stdout = child.stdout.take().context("take the plain server's output")?;
        let line = BufReader::new(stdout)
            .lines()
            .next_line()
            .await
            .context("wait for the plain server")?;
        let url = line.as_deref().and_then(|line| line.strip_prefix("listening "));
        let url = url.context("the plain server does not listen")?.to_owned();
        let pid = child.id();
        Ok(Self { _child: child, url, pid })
    }
}

fn record(answer: &Answer, file: &Path) -> Result<PathBuf> {
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| !OWN_HEADERS.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let recorded = Recorded { status: answer.status, headers, body: answer.text() };
    let bytes = serde_json::to_vec(&recorded).context("record an answer")?;
    std::fs::write(file, bytes).with_context(|| format!("write {}", file.display()))?;
    Ok(file.to_owned())
}

/// Serves the recorded answer until the process is killed.
pub(crate) async fn serve(file: &Path) -> Result<()> {
    let bytes = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let recorded: Recorded = serde_json::from_slice(&bytes).context("read a recorded answer")?;
    let mut answer = Response::builder().status(StatusCode::from_u16(recorded.status)?);
    for (name, value) in recorded.headers {
        answer = answer.header(name, value);
    }
    let answer = answer.body(Full::new(Bytes::from(recorded.body))).context("build the answer")?;
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .context("listen for the plain server")?;
    let address = listener.local_addr().context("listen for the plain server")?;
    writeln!(std::io::stdout(), "listening http://{address}").context("say where it listens")?;
    serve_on(listener, answer).await
}

/// Answers every request that comes in at `listener`.
pub(crate) async fn serve_on(listener: TcpListener, answer: Response<Full<Bytes>>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("accept a connection")?;
        stream.set_nodelay(true).context("set up a connection")?;
        let answer = answer.clone();
        tokio::spawn(async move {
            let service =
                service_fn(move |_| std::future::ready(Ok::<_, Infallible>(answer.clone())));
            // The client closes connections when its turn is over; that is no error here.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
