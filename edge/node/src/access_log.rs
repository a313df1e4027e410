//! One line per request, written by a thread of its own: a request never waits for whoever reads the log.
//!
//! Each serving thread appends to its own buffer; the writer takes the buffers some fifty times a second. What finds a
//! full buffer is dropped and counted.

use std::{
    fs::File,
    io::{self, Write},
    net::IpAddr,
    os::fd::AsFd as _,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cache_core::cache_status::Word;
use domain::Timestamp;
use http::Version;

use crate::{cli::AccessLogFormat, shard::PerThread, trace_context::TraceId};

/// Bytes that may wait in each thread's buffer: 1 MiB, some 7 000 lines.
const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// From here the writer is told at once.
const WAITING_BYTES_URGENT: usize = WAITING_BYTES_MAX / 2;
/// How long lines wait for others, so that one write takes many.
const GATHERING: Duration = Duration::from_millis(20);
/// Longest wait for the last lines at the end: whoever reads the log may have stopped reading.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// What is told of a request.
pub(crate) struct Line<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) method: &'a str,
    /// Without the query, which may hold secrets.
    pub(crate) path: &'a str,
    pub(crate) route: &'a str,
    pub(crate) version: u64,
    pub(crate) status: u16,
    pub(crate) duration: Duration,
    pub(crate) client: IpAddr,
    pub(crate) protocol: Version,
    /// What the cache had to do with it; `None` where there is none.
    pub(crate) word: Option<Word>,
    /// Bytes of the answer's content, before any coding of the connection; `None` where that is not known at its head.
    pub(crate) content_length: Option<u64>,
    /// `None` for what was no request.
    pub(crate) trace_id: Option<TraceId>,
}

impl Line<'_> {
    const fn protocol(&self) -> &'static str {
        match self.protocol {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_3 => "HTTP/3",
            _ => "HTTP/1.1",
        }
    }
}

/// Where lines go; nowhere if the log is off.
pub(crate) struct AccessLog(Option<Arc<Shared>>);

struct Shared {
    format: AccessLogFormat,
    buffers: PerThread<Mutex<Buffer>>,
    dropped: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    has_lines: bool,
    is_urgent: bool,
    is_stopping: bool,
    is_done: bool,
}

#[derive(Default)]
struct Buffer {
    lines: Vec<u8>,
    /// The second that `stamp` tells.
    second: u64,
    stamp: String,
}

impl AccessLog {
    /// Starts the writer to standard error.
    pub(crate) fn start(format: AccessLogFormat) -> io::Result<Self> {
        // A file of its own: whoever else writes to standard error would wait for its lock while a reader is slow.
        Self::start_to(format, File::from(io::stderr().as_fd().try_clone_to_owned()?))
    }

    fn start_to(format: AccessLogFormat, to: impl Write + Send + 'static) -> io::Result<Self> {
        if format == AccessLogFormat::Off {
            return Ok(Self(None));
        }
        let shared = Arc::new(Shared {
            format,
            buffers: PerThread::new(),
            dropped: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let writer = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.write_to(to))?;
        Ok(Self(Some(shared)))
    }

    /// Whether a line would go anywhere.
    pub(crate) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Puts a line down, or counts it as dropped; never waits for the writer.
    pub(crate) fn tell(&self, line: &Line<'_>) {
        if let Some(shared) = &self.0 {
            shared.tell(line);
        }
    }

    /// Returns how many lines were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |shared| shared.dropped.load(Relaxed))
    }

    /// Writes what waits and ends the writer; gives up after a second.
    pub(crate) fn stop(&self) {
        let Some(shared) = &self.0 else { return };
        let mut state = shared.state();
        state.is_stopping = true;
        shared.changed.notify_all();
        let waited = shared.changed.wait_timeout_while(state, FAREWELL_MAX, |state| !state.is_done);
        drop(waited);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, line: &Line<'_>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut buffer = self.buffers.mine().lock().unwrap_or_else(PoisonError::into_inner);
        let before = buffer.lines.len();
        if before >= WAITING_BYTES_MAX {
            drop(buffer);
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        buffer.append(self.format, now, line);
        let after = buffer.lines.len();
        drop(buffer);
        if before == 0 {
            let mut state = self.state();
            if !std::mem::replace(&mut state.has_lines, true) {
                self.changed.notify_all();
            }
        }
        if before < WAITING_BYTES_URGENT && after >= WAITING_BYTES_URGENT {
            self.state().is_urgent = true;
            self.changed.notify_all();
        }
    }

    fn write_to(&self, mut to: impl Write) {
        let mut told_of = 0;
        let mut taken = Vec::new();
        loop {
            let is_last = self.wait();
            for buffer in self.buffers.iter() {
                let mut buffer = buffer.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::swap(&mut buffer.lines, &mut taken);
                drop(buffer);
                // Whoever read the log is gone: the node serves on.
                let _ = to.write_all(&taken);
                taken.clear();
            }
            let dropped = self.dropped.load(Relaxed);
            if dropped > told_of {
                tracing::warn!(lines = dropped - told_of, "access log lines dropped");
                told_of = dropped;
            }
            if is_last {
                let _ = to.flush();
                self.state().is_done = true;
                self.changed.notify_all();
                return;
            }
        }
    }

    /// Waits until there are lines and some time for others has passed; `true` if these are the last.
    fn wait(&self) -> bool {
        let state = self.state();
        let is_quiet = |state: &mut State| !state.has_lines && !state.is_stopping;
        let state =
            self.changed.wait_while(state, is_quiet).unwrap_or_else(PoisonError::into_inner);
        let is_gathering = |state: &mut State| !state.is_urgent && !state.is_stopping;
        let waited = self.changed.wait_timeout_while(state, GATHERING, is_gathering);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.has_lines = false;
        state.is_urgent = false;
        state.is_stopping
    }
}

impl Buffer {
    fn append(&mut self, format: AccessLogFormat, now: Duration, line: &Line<'_>) {
        if self.second != now.as_secs() || self.stamp.is_empty() {
            self.second = now.as_secs();
            let ms = i64::try_from(self.second).unwrap_or(0).saturating_mul(1000);
            let stamp = Timestamp::from_unix_ms(ms).to_string();
            // Up to the second: the fraction changes with every line.
            self.stamp.clear();
            self.stamp.push_str(stamp.get(..19).unwrap_or(&stamp));
        }
        let ms = now.subsec_millis();
        match format {
            AccessLogFormat::Off => {}
            AccessLogFormat::Text => self.append_text(ms, line),
            AccessLogFormat::Json => self.append_json(ms, line),
        }
    }

    fn append_text(&mut self, ms: u32, line: &Line<'_>) {
        let Self { lines, stamp, .. } = self;
        push(lines, &[stamp, "."]);
        push_number(lines, ms.into(), 3);
        push(lines, &["Z request method=", line.method, " path=\""]);
        push_escaped(lines, line.path);
        push(lines, &["\" route=\""]);
        push_escaped(lines, line.route);
        push(lines, &["\" version="]);
        push_number(lines, line.version, 1);
        push(lines, &[" status="]);
        push_number(lines, line.status.into(), 1);
        push(lines, &[" duration_ms="]);
        push_milliseconds(lines, line.duration);
        push(lines, &[" client="]);
        push_address(lines, line.client);
        push(lines, &[" protocol=", line.protocol()]);
        push(lines, &[" cache=", line.word.map_or("-", Word::as_str), " bytes="]);
        match line.content_length {
            Some(bytes) => push_number(lines, bytes, 1),
            None => lines.push(b'-'),
        }
        if let Some(trace_id) = line.trace_id {
            push(lines, &[" trace_id=", trace_id.to_hex().as_str()]);
        }
        push(lines, &[" request.id=", line.request_id, "\n"]);
    }

    fn append_json(&mut self, ms: u32, line: &Line<'_>) {
        let Self { lines, stamp, .. } = self;
        push(lines, &["{\"timestamp\":\"", stamp, "."]);
        push_number(lines, ms.into(), 3);
        push(lines, &["Z\",\"message\":\"request\",\"method\":\"", line.method, "\",\"path\":\""]);
        push_escaped(lines, line.path);
        push(lines, &["\",\"route\":\""]);
        push_escaped(lines, line.route);
        push(lines, &["\",\"version\":"]);
        push_number(lines, line.version, 1);
        push(lines, &[",\"status\":"]);
        push_number(lines, line.status.into(), 1);
        push(lines, &[",\"duration_ms\":"]);
        push_milliseconds(lines, line.duration);
        if let Some(bytes) = line.content_length {
            push(lines, &[",\"bytes\":"]);
            push_number(lines, bytes, 1);
        }
        push(lines, &[",\"client\":\""]);
        push_address(lines, line.client);
        push(lines, &["\",\"protocol\":\"", line.protocol()]);
        if let Some(word) = line.word {
            push(lines, &["\",\"cache\":\"", word.as_str()]);
        }
        if let Some(trace_id) = line.trace_id {
            push(lines, &["\",\"trace_id\":\"", trace_id.to_hex().as_str()]);
        }
        push(lines, &["\",\"request.id\":\"", line.request_id, "\"}\n"]);
    }
}

fn push(lines: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        lines.extend_from_slice(part.as_bytes());
    }
}

/// Appends `number` with at least `digits` digits.
fn push_number(lines: &mut Vec<u8>, mut number: u64, digits: usize) {
    // The longest number has twenty.
    let mut text = [b'0'; 20];
    let mut used = 0;
    for digit in text.iter_mut().rev() {
        if number == 0 && used >= digits {
            break;
        }
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        used += 1;
    }
    lines.extend_from_slice(text.get(text.len() - used..).unwrap_or_default());
}

fn push_milliseconds(lines: &mut Vec<u8>, duration: Duration) {
    let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    push_number(lines, us / 1000, 1);
    lines.push(b'.');
    push_number(lines, us % 1000, 3);
}

fn push_address(lines: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            for (at, byte) in v4.octets().into_iter().enumerate() {
                if at > 0 {
                    lines.push(b'.');
                }
                push_number(lines, byte.into(), 1);
            }
        }
        // Writing to memory cannot fail.
        IpAddr::V6(v6) => drop(write!(lines, "{v6}")),
    }
}

/// What a client says must not end the line or the text around it.
fn push_escaped(lines: &mut Vec<u8>, text: &str) {
    let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\' && byte != 0x7f;
    if text.bytes().all(is_plain) {
        lines.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => lines.extend_from_slice(&[b'\\', byte]),
            _ if is_plain(byte) => lines.push(byte),
            _ => drop(write!(lines, "\\u{byte:04x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn line(path: &str) -> Line<'_> {
        Line {
            request_id: "id-12345",
            method: "GET",
            path,
            route: "/...",
            version: 3,
            status: 200,
            duration: Duration::from_micros(12_034),
            client: IpAddr::from([192, 0, 2, 10]),
            protocol: Version::HTTP_2,
            word: Some(Word::Hit),
            content_length: Some(7),
            trace_id: None,
        }
    }

    fn told(format: AccessLogFormat, line: &Line<'_>) -> String {
        let mut buffer = Buffer::default();
        buffer.append(format, Duration::from_millis(1_764_354_600_007), line);
        String::from_utf8(buffer.lines).expect("is text")
    }

    #[test]
    fn writes_one_line_per_request() {
        assert_eq!(
            told(AccessLogFormat::Text, &line("/a")),
            "2025-11-28T18:30:00.007Z request method=GET path=\"/a\" route=\"/...\" version=3 status=200 \
             duration_ms=12.034 client=192.0.2.10 protocol=HTTP/2 cache=HIT bytes=7 request.id=id-12345\n"
        );
        let client = "2001:db8::1".parse().expect("is an address");
        let json = told(AccessLogFormat::Json, &Line { client, ..line("/a\"\\\u{7f}ü") });
        let json: serde_json::Value = serde_json::from_str(&json).expect("is JSON");
        assert_eq!(json["path"], "/a\"\\\u{7f}ü");
        assert_eq!((&json["duration_ms"], &json["status"]), (&12.034.into(), &200.into()));
        assert_eq!(json["client"], "2001:db8::1");
        assert_eq!(json["version"], 3);
        assert_eq!((&json["protocol"], &json["cache"]), (&"HTTP/2".into(), &"HIT".into()));
        assert_eq!((&json["bytes"], json.get("trace_id")), (&7.into(), None));
        let plain = Line { word: None, content_length: None, ..line("/a") };
        assert!(told(AccessLogFormat::Text, &plain).contains(" cache=- bytes=- "));
        let json = told(AccessLogFormat::Json, &plain);
        let json: serde_json::Value = serde_json::from_str(&json).expect("is JSON");
        assert_eq!((json.get("cache"), json.get("bytes")), (None, None));
    }

    #[test]
    fn a_client_cannot_end_a_line() {
        let text = told(AccessLogFormat::Text, &line("/a\" status=500\n2025"));
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("path=\"/a\\\" status=500\\u000a2025\""), "{text}");
    }

    /// Takes what it is given only when asked to.
    struct Stuck(mpsc::Receiver<()>, mpsc::SyncSender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // An error is whoever asked being gone: then everything is taken.
            let _ = self.0.recv();
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn drops_and_counts_lines_that_nobody_takes_and_goes_on_when_somebody_does() {
        let (take, taken) = (mpsc::sync_channel(1), mpsc::sync_channel(16));
        let log =
            AccessLog::start_to(AccessLogFormat::Text, Stuck(take.1, taken.0)).expect("starts");
        let long = "x".repeat(10_000);
        // A buffer that the writer holds, one that waits, and more.
        let sent = 3 * WAITING_BYTES_MAX / long.len();
        for _ in 0..sent {
            log.tell(&line(&long));
        }
        let dropped = usize::try_from(log.dropped()).expect("is small");
        assert!(dropped > 0 && dropped < sent, "{dropped} of {sent}");
        drop(take.0);
        log.stop();
        let lines: usize =
            taken.1.iter().map(|bytes| bytes.iter().filter(|byte| **byte == b'\n').count()).sum();
        assert_eq!(lines + dropped, sent);
    }

    #[test]
    fn what_waits_is_written_at_the_end() {
        let taken = mpsc::sync_channel(16);
        let log =
            AccessLog::start_to(AccessLogFormat::Json, Stuck(mpsc::sync_channel(1).1, taken.0));
        let log = log.expect("starts");
        log.tell(&line("/last"));
        log.stop();
        let all: Vec<u8> = taken.1.iter().flatten().collect();
        assert!(String::from_utf8_lossy(&all).contains("/last"));
        assert!(!AccessLog::start(AccessLogFormat::Off).expect("starts").is_on());
    }
}
