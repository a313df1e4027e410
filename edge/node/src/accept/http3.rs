//! HTTP/3 (RFC 9114) over QUIC: on a thread of its own, beside those for TCP, and by the same `serve`.
//!
//! Why one thread: QUIC connections are told apart by ids in their packets, not by addresses, and the kernel spreads
//! packets over sockets by addresses. With a socket for each thread, a phone that changes from Wi-Fi to the mobile network
//! would land on a thread that does not know it.

mod body;
mod send;

use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use h3::server::RequestResolver;
use http1::Interim;
use quinn::{
    Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime, TransportConfig, VarInt,
    crypto::rustls::QuicServerConfig,
};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use self::body::ReceivedBody;
use super::{Accepting, Broken, HEAD_SLACK, Server, fields};
use crate::{
    connections::Protocol,
    in_flight::{Entered, InFlight},
    serve::{Peer, serve},
};

/// What one stream may send before it is read: 256 KiB, as much as a path of 20 Mbit/s carries in 100 ms.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// What all streams of a connection may send before it is read: 1 MiB. It is what a connection costs at worst.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// What is kept of answers until the client says that it has it: 1 MiB for each connection.
const SEND_WINDOW_BYTES: u64 = 1024 * 1024;
/// Streams in one direction, from the client: its control stream, two for QPACK, and one that it may try out.
const ONE_WAY_STREAMS_MAX: u32 = 4;
/// How long a connection that has nothing left to do is kept for its last packets: 1 s.
const LINGER_MAX: Duration = Duration::from_secs(1);
/// `H3_NO_ERROR`.
const NO_ERROR: VarInt = VarInt::from_u32(0x100);

/// Takes the port for UDP.
pub(crate) fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Accepts until told to stop, then lets requests finish within the drain limit.
pub(crate) async fn run(socket: UdpSocket, server: &Arc<Server>, mut stop: watch::Receiver<bool>) {
    let Some(mut crypto) = server.tls.as_ref().and_then(|tls| tls.quic()) else { return };
    let first = config(&crypto.borrow_and_update(), &server.limits);
    let endpoint =
        Endpoint::new(EndpointConfig::default(), Some(first), socket, Arc::new(TokioRuntime));
    let endpoint = match endpoint {
        Ok(endpoint) => endpoint,
        Err(error) => return tracing::error!("HTTP/3 is not served: {error}"),
    };
    let (draining, _) = watch::channel(());
    loop {
        tokio::select! {
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => attend(server, incoming, draining.subscribe()),
                None => break,
            },
            Ok(()) = crypto.changed() => {
                let new = config(&crypto.borrow_and_update(), &server.limits);
                endpoint.set_server_config(Some(new));
            }
            // An error is the sender being gone, which ends the node too.
            _ = stop.wait_for(|is_stopping| *is_stopping) => break,
        }
    }
    endpoint.set_server_config(None);
    // Nobody hears it when there is no connection.
    let _ = draining.send(());
    if timeout(server.limits.drain_timeout, draining.closed()).await.is_err() {
        tracing::warn!("drain limit reached: open requests over HTTP/3 are cut");
    }
    endpoint.close(NO_ERROR, b"");
    // Whoever does not hear the farewell finds out by itself.
    let _ = timeout(LINGER_MAX, endpoint.wait_idle()).await;
}

fn config(crypto: &Arc<QuicServerConfig>, limits: &Accepting) -> ServerConfig {
    let mut transport = TransportConfig::default();
    let idle_max = limits.head_timeout;
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(limits.h3_streams_max))
        .max_concurrent_uni_streams(VarInt::from_u32(ONE_WAY_STREAMS_MAX))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(None)
        // A request that takes long is no idle connection: it is told apart above this.
        .keep_alive_interval(Some(idle_max / 3))
        .max_idle_timeout(idle_max.try_into().ok());
    let mut config = ServerConfig::with_crypto(Arc::clone(crypto) as Arc<_>);
    config.transport_config(Arc::new(transport));
    config
}

/// Serves a connection in a task of its own.
fn attend(server: &Arc<Server>, incoming: Incoming, draining: watch::Receiver<()>) {
    let Ok(permit) = Arc::clone(&server.permits).try_acquire_owned() else {
        // Nothing can wait in the kernel's queue here; who is refused comes over TCP, where it can.
        return incoming.refuse();
    };
    let is_crowded = server.permits.available_permits() < server.limits.connections_max / 2;
    if is_crowded && !incoming.remote_address_validated() && incoming.may_retry() {
        // Who comes under false addresses does not get it, and takes no place.
        let _ = incoming.retry();
        return;
    }
    let server = Arc::clone(server);
    tokio::spawn(async move {
        let address = incoming.remote_address();
        if let Err(error) = connect(&server, incoming, draining).await {
            tracing::debug!(client = %address, "connection ended: {error}");
        }
        drop(permit);
    });
}

async fn connect(
    server: &Arc<Server>,
    incoming: Incoming,
    draining: watch::Receiver<()>,
) -> Result<(), Broken> {
    let connections = &server.node.operation.connections;
    let shaken = async { incoming.accept()?.await };
    let shaken = timeout(server.limits.handshake_timeout, shaken).await;
    let connection = shaken.map_err(Broken::from).and_then(|shaken| Ok(shaken?));
    let connection = connection.inspect_err(|_| connections.handshake_failed())?;
    let _open = connections.open(Protocol::Http3);
    converse(server, connection, draining).await
}

async fn converse(
    server: &Arc<Server>,
    quic: quinn::Connection,
    mut draining: watch::Receiver<()>,
) -> Result<(), Broken> {
    let limits = &server.limits;
    let head_bytes = limits.head_bytes_max.saturating_mul(HEAD_SLACK);
    let mut builder = h3::server::builder();
    builder.max_field_section_size(u64::try_from(head_bytes).unwrap_or(u64::MAX));
    let mut connection = builder.build(h3_quinn::Connection::new(quic.clone())).await?;
    let requests = InFlight::new();
    // Dropped with the connection, and its requests with it: nobody is left to hear the answers.
    let mut tasks = JoinSet::new();
    let mut is_ending = false;
    while !is_ending || !tasks.is_empty() {
        tokio::select! {
            biased;
            accepted = connection.accept() => match accepted? {
                Some(resolver) => {
                    // The address may change while the connection lasts.
                    let peer = Peer { address: quic.remote_address(), is_tls: true };
                    tasks.spawn(request(Arc::clone(server), peer, resolver, requests.enter()));
                }
                None => break,
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            () = requests.idle(limits.head_timeout), if !is_ending => {
                is_ending = true;
                connection.shutdown(0).await?;
            }
            _ = draining.changed(), if !is_ending => {
                is_ending = true;
                // A client that hears it opens no further requests here; those that are on their way may be asked again.
                connection.shutdown(0).await?;
            }
        }
    }
    // The last bytes may be under way still: the client closes when it has them.
    let _ = timeout(LINGER_MAX, quic.closed()).await;
    quic.close(NO_ERROR, b"");
    Ok(())
}

/// Answers one request.
async fn request(
    server: Arc<Server>,
    peer: Peer,
    resolver: RequestResolver<h3_quinn::Connection, Bytes>,
    entered: Entered,
) {
    let limit = server.limits.head_timeout;
    let (request, stream) = match timeout(limit, resolver.resolve_request()).await {
        Ok(Ok(resolved)) => resolved,
        Ok(Err(error)) => return tracing::debug!(client = %peer.address, "no request: {error}"),
        Err(_) => return,
    };
    let (mut sending, mut receiving) = stream.split();
    let Some(length) = fields::declared_length(request.headers()) else {
        receiving.stop_sending(h3::error::Code::H3_MESSAGE_ERROR);
        return sending.stop_stream(h3::error::Code::H3_MESSAGE_ERROR);
    };
    let Ok(received) = timeout(limit, ReceivedBody::begin(receiving, length)).await else {
        return sending.stop_stream(h3::error::Code::H3_REQUEST_CANCELLED);
    };
    let is_head = request.method() == http::Method::HEAD;
    let node = &server.node;
    let (given, held) = serve(node, peer, request.map(|()| received), &Interim::nowhere()).await;
    if let Err(error) = send::send(&mut sending, given.into_response(), is_head).await {
        tracing::debug!(client = %peer.address, "answer cut: {error}");
    }
    drop((held, entered));
}
