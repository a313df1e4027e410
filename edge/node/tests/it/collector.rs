//! A collector of spans that the test plays.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// Heads and bodies of what was sent.
type Taken = Arc<Mutex<Vec<(String, String)>>>;

/// A collector that answers everything with one status.
pub(crate) struct Collector {
    pub(crate) address: String,
    taken: Taken,
}

impl Collector {
    /// Starts one that answers with `status`.
    pub(crate) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        let address = listener.local_addr().expect("has an address").to_string();
        let taken = Taken::default();
        let seen = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                take(stream, &seen, status);
            }
        });
        Self { address, taken }
    }

    /// Returns what was sent so far.
    pub(crate) fn taken(&self) -> Vec<(String, String)> {
        self.taken.lock().expect("is whole").clone()
    }
}

fn take(stream: TcpStream, taken: &Taken, status: u16) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.expect("says its length")];
    reader.read_exact(&mut body).expect("is whole");
    taken.lock().expect("is whole").push((head, String::from_utf8(body).expect("is text")));
    let answer =
        format!("HTTP/1.1 {status} So\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
    let _ = reader.into_inner().write_all(answer.as_bytes());
}
