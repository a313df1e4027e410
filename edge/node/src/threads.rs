//! Serving threads: each has a listener, a scheduler and its connections to itself, so that cores share nothing while
//! they serve. The kernel spreads new connections over the listeners (`SO_REUSEPORT`).

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::{Builder, Runtime},
    sync::watch,
};

use crate::{
    accept::{self, Server},
    shard,
};

/// Connections that the kernel keeps for each listener until they are accepted.
const BACKLOG: u32 = 1024;
/// How long what blocks, such as statements, may go on when nobody waits for it any more.
const BLOCKING_MAX: Duration = Duration::from_millis(500);

/// Binds `count` listeners to one address; port 0 takes a free one for all.
///
/// With one listener the port is the node's alone; several share it with each other, and with whoever else of the same
/// user asks to: so it is made sure first that nobody listens there.
pub(crate) async fn listen(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    if count <= 1 {
        return Ok(vec![bind(address, false)?.listen(BACKLOG)?]);
    }
    let address = bind(address, false)?.local_addr()?;
    (0..count).map(|_| bind(address, true)?.listen(BACKLOG)).collect()
}

fn bind(address: SocketAddr, is_shared: bool) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A port whose last connections are still closing may be taken again.
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(is_shared)?;
    socket.bind(address)?;
    Ok(socket)
}

/// The threads, until they are told to stop.
pub(crate) struct Threads {
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    /// Closed when no thread has a request any more.
    busy: watch::Sender<()>,
    over: watch::Sender<bool>,
}

/// What a thread is told, and tells.
struct Signals {
    stop: watch::Receiver<bool>,
    /// Dropped when the thread has finished its requests, or reached the drain limit.
    busy: watch::Receiver<()>,
    over: watch::Receiver<bool>,
}

/// What a thread listens on.
enum Socket {
    Tcp(std::net::TcpListener),
    Quic(UdpSocket),
}

/// Starts a thread for each listener, and one for HTTP/3 if there is a socket for it.
pub(crate) fn start(
    listeners: Vec<TcpListener>,
    quic: Option<UdpSocket>,
    server: &Arc<Server>,
) -> io::Result<Threads> {
    let mut threads = Threads {
        threads: Vec::new(),
        stop: watch::Sender::new(false),
        busy: watch::Sender::new(()),
        over: watch::Sender::new(false),
    };
    let mut sockets = Vec::new();
    for listener in listeners {
        sockets.push(Socket::Tcp(listener.into_std()?));
    }
    sockets.extend(quic.map(Socket::Quic));
    for (index, socket) in sockets.into_iter().enumerate() {
        // Made here, where a failure can still be told.
        let tasks =
            Builder::new_current_thread().enable_all().thread_name("edge-blocking").build()?;
        let server = Arc::clone(server);
        let signals = Signals {
            stop: threads.stop.subscribe(),
            busy: threads.busy.subscribe(),
            over: threads.over.subscribe(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("edge-{index}"))
            .spawn(move || serve(index, tasks, socket, &server, signals))?;
        threads.threads.push(thread);
    }
    Ok(threads)
}

fn serve(index: usize, tasks: Runtime, socket: Socket, server: &Arc<Server>, signals: Signals) {
    shard::enter(index);
    let Signals { stop, busy, mut over } = signals;
    tasks.block_on(async {
        match socket {
            Socket::Tcp(listener) => match TcpListener::from_std(listener) {
                Ok(listener) => accept::run(listener, server, stop).await,
                Err(error) => tracing::error!("serving thread {index} cannot listen: {error}"),
            },
            Socket::Quic(socket) => accept::http3::run(socket, server, stop).await,
        }
        drop(busy);
        // An instance lives on the thread where it was first needed, and may still work for another thread.
        let _ = over.wait_for(|is_over| *is_over).await;
    });
    // Statements may still run; nobody waits for their answers.
    tasks.shutdown_timeout(BLOCKING_MAX);
}

impl Threads {
    /// Stops accepting, lets requests finish within the drain limit, and ends the threads.
    pub(crate) async fn stop(self) {
        // Nobody hears it if every thread has ended by itself.
        let _ = self.stop.send(true);
        self.busy.closed().await;
        let _ = self.over.send(true);
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count()
        });
        if let Ok(panicked @ 1..) = joined.await {
            tracing::error!(threads = panicked, "serving threads have panicked");
        }
    }
}
