//! What a connection is made of.

use std::{
    fs::File,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, Interest},
    net::TcpStream,
};

/// A stream that may be able to send a file without its bytes passing through this process.
pub trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// Sends up to `length` bytes of `file` from `offset`; returns how many. `None` where it cannot: then they are read
    /// and written.
    ///
    /// # Errors
    /// As writing has them.
    fn poll_send_file(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _file: &File,
        _offset: u64,
        _length: usize,
    ) -> Poll<io::Result<Option<usize>>> {
        Poll::Ready(Ok(None))
    }
}

impl Transport for TcpStream {
    fn poll_send_file(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        file: &File,
        offset: u64,
        length: usize,
    ) -> Poll<io::Result<Option<usize>>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            let sent = self.try_io(Interest::WRITABLE, || {
                let mut from = offset;
                Ok(rustix::fs::sendfile(&*self, file, Some(&mut from), length)?)
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    return Poll::Ready(Ok(None));
                }
                sent => return Poll::Ready(sent.map(Some)),
            }
        }
    }
}

impl Transport for tokio::io::DuplexStream {}
