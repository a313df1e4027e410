//! A closed loop: every connection sends its next request when it has the whole answer.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A stuck server ends the measurement instead of holding it.
const STUCK_LIMIT: Duration = Duration::from_secs(30);

/// One server's turn.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) url: String,
    pub(crate) path: String,
    pub(crate) connections: u32,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
}

/// What a turn gave.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Whole answers with status 200.
    pub(crate) answers: u64,
    /// Answers with another status.
    pub(crate) refusals: u64,
    /// From the first counted request to the last.
    pub(crate) elapsed: Duration,
    /// One latency per answer.
    pub(crate) latencies_us: Vec<u32>,
}

/// Runs a turn on a thread of its own, so that the client is one core at most, for every server.
/// `begin` and `end` are called at the borders of what is counted.
pub(crate) fn run(turn: &Turn, begin: impl FnOnce(), end: impl FnOnce()) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the client")?;
    runtime.block_on(async {
        let uri: Uri = turn.url.parse().context("read the server's address")?;
        let authority = uri.authority().context("read the server's address")?.as_str();
        let connecting = timeout(STUCK_LIMIT, connect_all(authority, turn.connections));
        let connections = connecting.await.context("connect: the server is stuck")??;
        let warm_up = timeout(turn.warm_up + STUCK_LIMIT, all(connections, turn, turn.warm_up));
        let (_, connections) = warm_up.await.context("warm up: the server is stuck")??;
        begin();
        let started = Instant::now();
        let counted = timeout(turn.duration + STUCK_LIMIT, all(connections, turn, turn.duration));
        let (mut measured, _) = counted.await.context("measure: the server is stuck")??;
        measured.elapsed = started.elapsed();
        end();
        Ok(measured)
    })
}

/// Lets every connection ask for `duration`, and gives them back.
async fn all(
    connections: Vec<Connection>,
    turn: &Turn,
    duration: Duration,
) -> Result<(Measured, Vec<Connection>)> {
    let until = Instant::now() + duration;
    let (mut sum, mut back) = (Measured::default(), Vec::with_capacity(connections.len()));
    let mut loops = tokio::task::JoinSet::new();
    for connection in connections {
        loops.spawn(one(connection, turn.path.clone(), until));
    }
    while let Some(one) = loops.join_next().await {
        let (one, connection) = one.context("run a connection")??;
        sum.answers += one.answers;
        sum.refusals += one.refusals;
        sum.latencies_us.extend(one.latencies_us);
        back.push(connection);
    }
    Ok((sum, back))
}

async fn one(
    mut connection: Connection,
    path: String,
    until: Instant,
) -> Result<(Measured, Connection)> {
    let mut measured = Measured::default();
    loop {
        let asked = Instant::now();
        if asked >= until {
            return Ok((measured, connection));
        }
        let request = Request::get(&path)
            .header(HOST, &connection.authority)
            .header(ACCEPT, "application/json")
            .body(Empty::new())
            .context("build a request")?;
        let answer = connection.sender.send_request(request).await.context("ask")?;
        let status = answer.status();
        let mut body = answer.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame.context("read an answer")?.data_ref().map_or(0, Bytes::len);
        }
        if status == StatusCode::OK && bytes > 0 {
            measured.answers += 1;
            let latency = asked.elapsed().as_micros();
            measured.latencies_us.push(u32::try_from(latency).unwrap_or(u32::MAX));
        } else {
            measured.refusals += 1;
        }
        if connection.sender.ready().await.is_err() {
            connection = connect(&connection.authority).await?;
        }
    }
}

async fn connect_all(authority: &str, count: u32) -> Result<Vec<Connection>> {
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(connect(authority).await?);
    }
    Ok(connections)
}

async fn connect(authority: &str) -> Result<Connection> {
    let stream =
        TcpStream::connect(authority).await.with_context(|| format!("reach {authority}"))?;
    stream.set_nodelay(true).context("set up a connection")?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.context("speak HTTP")?;
    // Its errors reach the sender.
    tokio::spawn(connection);
    if sender.ready().await.is_err() {
        bail!("{authority} closed a new connection");
    }
    Ok(Connection { sender, authority: authority.to_owned() })
}

/// One kept connection.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    authority: String,
}

#[cfg(test)]
mod tests {
    use http::Response;
    use http_body_util::Full;
    use tokio::net::TcpListener;

    use super::*;
    use crate::plain;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_turn_counts_answers_and_refusals() {
        for (status, is_answer) in [(200, true), (503, false)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let answer = Response::builder().status(status).body(Full::new(Bytes::from("[]")));
            let serving = tokio::spawn(plain::serve_on(listener, answer.unwrap()));
            let turn = Turn {
                url,
                path: "/".to_owned(),
                connections: 4,
                warm_up: Duration::ZERO,
                duration: Duration::from_millis(100),
            };
            let measured = tokio::task::spawn_blocking(move || run(&turn, || {}, || {}));
            let measured = measured.await.unwrap().unwrap();
            assert_eq!(measured.answers > 0, is_answer);
            assert_eq!(measured.refusals > 0, !is_answer);
            assert_eq!(measured.latencies_us.len() as u64, measured.answers);
            serving.abort();
        }
    }
}
