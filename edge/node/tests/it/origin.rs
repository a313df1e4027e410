//! An origin that says byte for byte what a test wants.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    /// By lower-case name; lines of the same name are joined.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// By lower-case name.
    pub(crate) trailers: BTreeMap<String, String>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What is said to a request.
pub(crate) enum Said {
    /// These bytes, and the connection stays.
    Bytes(Vec<u8>),
    /// These bytes, one after the other with pauses, and the connection stays.
    Slowly(Vec<Vec<u8>>, Duration),
    /// These bytes, then the end.
    Last(Vec<u8>),
}

/// Answers with a head and a body of known length.
pub(crate) fn said(head: &str, body: &str) -> Said {
    let head = head.trim_end();
    Said::Bytes(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

type Answers = dyn Fn(&Asked) -> Said + Send + Sync;

/// An origin; it stops to accept when dropped.
pub(crate) struct Origin {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    is_over: Arc<AtomicBool>,
}

impl Origin {
    pub(crate) fn start(answers: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        let address = listener.local_addr().expect("has an address").to_string();
        let (asked, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (kept, over) = (Arc::clone(&asked), Arc::clone(&is_over));
        let answers: Arc<Answers> = Arc::new(answers);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(SeqCst) {
                    return;
                }
                let (kept, answers) = (Arc::clone(&kept), Arc::clone(&answers));
                std::thread::spawn(move || converse(&stream, &kept, &*answers));
            }
        });
        Self { address, asked, is_over }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns what it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("is not poisoned").clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.is_over.store(true, SeqCst);
        // Its thread waits for a connection.
        let _ = TcpStream::connect(&self.address);
    }
}

fn converse(stream: &TcpStream, kept: &Mutex<Vec<Asked>>, answers: &Answers) {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(asked) = read(&mut reader, stream) {
        kept.lock().expect("is not poisoned").push(asked.clone());
        // Whoever asked may have gone.
        match answers(&asked) {
            Said::Bytes(bytes) => drop(writer.write_all(&bytes)),
            Said::Slowly(pieces, pause) => {
                for piece in pieces {
                    // sleeps because it plays a slow origin
                    std::thread::sleep(pause);
                    if writer.write_all(&piece).is_err() {
                        return;
                    }
                }
            }
            Said::Last(bytes) => {
                drop(writer.write_all(&bytes));
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>, mut stream: &TcpStream) -> Option<Asked> {
    let line = line(reader)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::<String, String>::new();
    loop {
        let field = self::line(reader)?;
        let Some((name, value)) = field.split_once(':') else { break };
        let (name, value) = (name.to_lowercase(), value.trim());
        let joined = headers.entry(name).or_default();
        if !joined.is_empty() {
            joined.push_str(", ");
        }
        joined.push_str(value);
    }
    if headers.get("expect").is_some_and(|expected| expected == "100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let (mut body, mut trailers) = (Vec::new(), BTreeMap::new());
    if let Some(length) = headers.get("content-length") {
        body.resize(length.parse().ok()?, 0);
        reader.read_exact(&mut body).ok()?;
    } else if headers.contains_key("transfer-encoding") {
        loop {
            let size = usize::from_str_radix(&self::line(reader)?, 16).ok()?;
            let mut chunk = vec![0; size];
            reader.read_exact(&mut chunk).ok()?;
            body.extend_from_slice(&chunk);
            if size == 0 {
                while let Some((name, value)) = self::line(reader)?.split_once(':') {
                    trailers.insert(name.to_lowercase(), value.trim().to_owned());
                }
                break;
            }
            self::line(reader)?;
        }
    }
    Some(Asked { method, target, headers, body, trailers })
}

fn line(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    let read = reader.read_until(b'\n', &mut line).ok()?;
    (read > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
}
