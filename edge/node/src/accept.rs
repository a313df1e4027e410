//! Connections of one serving thread: accepted up to a limit, HTTP/1.1 or HTTP/2, ended when idle, drained at the end.

mod fields;
mod http2;
pub(crate) mod http3;
mod streams;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http1::{Connection, DateClock, Ended, Transport};
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{Signal, SignalKind, signal},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

use self::streams::{Rewound, TlsTransport};
use crate::{
    connections::Protocol,
    quick::Left,
    serve::{Node, Peer, Visitor},
    stall::STALL_MAX,
    tls::Tls,
};

/// Bounds of connections.
pub(crate) struct Accepting {
    /// Of all serving threads together.
    pub(crate) connections_max: usize,
    pub(crate) head_bytes_max: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) handshake_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) h2_streams_max: u32,
    pub(crate) h2_resets_max: usize,
    pub(crate) h2_error_resets_max: usize,
    pub(crate) h3_streams_max: u32,
}

/// What all serving threads have in common.
pub(crate) struct Server {
    node: Arc<Node>,
    /// Absent where HTTP is served in the clear.
    tls: Option<Arc<Tls>>,
    limits: Accepting,
    permits: Arc<Semaphore>,
    http2: h2::server::Builder,
    /// Whether connections are told to end after their present request.
    is_draining: AtomicBool,
}

impl Server {
    pub(crate) fn new(node: Arc<Node>, tls: Option<Arc<Tls>>, limits: Accepting) -> Self {
        let permits = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
        let http2 = http2::settings(&limits);
        Self { node, tls, permits, http2, limits, is_draining: AtomicBool::new(false) }
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

/// What is read of a head of HTTP/2 or HTTP/3 before it is given up: beyond the limit that we answer for, so that most
/// clients get a problem body and only absurd heads a reset.
const HEAD_SLACK: usize = 4;
/// After this pause the next accept is tried, for instance when file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long an idle connection is kept when the node is told to end: 300 ms, a client's next request on its way.
const DRAIN_GRACE: Duration = Duration::from_millis(300);

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
                attend(server, stream, address, permit, draining.subscribe());
            }
            Err(error) => {
                tracing::warn!("connection not accepted: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    server.is_draining.store(true, Relaxed);
    // Whoever is in the kernel's queue has connected: closing the listener would reset them.
    while let Ok(Ok((stream, address))) = timeout(Duration::ZERO, listener.accept()).await {
        let Ok(permit) = Arc::clone(&server.permits).try_acquire_owned() else { break };
        if stream.set_nodelay(true).is_ok() {
            attend(server, stream, address, permit, draining.subscribe());
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

/// Serves a connection in a task of its own.
fn attend(
    server: &Arc<Server>,
    stream: TcpStream,
    address: SocketAddr,
    permit: OwnedSemaphorePermit,
    draining: watch::Receiver<()>,
) {
    let server = Arc::clone(server);
    tokio::spawn(async move {
        if let Err(error) = connect(&server, stream, address, draining).await {
            tracing::debug!(client = %address, "connection ended: {error}");
        }
        drop(permit);
    });
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
    let shaken = timeout(server.limits.handshake_timeout, handshake).await;
    let stream = shaken.map_err(Broken::from).and_then(|shaken| Ok(shaken?));
    let stream = stream.inspect_err(|_| server.node.operation.connections.handshake_failed())?;
    let peer = Peer { address, is_tls: true };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let _open = server.node.operation.connections.open(Protocol::Http2);
        return http2::converse(server, stream, peer, draining).await;
    }
    converse(server, TlsTransport(stream), peer, draining).await
}

/// HTTP/1.1, until the client's first bytes say that it is not (RFC 9113, section 3.3).
async fn converse<S: Transport + Send + 'static>(
    server: &Server,
    stream: S,
    peer: Peer,
    mut draining: watch::Receiver<()>,
) -> Result<(), Broken> {
    let (limits, rules) = (&server.limits, &server.node.rules);
    let heads =
        http1::Limits { head_bytes_max: rules.head_bytes_max, fields_max: rules.headers_max };
    let connection = Connection::new(stream, heads, limits.head_timeout, STALL_MAX, DATES);
    let mut open = server.node.operation.connections.open(Protocol::Http1);
    let (client, left) = (OnceLock::new(), Left::default());
    let visitor = Visitor { node: &server.node, peer, client, left };
    let told = &mut draining;
    let stop = http1::Stop {
        is_set: || server.is_draining.load(Relaxed),
        wait: async move {
            // An error is the sender being gone, which ends the node too.
            let _ = told.changed().await;
            // A client may just be writing its next request: that one is answered, and told that it is the last.
            sleep(DRAIN_GRACE).await;
        },
    };
    match connection.serve(&visitor, stop).await? {
        Ended::Closed => Ok(()),
        Ended::Http2 { transport, read } => {
            open.turn_into(Protocol::Http2);
            let stream = Rewound::new(read, transport);
            http2::converse(server, stream, peer, draining).await
        }
    }
}

const DATES: DateClock = DateClock::new(|seconds| {
    let text = fields::write_date(seconds);
    text.as_bytes().try_into().unwrap_or(*b"Thu, 01 Jan 1970 00:00:00 GMT")
});
