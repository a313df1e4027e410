//! Connections of clients by protocol, counted where they are served.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::shard::PerThread;

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1 or HTTP/1.0; so is a connection that has said nothing yet.
    Http1,
    /// HTTP/2.
    Http2,
    /// HTTP/3.
    Http3,
}

impl Protocol {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Http1, Self::Http2, Self::Http3];

    /// Returns its name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
        }
    }

    const fn place(self) -> usize {
        match self {
            Self::Http1 => 0,
            Self::Http2 => 1,
            Self::Http3 => 2,
        }
    }
}

/// Counts connections.
#[derive(Default)]
pub(crate) struct Connections {
    counts: PerThread<Counts>,
}

#[derive(Default)]
struct Counts {
    open: [AtomicI64; Protocol::ALL.len()],
    ended: [AtomicU64; Protocol::ALL.len()],
    handshakes_failed: AtomicU64,
}

impl Connections {
    pub(crate) fn new() -> Self {
        Self { counts: PerThread::new() }
    }

    /// Counts a connection as open until the guard is dropped.
    pub(crate) fn open(&self, protocol: Protocol) -> OpenConnection<'_> {
        let counts = self.counts.mine();
        if let Some(open) = counts.open.get(protocol.place()) {
            open.fetch_add(1, Relaxed);
        }
        OpenConnection { counts, protocol }
    }

    /// Counts a TLS handshake that failed.
    pub(crate) fn handshake_failed(&self) {
        self.counts.mine().handshakes_failed.fetch_add(1, Relaxed);
    }

    /// Returns how many are open.
    pub(crate) fn open_of(&self, protocol: Protocol) -> i64 {
        let open = self.counts.iter().filter_map(|counts| counts.open.get(protocol.place()));
        open.map(|count| count.load(Relaxed)).sum()
    }

    /// Returns how many have ended, by what they spoke at their end.
    pub(crate) fn ended_of(&self, protocol: Protocol) -> u64 {
        let ended = self.counts.iter().filter_map(|counts| counts.ended.get(protocol.place()));
        ended.map(|count| count.load(Relaxed)).sum()
    }

    /// Returns how many TLS handshakes failed.
    pub(crate) fn handshakes_failed(&self) -> u64 {
        self.counts.iter().map(|counts| counts.handshakes_failed.load(Relaxed)).sum()
    }
}

/// A connection that is open; counted out where it was counted in.
pub(crate) struct OpenConnection<'a> {
    counts: &'a Counts,
    protocol: Protocol,
}

impl OpenConnection<'_> {
    /// Counts it under another protocol from now on.
    pub(crate) fn turn_into(&mut self, protocol: Protocol) {
        let place = |of: Protocol| self.counts.open.get(of.place());
        if let (Some(old), Some(new)) = (place(self.protocol), place(protocol)) {
            old.fetch_sub(1, Relaxed);
            new.fetch_add(1, Relaxed);
        }
        self.protocol = protocol;
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        let at = self.protocol.place();
        if let (Some(open), Some(ended)) = (self.counts.open.get(at), self.counts.ended.get(at)) {
            open.fetch_sub(1, Relaxed);
            ended.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_a_connection_by_what_it_speaks_at_its_end() {
        let connections = Connections::new();
        let mut one = connections.open(Protocol::Http1);
        let other = connections.open(Protocol::Http1);
        one.turn_into(Protocol::Http2);
        assert_eq!(Protocol::ALL.map(|protocol| connections.open_of(protocol)), [1, 1, 0]);
        drop((one, other));
        assert_eq!(Protocol::ALL.map(|protocol| connections.open_of(protocol)), [0, 0, 0]);
        assert_eq!(Protocol::ALL.map(|protocol| connections.ended_of(protocol)), [1, 1, 0]);
    }
}
