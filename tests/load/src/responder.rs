//! An origin on the generator's own thread: it answers every request with the same bytes.
//!
//! A proxy needs an origin that costs nothing, or the measurement is the origin's. One in a process of its own would share
//! its core with the generator, which never sleeps: the scheduler would decide who waits for whom. Here the same loop
//! asks and answers, one read and one write for each request.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustix::event::epoll;

/// Largest request that is read: a proxy adds some hundred bytes to what the generator asks.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// An origin that turns can bring along. Its port stays the same; nobody answers there between turns.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    listener: Arc<TcpListener>,
    pub(crate) address: SocketAddr,
    answer: Arc<[u8]>,
}

impl Origin {
    /// Listens on a free port, to answer with `body`.
    pub(crate) fn bind(body: &[u8]) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen for the origin")?;
        listener.set_nonblocking(true).context("listen for the origin")?;
        let address = listener.local_addr().context("listen for the origin")?;
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\n\
             date: Sun, 29 Nov 2026 00:00:00 GMT\r\ncache-control: no-store\r\n\r\n",
            body.len()
        )
        .into_bytes();
        answer.extend_from_slice(body);
        Ok(Self { listener: Arc::new(listener), address, answer: answer.into() })
    }
}

/// The origin in one turn: its connections are closed with it.
#[derive(Debug)]
pub(crate) struct Responder {
    origin: Origin,
    /// What its events are told by: this for the listener, above for connections.
    first_token: u64,
    next_token: u64,
    connections: BTreeMap<u64, Accepted>,
    /// Requests that it answered.
    pub(crate) answered: u64,
}

#[derive(Debug)]
struct Accepted {
    stream: TcpStream,
    request: Vec<u8>,
}

impl Responder {
    /// Watches the origin's listener.
    pub(crate) fn new(origin: &Origin, epoll: &OwnedFd, first_token: u64) -> Result<Self> {
        let data = epoll::EventData::new_u64(first_token);
        epoll::add(epoll, &*origin.listener, data, epoll::EventFlags::IN)
            .context("watch the origin")?;
        let (connections, next_token) = (BTreeMap::new(), first_token + 1);
        Ok(Self { origin: origin.clone(), first_token, next_token, connections, answered: 0 })
    }

    /// Whether an event is this one's.
    pub(crate) const fn owns(&self, token: u64) -> bool {
        token >= self.first_token
    }

    /// Does what an event asks for.
    pub(crate) fn handle(&mut self, epoll: &OwnedFd, token: u64) -> Result<()> {
        if token == self.first_token {
            return self.accept(epoll);
        }
        let Some(accepted) = self.connections.get_mut(&token) else { return Ok(()) };
        match accepted.turn(&self.origin.answer) {
            Some(answered) => self.answered += answered,
            None => {
                self.connections.remove(&token);
            }
        }
        Ok(())
    }

    fn accept(&mut self, epoll: &OwnedFd) -> Result<()> {
        loop {
            let stream = match self.origin.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("accept a connection of a proxy"),
            };
            stream.set_nonblocking(true).context("set up a connection of a proxy")?;
            stream.set_nodelay(true).context("set up a connection of a proxy")?;
            let data = epoll::EventData::new_u64(self.next_token);
            epoll::add(epoll, &stream, data, epoll::EventFlags::IN)
                .context("watch a connection of a proxy")?;
            self.connections.insert(self.next_token, Accepted { stream, request: Vec::new() });
            self.next_token += 1;
        }
    }
}

impl Accepted {
    /// Reads once and answers what is whole; `None` when the connection is over. Proxies ask without bodies, and wait for
    /// one answer before the next request.
    fn turn(&mut self, answer: &[u8]) -> Option<u64> {
        let mut room = [0; 4096];
        match self.stream.read(&mut room) {
            Ok(0) => return None,
            Ok(read) => self.request.extend_from_slice(room.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(0),
            Err(_) => return None,
        }
        if !self.request.ends_with(b"\r\n\r\n") {
            return (self.request.len() < REQUEST_BYTES_MAX).then_some(0);
        }
        self.request.clear();
        // A kilobyte, and the socket's buffer is empty.
        let written = self.stream.write(answer).ok()?;
        (written == answer.len()).then_some(1)
    }
}
