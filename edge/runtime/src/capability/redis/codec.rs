//! RESP2, the protocol of Redis: commands out, answers in, the memory of an answer bounded while it arrives.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Nil,
    Status(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    List(Vec<Self>),
}

/// Why no answer can be read any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("read an answer")]
    Io(#[from] io::Error),
    #[error("the answer breaks the protocol")]
    Format,
    #[error("the answer is too large")]
    TooLarge,
}

/// Longest line: 64 KiB, as Redis itself reads.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// How deep lists may lie in lists. Redis' own answers need three or four.
const DEPTH_MAX: usize = 16;
/// What one value costs beside its bytes, so that a list of a million empty values is not free.
const REPLY_BYTES: usize = size_of::<Reply>();

/// Writes a command, its name first, as a list of strings.
pub(crate) fn encode(command: &[&[u8]]) -> Vec<u8> {
    let size: usize = command.iter().map(|part| part.len() + 16).sum();
    let mut bytes = Vec::with_capacity(size + 16);
    bytes.extend_from_slice(format!("*{}\r\n", command.len()).as_bytes());
    for part in command {
        bytes.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Reads one answer of at most `bytes_max` bytes.
pub(crate) async fn read(
    reader: &mut (impl AsyncBufRead + Unpin),
    bytes_max: usize,
) -> Result<Reply, Broken> {
    let mut room = bytes_max;
    // Lists that are not full yet, outermost first: how many values are missing, and those that are there.
    let mut open: Vec<(usize, Vec<Reply>)> = Vec::new();
    loop {
        room = room.checked_sub(REPLY_BYTES).ok_or(Broken::TooLarge)?;
        let mut reply = match read_one(reader, &mut room).await? {
            Item::Value(reply) => reply,
            Item::List(0) => Reply::List(Vec::new()),
            Item::List(_) if open.len() >= DEPTH_MAX => return Err(Broken::Format),
            Item::List(missing) => {
                // Refused before the first of its values is read, and memory is taken only as they come.
                if missing > room / REPLY_BYTES {
                    return Err(Broken::TooLarge);
                }
                open.push((missing, Vec::new()));
                continue;
            }
        };
        loop {
            let Some((missing, mut values)) = open.pop() else { return Ok(reply) };
            values.push(reply);
            if missing > 1 {
                open.push((missing - 1, values));
                break;
            }
            reply = Reply::List(values);
        }
    }
}

enum Item {
    Value(Reply),
    List(usize),
}

async fn read_one(
    reader: &mut (impl AsyncBufRead + Unpin),
    room: &mut usize,
) -> Result<Item, Broken> {
    let line = read_line(reader, room).await?;
    let (kind, rest) = line.split_at_checked(1).ok_or(Broken::Format)?;
    let text = || String::from_utf8_lossy(rest).into_owned();
    let number = || -> Result<i64, Broken> {
        let digits = std::str::from_utf8(rest).map_err(|_| Broken::Format)?;
        digits.parse().map_err(|_| Broken::Format)
    };
    let length = || match number()? {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| Broken::Format),
    };
    Ok(match kind {
        b"+" => Item::Value(Reply::Status(text())),
        b"-" => Item::Value(Reply::Error(text())),
        b":" => Item::Value(Reply::Integer(number()?)),
        b"$" => Item::Value(match length()? {
            None => Reply::Nil,
            Some(length) => Reply::Bulk(read_bulk(reader, length, room).await?),
        }),
        b"*" => match length()? {
            None => Item::Value(Reply::Nil),
            Some(length) => Item::List(length),
        },
        _ => return Err(Broken::Format),
    })
}

/// Reads a line without its end.
async fn read_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    room: &mut usize,
) -> Result<Vec<u8>, Broken> {
    let mut line = Vec::new();
    let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
    (&mut *reader).take(limit).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(Broken::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    if line.pop() != Some(b'\n') || line.pop() != Some(b'\r') {
        return Err(Broken::Format);
    }
    *room = room.checked_sub(line.len()).ok_or(Broken::TooLarge)?;
    Ok(line)
}

async fn read_bulk(
    reader: &mut (impl AsyncBufRead + Unpin),
    length: usize,
    room: &mut usize,
) -> Result<Vec<u8>, Broken> {
    *room = room.checked_sub(length).ok_or(Broken::TooLarge)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(length).unwrap_or(u64::MAX);
    (&mut *reader).take(limit).read_to_end(&mut bytes).await?;
    let mut end = [0; 2];
    reader.read_exact(&mut end).await?;
    if bytes.len() != length || end != *b"\r\n" {
        return Err(Broken::Format);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parsed(bytes: &[u8]) -> Result<Reply, Broken> {
        read(&mut &bytes[..], 10_000).await
    }

    #[test]
    fn writes_commands_whatever_their_bytes() {
        let command = encode(&[b"SET", b"k", b"\r\n\0"]);
        assert_eq!(command, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n\r\n\0\r\n");
    }

    #[tokio::test]
    async fn reads_every_kind_of_answer() {
        let bulk = |bytes: &[u8]| Reply::Bulk(bytes.to_vec());
        for (bytes, expected) in [
            (&b"+OK\r\n"[..], Reply::Status("OK".to_owned())),
            (b"-ERR no\r\n", Reply::Error("ERR no".to_owned())),
            (b":-5\r\n", Reply::Integer(-5)),
            (b"$3\r\na\r\n\r\n", bulk(b"a\r\n")),
            (b"$0\r\n\r\n", bulk(b"")),
            (b"$-1\r\n", Reply::Nil),
            (b"*-1\r\n", Reply::Nil),
            (b"*0\r\n", Reply::List(Vec::new())),
            (
                b"*3\r\n*2\r\n:1\r\n*0\r\n$1\r\nx\r\n$-1\r\n",
                Reply::List(vec![
                    Reply::List(vec![Reply::Integer(1), Reply::List(Vec::new())]),
                    bulk(b"x"),
                    Reply::Nil,
                ]),
            ),
        ] {
            assert_eq!(parsed(bytes).await.expect("is an answer"), expected);
        }
    }

    #[tokio::test]
    async fn refuses_what_is_no_answer() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\n"[..],
            b"\r\n",
            b":x\r\n",
            b":1\n",
            b"$-2\r\n",
            b"$1\r\nabc\r\n",
            b"*x\r\n",
        ] {
            assert!(matches!(parsed(bytes).await, Err(Broken::Format)), "{bytes:?}");
        }
        for cut in [&b""[..], b"$5\r\nab", b"*2\r\n:1\r\n"] {
            assert!(matches!(parsed(cut).await, Err(Broken::Io(_) | Broken::Format)), "{cut:?}");
        }
        let deep = b"*1\r\n".repeat(DEPTH_MAX + 1);
        assert!(matches!(parsed(&deep).await, Err(Broken::Format)));
    }

    #[tokio::test]
    async fn refuses_what_is_announced_too_large_before_it_arrives() {
        for bytes in [&b"$2000000000\r\n"[..], b"*1000000000\r\n", b"*400\r\n*400\r\n"] {
            let refused = parsed(bytes).await;
            assert!(matches!(refused, Err(Broken::TooLarge)), "{bytes:?}: {refused:?}");
        }
        // Each value is small, and all together are not.
        let values = b"$20\r\n01234567890123456789\r\n".repeat(250);
        let refused = parsed(&[&b"*250\r\n"[..], &values].concat()).await;
        assert!(matches!(refused, Err(Broken::TooLarge)), "{refused:?}");
    }
}
