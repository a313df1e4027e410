//! HTTP/2 (RFC 9113), spoken by the `h2` crate and answered by the same `serve` as HTTP/1.1.
//!
//! Why not hyper in between: its server cannot send interim answers, takes the whole of what lies ready at once,
//! whatever the client reads of it, and sends a body to HEAD (ADR 0027). What of the wire `h2` does otherwise than
//! the RFC says is in `tests/it/http2_wire.rs`.

mod body;
mod exchange;
mod send;

use std::{io, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use h2::{Ping, PingPong, Reason, RecvStream, server};
use http::Request;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use self::exchange::Sides;
use super::{Accepting, Broken, HEAD_SLACK, Server};
use crate::{
    in_flight::InFlight,
    serve::Peer,
    stall::{STALL_MAX, Stalling},
};

type Connection<S> = server::Connection<Stalling<S>, Bytes>;

/// What one stream may send before it is read: 1 MiB, as much as a path of 80 Mbit/s carries in 100 ms.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// What all streams of a connection may send before it is read: 1 MiB. It is what a connection's requests cost at worst.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// What waits of an answer to be sent: 400 KiB for each stream, as far as its client has room for it.
const SEND_BYTES_MAX: usize = 400 * 1024;
/// How long an idle connection that was told to end may take. 60 s: what still waits of the last answer, some 400 KiB, to
/// a phone at 56 kbit/s.
const LINGER_MAX: Duration = Duration::from_secs(60);
/// How long a client that does not answer is waited for with a goodbye: 1 s.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Returns what connections begin with.
pub(super) fn settings(limits: &Accepting) -> server::Builder {
    let head_bytes = limits.head_bytes_max.saturating_mul(HEAD_SLACK);
    let mut settings = server::Builder::new();
    settings
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(SEND_BYTES_MAX)
        .max_concurrent_streams(limits.h2_streams_max)
        .max_pending_accept_reset_streams(limits.h2_resets_max)
        .max_local_error_reset_streams(Some(limits.h2_error_resets_max))
        .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX));
    settings
}

/// Serves a connection to its end, which comes when the client wants, when it is idle for long, or with the node's.
pub(super) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Server,
    stream: S,
    peer: Peer,
    draining: watch::Receiver<()>,
) -> Result<(), Broken> {
    let idle_max = server.limits.head_timeout;
    let handshake = server.http2.handshake(Stalling::new(stream, STALL_MAX));
    // Whoever does not begin has asked for nothing yet.
    let Ok(connection) = timeout(idle_max, handshake).await else { return Ok(()) };
    let requests = InFlight::new();
    let sides = Arc::new(Sides { node: Arc::clone(&server.node), peer });
    let attend = |request: Request<RecvStream>, respond| {
        let (sides, entered) = (Arc::clone(&sides), requests.enter());
        tokio::spawn(exchange::answer(sides, request, respond, entered));
    };
    drive(connection?, attend, &requests, idle_max, draining).await
}

/// What happens beside requests.
enum Event {
    Idle,
    Draining,
    Unanswered,
    Late,
}

/// Drives a connection. That pings are answered keeps none: whoever asks for nothing has to go.
async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    mut connection: Connection<S>,
    attend: impl Fn(Request<RecvStream>, server::SendResponse<Bytes>),
    requests: &InFlight,
    idle_max: Duration,
    mut draining: watch::Receiver<()>,
) -> Result<(), Broken> {
    let mut unanswered = pin!(unanswered(connection.ping_pong(), requests, idle_max));
    let mut idle = pin!(requests.idle(idle_max));
    let mut told = pin!(draining.changed());
    let (mut is_ending, mut latest) = (false, None);
    loop {
        let accepting = async {
            while let Some(accepted) = connection.accept().await {
                let (request, respond) = accepted?;
                attend(request, respond);
            }
            Ok(())
        };
        let event = tokio::select! {
            // The connection is what nearly every wake is for.
            biased;
            ended = accepting => return ended,
            () = unanswered.as_mut() => Event::Unanswered,
            () = idle.as_mut(), if !is_ending => Event::Idle,
            _ = told.as_mut(), if !is_ending => Event::Draining,
            () = until(latest) => Event::Late,
        };
        match event {
            Event::Idle if !requests.has_begun() => return Ok(()),
            Event::Idle => latest = Some(Instant::now() + LINGER_MAX),
            // The node's drain limit is the limit.
            Event::Draining => {}
            Event::Unanswered => {
                connection.abrupt_shutdown(Reason::NO_ERROR);
                let goodbye = std::future::poll_fn(|cx| connection.poll_closed(cx));
                // Nobody may be there to hear it.
                let _ = timeout(FAREWELL_MAX, goodbye).await;
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            Event::Late => return Ok(()),
        }
        is_ending = true;
        connection.graceful_shutdown();
    }
}

async fn until(latest: Option<Instant>) {
    match latest {
        Some(latest) => sleep_until(latest).await,
        None => std::future::pending().await,
    }
}

/// Ends when a client from which nothing came for `pause` does not answer a ping for as long: it may have gone without a
/// word, and answers would wait for it.
async fn unanswered(pings: Option<PingPong>, requests: &InFlight, pause: Duration) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        let begun = requests.begun();
        sleep(pause).await;
        if requests.begun() != begun {
            continue;
        }
        match timeout(pause, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            // The connection is over, and says so itself.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) => return,
        }
    }
}
