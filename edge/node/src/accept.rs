//! Connections of one serving thread: accepted up to a limit, HTTP/1.1 or HTTP/2, ended when idle, drained at the end.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    signal::unix::{Signal, SignalKind, signal},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use crate::{
    in_flight::InFlight,
    serve::{Node, Peer, serve},
    stall::{STALL_MAX, Stalling},
    tls::Tls,
};

/// Bounds of connections.
pub(crate) struct Accepting {
    /// Of all serving threads together.
    pub(crate) connections_max: usize,
    pub(crate) head_bytes_max: usize,
    pub(crate) headers_max: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) handshake_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) h2_streams_max: u32,
    pub(crate) h2_resets_max: usize,
    pub(crate) h2_error_resets_max: usize,
}

/// What all serving threads have in common.
pub(crate) struct Server {
    node: Arc<Node>,
    /// Absent where HTTP is served in the clear.
    tls: Option<Arc<Tls>>,
    limits: Accepting,
    permits: Arc<Semaphore>,
    http: auto::Builder<TokioExecutor>,
}

impl Server {
    pub(crate) fn new(node: Arc<Node>, tls: Option<Arc<Tls>>, limits: Accepting) -> Self {
        let permits = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
        Self { node, tls, permits, http: http(&limits), limits }
    }
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

/// Headers that hyper reads into memory of its stack; for more it allocates with every request.
const HEADERS_UNALLOCATED: usize = 100;
/// What hyper reads before it gives up on a head by itself: beyond the limit that we answer for, so that most clients
/// get a problem body and only absurd heads a bare 431.
const HEAD_SLACK: usize = 4;
/// After this pause the next accept is tried, for instance when file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long an idle connection that was told to end may take. 60 s: what hyper still holds of the last answer,
/// some 400 KiB, to a phone at 56 kbit/s.
const LINGER_MAX: Duration = Duration::from_secs(60);

/// Accepts until told to stop, then lets requests finish within the drain limit.
pub(crate) async fn run(
    listener: TcpListener,
    server: &Arc<Server>,
    mut stop: watch::Receiver<bool>,
) {
    let (draining, _) = watch::channel(());
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &server.permits) => accepted,
            // An error is the sender being gone, which ends the node too.
            _ = stop.wait_for(|is_stopping| *is_stopping) => break,
        };
        match accepted {
            Ok((stream, address, permit)) => {
                let server = Arc::clone(server);
                let draining = draining.subscribe();
                tokio::spawn(async move {
                    if let Err(error) = connect(&server, stream, address, draining).await {
                        tracing::debug!(client = %address, "connection ended: {error}");
                    }
                    drop(permit);
                });
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
    if timeout(server.limits.drain_timeout, draining.closed()).await.is_err() {
        tracing::warn!("drain limit reached: open requests are cut");
    }
}

/// What finds no place waits here, one for each thread, and the rest in the kernel's queue. A place taken first would
/// be one that another thread's connections wait for.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let (stream, peer) = listener.accept().await?;
    // Small answers would wait for the client's acknowledgement otherwise.
    stream.set_nodelay(true)?;
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    Ok((stream, peer, permit))
}

fn http(limits: &Accepting) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    let head_bytes = limits.head_bytes_max.saturating_mul(HEAD_SLACK);
    http.http1()
        // hyper would set a timer for every request; `attend` ends who is slow as it ends who is idle.
        .header_read_timeout(None)
        .max_buf_size(head_bytes.max(64 * 1024));
    if limits.headers_max > HEADERS_UNALLOCATED {
        http.http1().max_headers(limits.headers_max);
    }
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams_max)
        .max_pending_accept_reset_streams(limits.h2_resets_max)
        .max_local_error_reset_streams(limits.h2_error_resets_max)
        .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(limits.head_timeout))
        .keep_alive_timeout(limits.head_timeout);
    http
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Shakes hands if that is asked for, and serves the connection to its end.
async fn connect(
    server: &Server,
    stream: TcpStream,
    address: SocketAddr,
    draining: watch::Receiver<()>,
) -> Result<(), Broken> {
    let Some(tls) = &server.tls else {
        return converse(server, stream, Peer { address, is_tls: false }, draining).await;
    };
    let handshake = tls.acceptor().accept(stream);
    let stream = timeout(server.limits.handshake_timeout, handshake).await??;
    converse(server, stream, Peer { address, is_tls: true }, draining).await
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    server: &Server,
    stream: S,
    peer: Peer,
    draining: watch::Receiver<()>,
) -> Result<(), Broken> {
    let requests = InFlight::new();
    let counted = Arc::clone(&requests);
    // Counted anew for this connection: a count that all cores write to with every request would have them wait.
    let node = Arc::new(Arc::clone(&server.node));
    let service = hyper::service::service_fn(move |request| {
        let (node, entered) = (Arc::clone(&node), counted.enter());
        async move {
            let answer = serve(&node, peer, request).await;
            Ok::<_, Infallible>(answer.map(|body| entered.keep_in(body)))
        }
    });
    let stream = TokioIo::new(Stalling::new(stream, STALL_MAX));
    let connection = server.http.serve_connection(stream, service);
    attend(connection, &requests, server.limits.head_timeout, draining).await
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
        // The connection is what nearly every wake is for.
        biased;
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
