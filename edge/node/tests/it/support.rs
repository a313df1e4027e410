//! A node of its own for each test, and the plainest HTTP client there is.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

/// Longest wait for anything in these tests: compiling the guest on a busy machine takes longest.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns this package's folder, of the clone that the tests run in: another one may have built them.
pub(crate) fn package() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("is set by cargo"))
}

/// Returns the guests' wasm file.
pub(crate) fn guests() -> PathBuf {
    let path = std::env::var_os("VITRINE_GUESTS_WASM").expect(
        "VITRINE_GUESTS_WASM is not set: build the guests with `cargo build -p guests --target wasm32-wasip2 \
         --profile wasm` and set it to the path of guests.wasm, or run `cargo xtask test`",
    );
    PathBuf::from(path)
}

/// Returns the wasm file of the guests that stand before others.
pub(crate) fn middleware() -> PathBuf {
    let path = std::env::var_os("VITRINE_GUESTS_MIDDLEWARE_WASM").expect(
        "VITRINE_GUESTS_MIDDLEWARE_WASM is not set: build the guests as for VITRINE_GUESTS_WASM with \
         `--features middleware`, or run `cargo xtask test`",
    );
    PathBuf::from(path)
}

/// Returns the wasm file of the guests of WASI 0.2.
pub(crate) fn guests_02() -> PathBuf {
    let path = std::env::var_os("VITRINE_GUESTS_P2_WASM").expect(
        "VITRINE_GUESTS_P2_WASM is not set: build the guests with `cargo build -p guests-p2 --target wasm32-wasip2 \
         --profile wasm` and set it to the path of guests_p2.wasm, or run `cargo xtask test`",
    );
    PathBuf::from(path)
}

/// A manifest with component `guest` on every route and `extra` at its end.
pub(crate) fn manifest(extra: &str) -> String {
    manifest_of(&guests(), extra)
}

/// The same with another wasm file.
pub(crate) fn manifest_of(wasm: &Path, extra: &str) -> String {
    format!(
        "spin_manifest_version = 2\n[application]\nname = \"guests\"\n[[trigger.http]]\nroute = \"/...\"\n\
         component = \"guest\"\n[component.guest]\nsource = {wasm:?}\n{extra}\n"
    )
}

/// A running node, killed when dropped.
pub(crate) struct Node {
    child: Child,
    address: String,
    /// Holds manifest and state.
    pub(crate) dir: Arc<tempfile::TempDir>,
}

impl Node {
    /// Starts a node on `manifest` with further arguments, and waits until it accepts.
    pub(crate) fn start(manifest: &str, arguments: &[&str]) -> Self {
        Self::start_telling(manifest, arguments, Stdio::inherit())
    }

    /// As [`Node::start`], in a directory that `prepare` has put something into.
    pub(crate) fn start_prepared(
        manifest: &str,
        arguments: &[&str],
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("makes a folder"));
        prepare(dir.path());
        Self::start_in(dir, manifest, arguments)
    }

    /// As [`Node::start`], with standard error going to `stderr`.
    pub(crate) fn start_telling(manifest: &str, arguments: &[&str], stderr: Stdio) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("makes a folder"));
        let mut command = command(dir.path(), manifest, arguments);
        command.stderr(stderr);
        let (child, address) = spawn(command);
        Self { child, address, dir }
    }

    /// Ends with SIGTERM and starts again on the same state directory.
    pub(crate) fn again(mut self, manifest: &str, arguments: &[&str]) -> Self {
        assert_eq!(self.terminate(), Some(0));
        Self::start_in(Arc::clone(&self.dir), manifest, arguments)
    }

    /// Is killed as by a power failure, and starts again on the same state directory.
    pub(crate) fn after_a_crash(mut self, manifest: &str, arguments: &[&str]) -> Self {
        self.child.kill().expect("is killed");
        self.child.wait().expect("ends");
        Self::start_in(Arc::clone(&self.dir), manifest, arguments)
    }

    /// Runs a node that resumes on this one's state directory and is expected to refuse.
    pub(crate) fn resumed(&self, manifest: &str) -> Output {
        command(self.dir.path(), manifest, &["--resume"]).output().expect("runs")
    }

    fn start_in(dir: Arc<tempfile::TempDir>, manifest: &str, arguments: &[&str]) -> Self {
        let (child, address) = spawn(command(dir.path(), manifest, arguments));
        Self { child, address, dir }
    }

    /// Starts a node from a line of shell that runs in its directory and ends with `exec "$@"`.
    pub(crate) fn start_by(shell: &str, manifest: &str) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("makes a folder"));
        let node = command(dir.path(), manifest, &[]);
        let mut command = Command::new("sh");
        command.current_dir(dir.path()).args(["-ec", shell, "sh"]).arg(node.get_program());
        command.args(node.get_args()).env("RUST_LOG", "warn");
        let (child, address) = spawn(command);
        Self { child, address, dir }
    }

    /// Returns the names of its threads.
    pub(crate) fn threads(&self) -> Vec<String> {
        let folder = format!("/proc/{}/task", self.child.id());
        let tasks = std::fs::read_dir(folder).expect("it runs").flatten();
        // One may end between the list and its name.
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.map(|name| name.trim_end().to_owned()).collect()
    }

    /// Starts a proxy in front of `origins`.
    pub(crate) fn proxy(origins: &[&str], arguments: &[&str]) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("makes a folder"));
        let mut command = proxy_command(origins, arguments);
        // What it leaves when it is killed goes with the test.
        command.env("TMPDIR", dir.path());
        let (child, address) = spawn(command);
        Self { child, address, dir }
    }

    /// Runs a proxy that is expected to refuse; returns its exit code and what it said.
    pub(crate) fn proxy_refused(origins: &[&str]) -> (Option<i32>, String) {
        let Output { status, stderr, .. } = proxy_command(origins, &[]).output().expect("runs");
        (status.code(), String::from_utf8_lossy(&stderr).into_owned())
    }

    /// Ends the node and starts it again on the same manifest and state.
    pub(crate) fn restart(&mut self, arguments: &[&str]) {
        self.terminate();
        let text = std::fs::read_to_string(self.dir.path().join("spin.toml")).expect("is there");
        (self.child, self.address) = spawn(command(self.dir.path(), &text, arguments));
    }

    /// Sends `GET path` with `headers`.
    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers, b"")
    }

    /// Sends a request with a body of known length.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: edge.test\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        let mut bytes = format!("{head}\r\n").into_bytes();
        bytes.extend_from_slice(body);
        self.raw(&bytes)
    }

    /// Sends `bytes` as they are and reads until the node closes.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        // A node that has already answered may close before it has read all.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Answer::parse(&answer)
    }

    /// Opens a connection.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("sets the limit");
        stream
    }

    /// Runs `vitrine-edge COMMAND --state-dir …` against this node.
    pub(crate) fn operate(&self, command: &str, arguments: &[&str]) -> Output {
        let state_dir = self.dir.path().join("state");
        Command::new(env!("CARGO_BIN_EXE_vitrine-edge"))
            .arg(command)
            .arg("--state-dir")
            .arg(state_dir)
            .args(arguments)
            .output()
            .expect("runs")
    }

    /// Waits until the metrics have a line that ends with `line`.
    #[track_caller]
    pub(crate) fn until_metric(&self, line: &str) {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let metrics = self.get("/metrics", &[]).text();
            if metrics.lines().any(|found| found.ends_with(line)) {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "never `{line}`: {metrics}");
        }
    }

    /// Most memory that the process has had so far, in KiB.
    pub(crate) fn peak_memory_kib(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("is there");
        line.trim().trim_end_matches(" kB").parse().expect("is a number")
    }

    /// Returns `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends SIGTERM and returns the exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.wait().expect("ends").code()
    }

    /// Sends a signal, for instance `-HUP`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("sends the signal");
        assert!(sent.success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a node and waits until it says where it listens.
fn spawn(mut command: Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("is piped");
    BufReader::new(stdout).read_line(&mut line).expect("says something");
    let address = line.trim().split_once("://").expect("listens").1.to_owned();
    (child, address)
}

/// Runs a node that is expected to refuse; returns its exit code and what it said.
pub(crate) fn refused(manifest: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().expect("makes a folder");
    refused_in(dir.path(), manifest, arguments)
}

/// The same with a directory that holds something already.
pub(crate) fn refused_in(dir: &Path, manifest: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command(dir, manifest, arguments).output().expect("runs");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

fn proxy_command(origins: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine-edge"));
    command.args(["proxy", "--node-id", "test-1", "--listen", "127.0.0.1:0"]);
    for origin in origins {
        command.args(["--origin", origin]);
    }
    if !arguments.contains(&"--access-log") {
        command.args(["--access-log", "off"]);
    }
    command.args(arguments).env("RUST_LOG", "warn");
    command
}

fn command(dir: &Path, manifest: &str, arguments: &[&str]) -> Command {
    std::fs::write(dir.join("spin.toml"), manifest).expect("writes the manifest");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine-edge"));
    command.args(["up", "--node-id", "test-1", "--from"]).arg(dir.join("spin.toml"));
    command.arg("--state-dir").arg(dir.join("state")).args(arguments);
    if !arguments.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    // Requests would fill what the tests print.
    if !arguments.contains(&"--access-log") && !arguments.contains(&"--log-format") {
        command.args(["--access-log", "off"]);
    }
    command.env("RUST_LOG", "warn").env_remove("SPIN_VARIABLE_SECRET");
    command
}

/// An answer, wholly read.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 0 if the connection was closed without a word.
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end, by length or by the last chunk.
    is_whole: bool,
}

impl Answer {
    /// Reads what came until the connection ended.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            assert!(bytes.is_empty(), "{}", String::from_utf8_lossy(bytes));
            return Self { status: 0, headers: Vec::new(), body: Vec::new(), is_whole: false };
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers =
            headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let mut answer = Self {
            status: status.expect("has a status"),
            headers,
            body: bytes[end + 4..].to_vec(),
            is_whole: true,
        };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.is_whole = answer.body.ends_with(b"0\r\n\r\n");
            answer.body = dechunked(&answer.body);
        } else if let Some(length) = answer.header("content-length") {
            answer.is_whole = length.parse() == Ok(answer.body.len());
        }
        answer
    }

    /// Whether the body came to its end.
    pub(crate) const fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Asserts that the head said 200, if it got through, and that the body has no end.
    #[track_caller]
    pub(crate) fn assert_cut_short(&self) {
        assert!(matches!(self.status, 0 | 200), "{}", self.text());
        assert!(!self.is_whole, "{} bytes, and the end", self.body.len());
    }

    /// Returns the first value of `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Returns the body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Asserts that this is a problem of `code` with nothing in it but the four members.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem: serde_json::Value = serde_json::from_slice(&self.body).expect("is JSON");
        let members: Vec<&String> = problem.as_object().expect("is an object").keys().collect();
        assert_eq!(members, ["request_id", "status", "title", "type"]);
        assert_eq!(problem["status"], status);
        let kind = problem["type"].as_str().expect("is a text");
        assert!(kind.ends_with(&format!("/{code}")), "{kind}");
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
    }
}

/// Puts chunks together; stops where they break off.
fn dechunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..end]).into_owned();
        let size = usize::from_str_radix(size.trim(), 16).expect("is a chunk size");
        let from = end + 2;
        if size == 0 || rest.len() < from + size + 2 {
            break;
        }
        body.extend_from_slice(&rest[from..from + size]);
        rest = &rest[from + size + 2..];
    }
    body
}
