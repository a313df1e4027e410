//! A node in front of an origin that the test plays: no wasm is needed for it.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use crate::support::Answer;

/// Longest wait for anything in these tests: less than the minute after which a test is ended without a word.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// What an origin was asked: heads as they came, the last one last.
pub(crate) type Heads = Arc<Mutex<Vec<String>>>;

/// An origin that answers every request with the same head and body, and keeps what it was asked.
pub(crate) struct Origin {
    pub(crate) address: String,
    heads: Heads,
    /// Whoever holds it keeps answers back.
    gate: Arc<Mutex<()>>,
}

impl Origin {
    /// Starts one whose answers have these fields and this body.
    pub(crate) fn start(fields: &str, body: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        let address = listener.local_addr().expect("has an address").to_string();
        let heads = Heads::default();
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{fields}\r\n{body}");
        let gate = Arc::new(Mutex::new(()));
        let (seen, kept) = (Arc::clone(&heads), Arc::clone(&gate));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, kept) = (Arc::clone(&seen), Arc::clone(&kept));
                let answer = answer.clone();
                std::thread::spawn(move || attend(stream, &seen, &kept, &answer));
            }
        });
        Self { address, heads, gate }
    }

    /// Keeps answers back until the guard is dropped.
    pub(crate) fn hold(&self) -> Held<'_> {
        Held { _gate: self.gate.lock().expect("is whole") }
    }

    /// Returns how often it was asked.
    pub(crate) fn count(&self) -> usize {
        self.heads.lock().expect("is whole").len()
    }

    /// Returns the fields of the last request, by name in small letters.
    pub(crate) fn last(&self) -> HashMap<String, String> {
        let heads = self.heads.lock().expect("is whole");
        let fields =
            heads.last().expect("was asked").lines().filter_map(|line| line.split_once(": "));
        fields.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect()
    }
}

/// Keeps an origin's answers back; nobody but its threads waits for it.
pub(crate) struct Held<'a> {
    _gate: MutexGuard<'a, ()>,
}

/// Answers requests, whose bodies have a known length if any, until the connection ends.
fn attend(stream: TcpStream, seen: &Heads, gate: &Mutex<()>, answer: &str) {
    let mut writer = stream.try_clone().expect("is cloned");
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        seen.lock().expect("is whole").push(head);
        drop(gate.lock());
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A running `vitrine-edge proxy`, killed when dropped.
pub(crate) struct Proxied {
    child: Child,
    /// Where it listens, by the first word of what it said: `listening`, `operators`.
    addresses: HashMap<String, String>,
}

impl Proxied {
    /// Starts one in front of `origin`, with operators' listener.
    pub(crate) fn start(origin: &Origin, arguments: &[&str]) -> Self {
        Self::start_telling(origin, arguments, Stdio::inherit())
    }

    /// As [`Proxied::start`], with standard error going to `stderr`.
    pub(crate) fn start_telling(origin: &Origin, arguments: &[&str], stderr: Stdio) -> Self {
        Self::start_with(origin, arguments, |command| {
            command.stderr(stderr);
        })
    }

    /// As [`Proxied::start`], after `prepare` has had its way.
    pub(crate) fn start_with(
        origin: &Origin,
        arguments: &[&str],
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        Self::start_before(&format!("http://{}", origin.address), arguments, prepare)
    }

    /// The same in front of whoever is at this URL.
    pub(crate) fn start_before(
        origin: &str,
        arguments: &[&str],
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = command(&["--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0"]);
        command.args(["--origin", origin]).args(arguments);
        // Requests would fill what the tests print.
        if !arguments.contains(&"--access-log") {
            command.args(["--access-log", "off"]);
        }
        prepare(&mut command);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("is piped"));
        let mut addresses = HashMap::new();
        // Operators' line comes last, and in the same write as the others.
        while !addresses.contains_key("operators") {
            let mut line = String::new();
            let read = lines.read_line(&mut line).expect("says something");
            assert!(read > 0, "it has ended");
            let (word, url) = line.trim().split_once(' ').expect("has two words");
            let address = url.split_once("://").expect("is an address").1;
            addresses.insert(word.to_owned(), address.to_owned());
        }
        Self { child, addresses }
    }

    /// Starts one whose addresses nobody needs.
    pub(crate) fn silent(mut command: Command) -> Self {
        Self { child: command.spawn().expect("starts"), addresses: HashMap::new() }
    }

    /// Returns where it listens for clients (`listening`), operators, and so on.
    pub(crate) fn address(&self, of: &str) -> &str {
        self.addresses.get(of).unwrap_or_else(|| panic!("no `{of}` in {:?}", self.addresses))
    }

    /// Sends `GET path` as a client.
    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        ask(self.address("listening"), "GET", path, headers, b"")
    }

    /// Sends a request as an operator.
    pub(crate) fn operate(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        ask(self.address("operators"), method, path, headers, body)
    }

    /// Waits until the metrics have this line.
    #[track_caller]
    pub(crate) fn until_metric(&self, line: &str) {
        eventually(line, || {
            let metrics = self.operate("GET", "/metrics", &[], b"").text();
            metrics.lines().any(|found| found == line)
        });
    }

    /// Sends SIGTERM.
    pub(crate) fn stop(&self) {
        self.signal("-TERM");
    }

    /// Sends a signal, for instance `-HUP`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("sends the signal");
        assert!(sent.success());
    }

    /// Kills it with SIGKILL: it can do nothing more.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("is killed");
        self.child.wait().expect("ends");
    }

    /// Waits for its end and returns the exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().expect("ends").code()
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What starts one, with these arguments alone.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine-edge"));
    command.arg("proxy").args(arguments).env("RUST_LOG", "warn");
    command
}

/// Runs a proxy that is expected to refuse; returns its exit code and what it said.
pub(crate) fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let origin = ["--origin", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"];
    let Output { status, stderr, .. } = command(&origin).args(arguments).output().expect("runs");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

/// Sends a request and reads until the node closes.
pub(crate) fn ask(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head.push_str(&format!("host: {address}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    let mut bytes = format!("{head}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("sets the limit");
    // A node that has already answered may close before it has read all.
    let _ = stream.write_all(&bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Answer::parse(&answer)
}

/// Asks until `is_so`, or fails after [`PATIENCE`].
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}
