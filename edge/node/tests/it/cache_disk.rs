//! Stored answers on a disk: they outlive the node, and what was purged does not.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use crate::{
    origin,
    proxied::{Origin, PATIENCE, Proxied, eventually, refused},
};

const JSON: (&str, &str) = ("content-type", "application/json");
const FRESH: &str = "cache-control: max-age=600\r\ncache-tag: sku-1\r\n";

/// A folder for a cache.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("makes a folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn start(&self, origin: &Origin, arguments: &[&str]) -> Proxied {
        let own = ["--cache-disk-dir", self.path().to_str().expect("is text")];
        Proxied::start(origin, &[&own[..], arguments].concat())
    }

    /// Returns the files of answers.
    fn files(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.path()).expect("reads").flatten();
        let inside = folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten();
        inside.flatten().map(|file| file.path()).collect()
    }
}

/// A body of this length, for as long as the tests run.
fn body(length: usize) -> &'static str {
    "0123456789".repeat(length.div_ceil(10)).leak().get(..length).expect("is long enough")
}

fn word(node: &Proxied, path: &str) -> String {
    let answer = node.get(path, &[("host", "shop.example")]);
    assert!(answer.status == 200 && answer.is_whole(), "{}", answer.status);
    answer.header("vitrine-cache").expect("says it").to_owned()
}

fn until_written(node: &Proxied, count: usize) {
    node.until_metric(&format!("vitrine_cache_disk_written_total {count}"));
}

#[test]
fn what_is_stored_is_answered_after_a_kill_without_asking() {
    for length in [5, 10_000, 3_000_000] {
        let fields = "cache-control: max-age=600\r\nage: 50\r\netag: \"e\"\r\nx-kept: yes\r\n";
        let (origin, disk) = (Origin::start(fields, body(length)), Disk::new());
        let mut node = disk.start(&origin, &[]);
        assert_eq!((word(&node, "/a"), word(&node, "/b").as_str()), ("MISS".into(), "MISS"));
        until_written(&node, 2);
        node.kill();
        let mut node = disk.start(&origin, &[]);
        let answer = node.get("/a", &[("host", "shop.example")]);
        assert_eq!(answer.text(), body(length));
        let status = answer.header("cache-status").expect("says it");
        assert!(status.starts_with("vitrine; hit; ttl="), "{status}");
        assert_eq!(answer.header("x-kept"), Some("yes"));
        let age: u64 = answer.header("age").and_then(|age| age.parse().ok()).expect("says it");
        assert!((50..600).contains(&age), "{age}");
        let unchanged = [("host", "shop.example"), ("if-none-match", "\"e\"")];
        assert_eq!(node.get("/a", &unchanged).status, 304);
        let part = node.get("/b", &[("host", "shop.example"), ("range", "bytes=1-3")]);
        assert_eq!((part.status, part.text().as_str()), (206, "123"));
        for line in ["vitrine_cache_disk_hits_total 2", "vitrine_cache_disk_scanned 1"] {
            node.until_metric(line);
        }
        // The same after an end in good order, which waits for nothing to be written.
        assert_eq!(word(&node, "/late"), "MISS");
        node.stop();
        assert_eq!(node.ended(), Some(0));
        let node = disk.start(&origin, &[]);
        assert_eq!((word(&node, "/late"), word(&node, "/a").as_str()), ("HIT".into(), "HIT"));
        assert_eq!(origin.count(), 3);
    }
}

#[test]
fn what_was_purged_stays_away_after_a_kill_at_once() {
    let (origin, disk) = (Origin::start(FRESH, body(100_000)), Disk::new());
    let mut node = disk.start(&origin, &[]);
    for (order, before) in [
        (r#"{"tags":["sku-1"]}"#, 1),
        (r#"{"urls":["http://shop.example/a"]}"#, 2),
        (r#"{"all":true}"#, 3),
    ] {
        assert_eq!(word(&node, "/a"), "MISS");
        until_written(&node, 1);
        assert_eq!(origin.count(), before);
        assert_eq!(node.operate("POST", "/purge", &[JSON], order.as_bytes()).status, 200);
        node.kill();
        node = disk.start(&origin, &[]);
    }
    // A soft one makes it stale, over and over.
    assert_eq!(word(&node, "/a"), "MISS");
    until_written(&node, 1);
    let order = br#"{"tags":["sku-1"],"soft":true}"#;
    assert_eq!(node.operate("POST", "/purge", &[JSON], order).status, 200);
    node.kill();
    node = disk.start(&origin, &[]);
    node.kill();
    let node = disk.start(&origin, &[]);
    assert_eq!(word(&node, "/a"), "EXPIRED");
    assert_eq!(origin.count(), 5);
}

#[test]
fn what_a_change_at_the_origin_made_invalid_stays_away_after_a_kill_at_once() {
    let (origin, disk) = (Origin::start(FRESH, body(100_000)), Disk::new());
    let mut node = disk.start(&origin, &[]);
    assert_eq!(word(&node, "/a"), "MISS");
    until_written(&node, 1);
    let host = [("host", "shop.example")];
    let changed = crate::proxied::ask(node.address("listening"), "DELETE", "/a", &host, b"");
    assert_eq!(changed.status, 200);
    node.kill();
    assert_eq!(word(&disk.start(&origin, &[]), "/a"), "MISS");
}

#[test]
fn files_that_were_damaged_are_thrown_away_and_the_origin_is_asked() {
    let (origin, disk) = (Origin::start(FRESH, body(100_000)), Disk::new());
    let mut node = disk.start(&origin, &[]);
    for path in ["/a", "/b", "/c"] {
        word(&node, path);
    }
    until_written(&node, 3);
    node.kill();
    for path in disk.files() {
        let mut bytes = fs::read(&path).expect("reads");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        fs::write(&path, bytes).expect("writes");
    }
    let node = disk.start(&origin, &[]);
    for path in ["/a", "/b", "/c"] {
        assert_eq!(word(&node, path), "MISS");
    }
    node.until_metric("vitrine_cache_disk_damaged_total 3");
    until_written(&node, 3);
    assert_eq!((origin.count(), word(&node, "/a").as_str()), (6, "HIT"));
}

#[test]
fn a_directory_has_one_node_at_a_time() {
    let (origin, disk) = (Origin::start(FRESH, "hello"), Disk::new());
    let mut node = disk.start(&origin, &[]);
    let directory = disk.path().to_str().expect("is text");
    let (code, said) = refused(&["--cache-disk-dir", directory]);
    assert_eq!(code, Some(64), "{said}");
    let reason = format!("make the cache in {directory}: another process uses it");
    assert!(said.contains(&reason) && said.trim().lines().count() == 1, "{said}");
    node.kill();
    assert_eq!(word(&disk.start(&origin, &[]), "/a"), "MISS");
}

#[test]
fn the_disk_keeps_its_bound() {
    let (origin, disk) = (Origin::start(FRESH, body(30_000)), Disk::new());
    let node = disk.start(&origin, &["--cache-disk-mib", "1", "--cache-mib", "1"]);
    for number in 1..=100 {
        word(&node, &format!("/{number}"));
        until_written(&node, number);
        let taken: u64 = disk
            .files()
            .iter()
            .filter_map(|file| fs::metadata(file).ok())
            .map(|facts| facts.blocks() * 512)
            .sum();
        assert!(taken <= 1 << 20, "{taken} bytes");
    }
    assert_eq!((word(&node, "/100"), origin.count()), ("HIT".to_owned(), 100));
}

#[test]
fn what_is_for_one_client_alone_never_touches_the_disk() {
    for fields in [
        "cache-control: no-store\r\n",
        "cache-control: private, max-age=600\r\n",
        "cache-control: max-age=600\r\nvary: *\r\n",
    ] {
        let (origin, disk) = (Origin::start(fields, body(100_000)), Disk::new());
        let mut node = disk.start(&origin, &[]);
        assert_eq!(node.get("/a", &[]).text().len(), 100_000);
        node.stop();
        assert_eq!(node.ended(), Some(0));
        assert_eq!(disk.files(), Vec::<PathBuf>::new(), "{fields}");
    }
}

#[test]
fn goes_on_in_memory_when_the_disk_is_full_and_says_so_once() {
    let (origin, disk) = (Origin::start(FRESH, body(30_000)), Disk::new());
    let own = ["--cache-disk-dir", disk.path().to_str().expect("is text")];
    let told = disk.path().join("told");
    let node = Proxied::start_with(&origin, &own, |command| {
        // No file may be longer than 20 kB, and whoever tries is told so instead of being killed.
        let line = "trap '' XFSZ; ulimit -f 40; exec \"$@\"";
        let mut shell = Command::new("sh");
        shell.args(["-ec", line, "sh"]).arg(command.get_program()).args(command.get_args());
        shell.env("RUST_LOG", "warn");
        shell.stderr(Stdio::from(fs::File::create(&told).expect("makes a file")));
        *command = shell;
    });
    assert_eq!((word(&node, "/0"), word(&node, "/0").as_str()), ("MISS".into(), "HIT"));
    // After each failure nothing is tried for a while.
    let mut number = 0;
    eventually("a second failure", || {
        number += 1;
        assert_eq!(word(&node, &format!("/{number}")), "MISS");
        let metrics = node.operate("GET", "/metrics", &[], b"").text();
        metrics.lines().any(|line| line == "vitrine_cache_disk_failures_total{of=\"write\"} 2")
    });
    node.until_metric("vitrine_cache_disk_addresses 0");
    // Purges can be written down.
    assert_eq!(node.operate("POST", "/purge", &[JSON], br#"{"tags":["sku-1"]}"#).status, 200);
    assert_eq!((word(&node, "/0"), word(&node, "/0").as_str()), ("MISS".into(), "HIT"));
    let told = fs::read_to_string(told).expect("reads");
    let lines = told.lines().filter(|line| line.contains("going on in memory"));
    assert_eq!(lines.count(), 1, "{told}");
    assert_eq!(disk.files(), Vec::<PathBuf>::new());
}

/// Things that the origin has, each of another size, with the number of its last version and of the last one purged.
#[derive(Default)]
struct Things([(AtomicUsize, AtomicUsize); 12]);

impl Things {
    /// Makes a new version of a thing: its number, the version, and `x` up to the length that the head says.
    fn answer(&self, at: usize) -> origin::Said {
        let version = self.0[at].0.fetch_add(1, SeqCst) + 1;
        let fill = "x".repeat([100, 5_000, 30_000, 150_000][at % 4]);
        let head = format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nCache-Tag: t{at}");
        origin::said(&head, &format!("{at} {version} {fill}"))
    }

    /// Asks for a thing, and looks at what comes, unless the node is killed meanwhile.
    fn ask(&self, node: &Proxied, at: usize) -> Option<()> {
        let floor = self.0[at].1.load(SeqCst);
        let request = format!("GET /{at} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
        let (head, body) = converse(node.address("listening"), &request)?;
        let mut words = body.split(' ');
        let mut number = || words.next().and_then(|word| word.parse::<usize>().ok());
        let (of, version) = (number().expect("has one"), number().expect("has one"));
        assert!(of == at && words.next().is_some_and(|fill| fill.bytes().all(|one| one == b'x')));
        // Whoever waited for another's request has what that one was given, before the purge.
        let is_others = head.contains("vitrine-cache: COLLAPSED");
        assert!(version > floor || is_others, "/{at}: {version} was purged with {floor}: {head}");
        Some(())
    }

    /// Purges all versions of a thing up to now.
    fn purge(&self, node: &Proxied, at: usize) -> Option<()> {
        let last = self.0[at].0.load(SeqCst);
        let order = format!("{{\"tags\":[\"t{at}\"]}}");
        let request = format!(
            "POST /purge HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{order}",
            order.len()
        );
        let (head, _) = converse(node.address("operators"), &request)?;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        self.0[at].1.fetch_max(last, SeqCst);
        Some(())
    }
}

/// Returns head and body of an answer that came whole.
fn converse(address: &str, request: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).expect("is text");
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    (length.parse() == Ok(body.len())).then(|| (head.to_owned(), body.to_owned()))
}

#[test]
fn kills_at_any_moment_break_nothing_and_bring_nothing_back() {
    let (things, disk) = (Arc::new(Things::default()), Disk::new());
    let told = Arc::clone(&things);
    let origin = origin::Origin::start(move |asked| {
        told.answer(asked.target.trim_start_matches('/').parse().expect("is a number"))
    });
    let directory = disk.path().to_str().expect("is text");
    // Neither memory nor disk has room for all.
    let own = ["--cache-disk-dir", directory, "--cache-disk-mib", "2", "--cache-mib", "2"];
    for round in 1..=8 {
        let mut node = Proxied::start_before(&origin.url(), &own, |_| {});
        let (done, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for client in 1..=4_usize {
                let (node, things, done, is_over) = (&node, &things, &done, &is_over);
                scope.spawn(move || {
                    let mut random = client * 7919 + round;
                    while !is_over.load(SeqCst) {
                        random =
                            random.wrapping_mul(1_103_515_245).wrapping_add(12_345) % (1 << 31);
                        let (at, what) = ((random >> 8) % 12, (random >> 16) % 10);
                        let went =
                            if what == 0 { things.purge(node, at) } else { things.ask(node, at) };
                        done.fetch_add(usize::from(went.is_some()), SeqCst);
                    }
                });
            }
            eventually("some are answered", || done.load(SeqCst) > 20 * round);
            // As it is: whatever is being written or purged stays so.
            node.signal("-KILL");
            is_over.store(true, SeqCst);
        });
        node.kill();
    }
    let node = Proxied::start_before(&origin.url(), &own, |_| {});
    node.until_metric("vitrine_cache_disk_scanned 1");
    (0..12).for_each(|at| things.ask(&node, at).expect("is answered"));
    node.until_metric("vitrine_cache_disk_damaged_total 0");
}
