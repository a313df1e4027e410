//! Content that is put together from pieces: the parts of `multipart/byteranges`, and files that are read as they are
//! sent.

use std::{
    collections::VecDeque,
    io,
    os::unix::fs::FileExt as _,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http1::FilePart;

/// Read of a file at a time: 64 KiB. What is stored was written a while ago and lies in memory as a rule.
const READ_BYTES: usize = 64 * 1024;

/// A piece of content.
#[derive(Debug, Clone)]
pub enum Piece {
    /// In memory.
    Bytes(Bytes),
    /// In a file.
    File(FilePart),
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::File(part) => part.length,
        }
    }
}

/// Pieces, one behind the other.
#[derive(Debug, Clone, Default)]
pub struct Pieces(VecDeque<Piece>);

impl Pieces {
    /// Adds a piece.
    pub fn push(&mut self, piece: Piece) {
        self.0.push_back(piece);
    }

    /// Returns how many bytes are left.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.0.iter().map(Piece::length).fold(0, u64::saturating_add)
    }
}

impl From<Piece> for Pieces {
    fn from(piece: Piece) -> Self {
        Self(VecDeque::from([piece]))
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        while let Some(piece) = self.0.front_mut() {
            if piece.length() == 0 {
                self.0.pop_front();
                continue;
            }
            return Poll::Ready(Some(match piece {
                Piece::Bytes(bytes) => Ok(Frame::data(std::mem::take(bytes))),
                Piece::File(part) => read(part).map(Frame::data),
            }));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.length() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}

fn read(part: &mut FilePart) -> io::Result<Bytes> {
    let wanted = usize::try_from(part.length).unwrap_or(usize::MAX).min(READ_BYTES);
    let mut bytes = vec![0; wanted];
    let read = part.file.read_at(&mut bytes, part.offset)?;
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    bytes.truncate(read);
    let read = u64::try_from(read).unwrap_or(u64::MAX);
    part.offset = part.offset.saturating_add(read);
    part.length = part.length.saturating_sub(read);
    Ok(bytes.into())
}
