//! Connections: accepted up to a limit, HTTP/1.1 or HTTP/2 by prior knowledge, ended when idle, drained at the end.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{Signal, SignalKind, signal},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use crate::{
    in_flight::InFlight,
    serve::{Node, serve},
    stall::{STALL_MAX, Stalling},
};

/// Bounds of connections.
pub(crate) struct Accepting {
    pub(crate) connections_max: usize,
    pub(crate) head_bytes_max: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) drain_timeout: Duration,
}

/// The signals that end the node.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

/// Starts to listen for SIGTERM and SIGINT.
pub(crate) fn stop_signal() -> io::Result<Stop> {
    let terminate = signal(SignalKind::terminate())?;
    Ok(Stop { terminate, interrupt: signal(SignalKind::interrupt())? })
}

impl Stop {
    /// Waits for SIGTERM or SIGINT.
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// HTTP/2 requests at once on one connection.
const STREAMS_MAX: u32 = 256;
/// Headers of one request, by number.
const HEADERS_MAX: usize = 128;
/// What hyper reads before it gives up on a head by itself: beyond the limit that we answer for, so that most clients
/// get a problem body and only absurd heads a bare 431.
const HEAD_SLACK: usize = 4;
/// After this pause the next accept is tried, for instance when file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long an idle connection that was told to end may take. 60 s: what hyper still holds of the last answer,
/// some 400 KiB, to a phone at 56 kbit/s.
const LINGER_MAX: Duration = Duration::from_secs(60);

/// Accepts until a signal, then lets requests finish within the drain limit.
pub(crate) async fn run(listener: TcpListener, node: Arc<Node>, limits: Accepting, mut stop: Stop) {
    let server = server(&limits);
    let (draining, _) = watch::channel(());
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            () = stop.wait() => break,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let client = Client { peer, stream, idle_max: limits.head_timeout };
                connect(&server, Arc::clone(&node), client, draining.subscribe(), permit);
            }
            Err(error) => {
                tracing::warn!("connection not accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tracing::info!(connections = draining.receiver_count(), "draining");
    // Nobody hears it when there is no connection.
    let _ = draining.send(());
    if timeout(limits.drain_timeout, draining.closed()).await.is_err() {
        tracing::warn!("drain limit reached: open requests are cut");
    }
}

/// A place is taken first: what finds none waits in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Small answers would wait for the client's acknowledgement otherwise.
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

fn server(limits: &Accepting) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    let head_bytes = limits.head_bytes_max.saturating_mul(HEAD_SLACK);
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_headers(HEADERS_MAX)
        .max_buf_size(head_bytes.max(64 * 1024));
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(limits.head_timeout))
        .keep_alive_timeout(limits.head_timeout);
    server
}

/// Whose connection it is.
struct Client {
    peer: SocketAddr,
    stream: TcpStream,
    /// Longest time without a request in flight.
    idle_max: Duration,
}

fn connect(
    server: &auto::Builder<TokioExecutor>,
    node: Arc<Node>,
    client: Client,
    draining: watch::Receiver<()>,
    permit: OwnedSemaphorePermit,
) {
    let Client { peer, stream, idle_max } = client;
    let requests = InFlight::new();
    let counted = Arc::clone(&requests);
    let service = hyper::service::service_fn(move |request| {
        let (node, entered) = (Arc::clone(&node), counted.enter());
        async move {
            let answer = serve(&node, peer, request).await;
            Ok::<_, Infallible>(answer.map(|body| entered.keep_in(body)))
        }
    });
    let stream = TokioIo::new(Stalling::new(stream, STALL_MAX));
    let connection = server.serve_connection(stream, service).into_owned();
    tokio::spawn(async move {
        if let Err(error) = attend(connection, &requests, idle_max, draining).await {
            tracing::debug!(client = %peer, "connection ended: {error}");
        }
        drop(permit);
    });
}

/// Drives a connection to its end, which comes when it wants, when it is idle for long, or with the node's.
///
/// hyper's own limits leave gaps: nothing runs before it knows the version, so whoever says nothing, or `PRI`, would
/// stay for ever; and on HTTP/2 whoever answers pings would.
async fn attend<C: GracefulConnection>(
    connection: C,
    requests: &InFlight,
    idle_max: Duration,
    mut draining: watch::Receiver<()>,
) -> Result<(), C::Error> {
    let mut connection = pin!(connection);
    let is_idle = tokio::select! {
        ended = connection.as_mut() => return ended,
        () = requests.idle(idle_max) => true,
        _ = draining.changed() => false,
    };
    if is_idle && !requests.has_begun() {
        return Ok(());
    }
    connection.as_mut().graceful_shutdown();
    if !is_idle {
        // The node's drain limit is the limit.
        return connection.await;
    }
    timeout(LINGER_MAX, connection).await.unwrap_or(Ok(()))
}
