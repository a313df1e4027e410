//! Connections: accepted up to a limit, HTTP/1.1 or HTTP/2 by prior knowledge, drained at the end.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{Signal, SignalKind, signal},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{
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
    async fn wait(&mut self) {
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

/// Accepts until a signal, then lets requests finish within the drain limit.
pub(crate) async fn run(listener: TcpListener, node: Arc<Node>, limits: Accepting, mut stop: Stop) {
    let server = Arc::new(server(&limits));
    let connections = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            () = stop.wait() => break,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let first = limits.head_timeout;
                connect(&server, &connections, Arc::clone(&node), stream, peer, permit, first);
            }
            Err(error) => {
                tracing::warn!("connection not accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tracing::info!(connections = connections.count(), "draining");
    if tokio::time::timeout(limits.drain_timeout, connections.shutdown()).await.is_err() {
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

fn connect(
    server: &Arc<auto::Builder<TokioExecutor>>,
    connections: &GracefulShutdown,
    node: Arc<Node>,
    stream: TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
    first_head_timeout: Duration,
) {
    let begun = Arc::new(AtomicBool::new(false));
    let has_begun = Arc::clone(&begun);
    let service = hyper::service::service_fn(move |request| {
        begun.store(true, Relaxed);
        let node = Arc::clone(&node);
        async move { Ok::<_, Infallible>(serve(&node, peer, request).await) }
    });
    let connection = server
        .serve_connection(TokioIo::new(Stalling::new(stream, STALL_MAX)), service)
        .into_owned();
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        let mut connection = pin!(connection);
        // hyper's own limit starts when it knows the version: whoever says nothing, or `PRI`, would stay for ever.
        let ended = match tokio::time::timeout(first_head_timeout, connection.as_mut()).await {
            Ok(ended) => ended,
            Err(_) if has_begun.load(Relaxed) => connection.await,
            Err(_) => Ok(()),
        };
        if let Err(error) = ended {
            tracing::debug!(client = %peer, "connection ended: {error}");
        }
        drop(permit);
    });
}
