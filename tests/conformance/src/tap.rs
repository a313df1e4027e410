//! A pipe between one host and the origin, which can be shut: the origin is then gone for that host alone.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context as _, Result};

/// A port of its own that leads to an upstream while it is open.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    upstream: SocketAddr,
    flow: Arc<Mutex<Flow>>,
}

/// What is under way.
#[derive(Debug, Default)]
struct Flow {
    /// Changes whenever the tap is opened or shut: a listener of an older turn ends.
    turn: u64,
    is_open: bool,
    next: u64,
    streams: BTreeMap<u64, TcpStream>,
}

impl Tap {
    /// Opens a tap to `upstream`.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn open_to(upstream: SocketAddr) -> Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(any).context("find a port for a tap")?;
        let address = listener.local_addr().context("read a tap's address")?;
        let tap = Self { address, upstream, flow: Arc::default() };
        tap.pour(listener);
        Ok(tap)
    }

    /// Returns its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens it again.
    ///
    /// # Errors
    /// When its port has been taken meanwhile.
    pub fn open(&self) -> Result<()> {
        if lock(&self.flow).is_open {
            return Ok(());
        }
        let listener = TcpListener::bind(self.address).context("open a tap again")?;
        self.pour(listener);
        Ok(())
    }

    /// Shuts it: open connections break, new ones are refused.
    pub fn shut(&self) {
        let streams = {
            let mut flow = lock(&self.flow);
            if !flow.is_open {
                return;
            }
            flow.is_open = false;
            flow.turn += 1;
            core::mem::take(&mut flow.streams)
        };
        for stream in streams.values() {
            let _already_closed = stream.shutdown(Shutdown::Both);
        }
        // Wakes the listener, which sees that its turn is over and goes; from then on the port refuses.
        let _woken = TcpStream::connect(self.address);
        while TcpStream::connect(self.address).is_ok() {
            thread::yield_now();
        }
    }

    fn pour(&self, listener: TcpListener) {
        let turn = {
            let mut flow = lock(&self.flow);
            flow.is_open = true;
            flow.turn += 1;
            flow.turn
        };
        let (flow, upstream) = (Arc::clone(&self.flow), self.upstream);
        thread::spawn(move || {
            for downstream in listener.incoming() {
                if lock(&flow).turn != turn {
                    return;
                }
                let Ok(downstream) = downstream else { continue };
                let flow = Arc::clone(&flow);
                thread::spawn(move || {
                    // Whoever is at the other end sees a broken connection, which is what happened.
                    let _broken = connect(&flow, turn, downstream, upstream);
                });
            }
        });
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shut();
    }
}

fn lock(flow: &Mutex<Flow>) -> MutexGuard<'_, Flow> {
    flow.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(
    flow: &Mutex<Flow>,
    turn: u64,
    downstream: TcpStream,
    upstream: SocketAddr,
) -> io::Result<()> {
    let upstream = TcpStream::connect(upstream)?;
    for stream in [&downstream, &upstream] {
        stream.set_nodelay(true)?;
    }
    let id = {
        let mut flow = lock(flow);
        if flow.turn != turn {
            return Ok(());
        }
        flow.next += 2;
        let id = flow.next;
        flow.streams.insert(id, downstream.try_clone()?);
        flow.streams.insert(id + 1, upstream.try_clone()?);
        id
    };
    let (down, up) = (downstream.try_clone()?, upstream.try_clone()?);
    let answers = thread::spawn(move || copy(up, down));
    copy(downstream, upstream);
    let _panicked = answers.join();
    let mut flow = lock(flow);
    flow.streams.remove(&id);
    flow.streams.remove(&(id + 1));
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _broken = io::copy(&mut from, &mut to);
    let _closed = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn what_flows_stops_when_it_is_shut_and_flows_again() {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = echo.local_addr().unwrap();
        thread::spawn(move || {
            for stream in echo.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() {
                        stream.write_all(&byte).unwrap();
                    }
                });
            }
        });
        let tap = Tap::open_to(address).unwrap();
        let ask = || -> io::Result<[u8; 1]> {
            let mut stream = TcpStream::connect(tap.address)?;
            stream.write_all(b"x")?;
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            Ok(byte)
        };
        assert_eq!(ask().unwrap(), *b"x");
        let mut held = TcpStream::connect(tap.address).unwrap();
        held.write_all(b"y").unwrap();
        let mut byte = [0];
        held.read_exact(&mut byte).unwrap();
        tap.shut();
        assert_eq!(held.read(&mut byte).unwrap_or(0), 0);
        assert_eq!(ask().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        tap.open().unwrap();
        assert_eq!(ask().unwrap(), *b"x");
    }
}
