//! Versions come and go under a running node, and no request is lost.

use std::{
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::PathBuf,
    process::Output,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::{
    support::{Answer, Node, guests, manifest, middleware},
    wasm::{component, imports},
};

/// Longest wait for what is about to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A manifest whose component answers `/version` with `name`, and `extra` at its end.
pub(crate) fn version(name: &str, extra: &str) -> String {
    manifest(&format!("environment = {{ VERSION = \"{name}\" }}\n{extra}"))
}

/// A manifest that is given requests only if `GET path` is answered with 200.
fn checked(name: &str, path: &str) -> String {
    version(
        name,
        &format!("[application.tool.vitrine.check]\npath = \"{path}\"\ntimeout_ms = 3000"),
    )
}

impl Node {
    /// Deploys `text` and returns what the command said.
    pub(crate) fn deploy(&self, text: &str, arguments: &[&str]) -> Output {
        let path = self.dir.path().join("next.toml");
        std::fs::write(&path, text).expect("writes the manifest");
        let mut all = vec!["-f", path.to_str().expect("is text")];
        all.extend(arguments);
        self.operate("deploy", &all)
    }

    /// What `/version` answers.
    pub(crate) fn version(&self) -> String {
        self.get("/version", &[]).text()
    }

    fn versions(&self) -> serde_json::Value {
        let output = self.operate("versions", &["--json"]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("is JSON")
    }

    /// `number state` of every version.
    pub(crate) fn states(&self) -> Vec<String> {
        let listing = self.versions();
        let lines = listing["versions"].as_array().expect("is a list").iter();
        lines
            .map(|line| format!("{} {}", line["version"], line["state"].as_str().expect("is text")))
            .collect()
    }

    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "never: {what}; {:?}", self.states());
        }
    }
}

#[track_caller]
pub(crate) fn succeeded(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "{output:?}");
    said
}

/// Asserts the exit code and that the last line is one sentence with `word` in it.
#[track_caller]
pub(crate) fn refused(output: &Output, code: i32, word: &str) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    let last = said.trim().lines().last().unwrap_or_default();
    assert!(last.starts_with("vitrine-edge: ") && last.contains(word), "{said}");
}

/// Versions that must never serve, with a word of why.
fn bad_versions(node: &Node) -> Vec<(String, &'static str)> {
    let file = |name: &str, bytes: &[u8]| {
        let path = node.dir.path().join(name);
        std::fs::write(&path, bytes).expect("writes");
        version("bad", "").replace(&format!("{:?}", guests()), &format!("{path:?}"))
    };
    let missing = version("bad", "").replace(&format!("{:?}", guests()), "\"gone.wasm\"");
    let replica = "[application.tool.vitrine.replica]\ndatabase = \"default\"\nfeed = \"http://127.0.0.1:9\"\ntoken = \"t\"";
    vec![
        (file("text.wasm", b"no wasm at all"), "the file is no WebAssembly"),
        (
            file("half.wasm", &std::fs::read(guests()).expect("reads")[..50_000]),
            "component `guest`",
        ),
        (file("odd.wasm", &component(&[imports(&["acme:moon/cheese@1.0.0"])])), "acme:moon/cheese"),
        (
            version("bad", "").replace(&format!("{:?}", guests()), &format!("{:?}", middleware())),
            "component `guest` imports `wasi:http/handler@0.3.0`",
        ),
        (missing, "gone.wasm"),
        (version("bad", "colour = \"red\""), "colour"),
        (version("bad", "[variables]\nmust = { required = true }"), "must"),
        (version("bad", replica), "restart the node"),
        (checked("bad", "/trap"), "check /trap: `guest` trapped"),
        (checked("bad", "/sleep"), "no whole answer within 3s"),
        (checked("bad", "/nowhere"), "the answer is 404 instead of 200"),
        (checked("bad", "nowhere"), "path is no path"),
        (version("bad", "[application.tool.vitrine.check]\npath = \"/\"\nhow = 1"), "how"),
        ("not even TOML".to_owned(), "line 1"),
    ]
}

#[test]
fn loses_no_request_while_versions_come_go_and_are_refused() {
    let node = Node::start(&version("0", ""), &[]);
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Relaxed) {
                    let answer = node.get("/version", &[]);
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    assert_ne!(answer.text(), "bad");
                    answered.fetch_add(1, Relaxed);
                }
            });
        }
        let worked = std::panic::catch_unwind(|| {
            for turn in 1..=20 {
                let name = turn.to_string();
                succeeded(&node.deploy(&checked(&name, "/version"), &[]));
                assert_eq!(node.version(), name);
                if turn % 4 == 0 {
                    succeeded(&node.operate("rollback", &[]));
                    assert_eq!(node.version(), (turn - 1).to_string());
                }
            }
            for (text, word) in bad_versions(&node) {
                refused(&node.deploy(&text, &[]), 64, word);
                assert_eq!(node.version(), "19");
            }
        });
        is_over.store(true, Relaxed);
        worked.expect("every deployment does as it should");
    });
    assert!(answered.load(Relaxed) > 1000, "{answered:?}");
}

#[test]
fn a_request_ends_with_the_version_that_it_began_with_and_then_the_version_is_unloaded() {
    let node = Node::start(&version("old", ""), &[]);
    let mut open = node.connect();
    let head =
        "POST /hand-back HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 8\r\n\r\n";
    open.write_all(format!("{head}half").as_bytes()).expect("is sent");
    let mut answer = vec![0; 4096];
    let mut read = open.read(&mut answer).expect("answers at once");
    for name in ["new", "newer"] {
        succeeded(&node.deploy(&version(name, ""), &[]));
        assert_eq!(node.version(), name);
    }
    assert_eq!(node.states(), ["1 loaded", "2 loaded", "3 current"]);
    open.write_all(b"half").expect("is sent");
    answer.truncate(read);
    read = open.read_to_end(&mut answer).expect("ends");
    assert!(read > 0);
    let answer = Answer::parse(&answer);
    assert_eq!((answer.status, answer.text().as_str()), (200, "halfhalf"));
    assert_eq!(answer.header("x-guest-version"), Some("old"));
    // The second is there to return to, the first was only there for this request.
    node.until("the first version is unloaded", |node| {
        node.states() == ["1 kept", "2 loaded", "3 current"]
    });
    node.until("its instances are gone", |node| {
        let metrics = node.get("/metrics", &[]).text();
        let value = |name: &str| -> usize {
            let lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
            lines
                .map(|line| line.rsplit(' ').next().expect("has a value"))
                .fold(0, |sum, value| sum + value.parse::<usize>().expect("is a number"))
        };
        assert!(!metrics.contains("version=\"1\""), "{metrics}");
        value("vitrine_edge_instances ") == value("vitrine_edge_version_instances{")
    });
}

#[test]
fn counters_of_routes_and_components_go_on_from_version_to_version() {
    let node = Node::start(&version("1", ""), &[]);
    assert_eq!(node.get("/trap", &[]).status, 500);
    for name in ["2", "3", "4"] {
        succeeded(&node.deploy(&version(name, ""), &[]));
    }
    assert_eq!(node.get("/trap", &[]).status, 500);
    node.until("both traps are counted", |node| {
        let metrics = node.get("/metrics", &[]).text();
        metrics.contains("vitrine_edge_component_traps_total{component=\"guest\"} 2\n")
            && metrics.contains("component=\"guest\",status=\"500\"} 2\n")
            && metrics
                .contains("vitrine_edge_version_answers_total{version=\"4\",class=\"5xx\"} 1\n")
    });
}

#[test]
fn rolls_back_step_by_step_and_to_any_version_that_is_kept() {
    let node = Node::start(&version("1", ""), &[]);
    refused(&node.operate("rollback", &[]), 1, "no version served before this one");
    for name in ["2", "3"] {
        succeeded(&node.deploy(&version(name, ""), &[]));
    }
    for name in ["2", "1"] {
        assert_eq!(succeeded(&node.operate("rollback", &[])), format!("version {name} serves"));
        assert_eq!(node.version(), name);
    }
    refused(&node.operate("rollback", &[]), 1, "no version served before this one");
    succeeded(&node.operate("rollback", &["--to", "3"]));
    assert_eq!(node.version(), "3");
    refused(&node.operate("rollback", &["--to", "3"]), 1, "serves already");
    refused(&node.operate("rollback", &["--to", "77"]), 1, "version 77 is not kept");
    assert_eq!(node.version(), "3");
}

#[test]
fn a_version_stays_what_it_was_when_its_files_change() {
    let node = Node::start(&version("1", ""), &[]);
    let wasm = node.dir.path().join("own.wasm");
    std::fs::copy(guests(), &wasm).expect("copies");
    let own = version("2", "").replace(&format!("{:?}", guests()), "\"own.wasm\"");
    succeeded(&node.deploy(&own, &[]));
    std::fs::write(&wasm, "no longer wasm").expect("writes");
    std::fs::write(node.dir.path().join("next.toml"), "no longer a manifest").expect("writes");
    succeeded(&node.operate("rollback", &[]));
    succeeded(&node.operate("rollback", &["--to", "2"]));
    assert_eq!(node.version(), "2");
    let wasm_dir = node.dir.path().join("state/versions/wasm");
    for file in std::fs::read_dir(wasm_dir).expect("exists") {
        std::fs::write(file.expect("is read").path(), "changed").expect("writes");
    }
    refused(
        &node.operate("rollback", &["--to", "1"]),
        1,
        "component `guest` of version 1 was changed",
    );
    assert_eq!(node.version(), "2");
}

#[test]
fn takes_one_component_from_another_file_and_the_rest_as_it_is() {
    let node = Node::start(&version("same", ""), &[]);
    let bad = node.dir.path().join("bad.wasm");
    std::fs::write(&bad, "no wasm").expect("writes");
    let good = node.dir.path().join("good.wasm");
    // A custom section of four bytes changes the file and not what it does.
    let mut bytes = std::fs::read(guests()).expect("reads");
    bytes.extend([0, 4, 2, b'n', b'o', 0]);
    std::fs::write(&good, bytes).expect("writes");
    let component = |id: &str, path: &PathBuf| format!("{id}={}", path.display());
    let deploy = |component: &str| node.operate("deploy", &["--component", component]);
    refused(&deploy(&component("other", &good)), 64, "component `other` is not in the manifest");
    refused(&deploy(&component("guest", &bad)), 64, "the file is no WebAssembly");
    succeeded(&deploy(&component("guest", &good)));
    assert_eq!(node.version(), "same");
    let listing = node.versions();
    assert_eq!(listing["versions"][0]["manifest"], listing["versions"][1]["manifest"]);
    assert_ne!(listing["versions"][0]["digest"], listing["versions"][1]["digest"]);
}

#[test]
fn gives_a_version_variables_of_its_own_and_keeps_them_in_memory_alone() {
    let variables = |default: &str| {
        manifest(&format!(
            "variables = {{ a = \"{{{{ a }}}}\" }}\n[variables]\na = {{ {default} }}"
        ))
    };
    let node = Node::start(&variables("default = \"of the manifest\""), &[]);
    let asked = |node: &Node| node.get("/variable", &[("x-name", "a")]).text();
    refused(&node.deploy(&variables("required = true"), &[]), 64, "`a` has no value");
    refused(
        &node.deploy(&variables("default = \"\""), &["--variable", "b=1"]),
        64,
        "`b` was given",
    );
    succeeded(&node.deploy(&variables("required = true"), &["--variable", "a=s3cret"]));
    assert_eq!(asked(&node), "s3cret");
    succeeded(&node.operate("rollback", &[]));
    assert_eq!(asked(&node), "of the manifest");
    succeeded(&node.operate("rollback", &["--to", "4"]));
    assert_eq!(asked(&node), "s3cret");

    let versions = node.dir.path().join("state/versions/4");
    for file in std::fs::read_dir(versions).expect("exists") {
        let text = std::fs::read_to_string(file.expect("is read").path()).expect("is text");
        assert!(!text.contains("s3cret"), "{text}");
    }
    let node = node.again(&variables("default = \"x\""), &["--resume", "--variable", "a=again"]);
    assert_eq!(asked(&node), "again");
    let node = node.again(&variables("default = \"x\""), &[]);
    refused(&node.operate("rollback", &["--to", "4"]), 64, "start the node with `--variable a=");
}

#[test]
fn a_restart_serves_the_manifest_that_it_is_given_or_resumes() {
    let first = version("first", "");
    let node = Node::start(&first, &[]);
    succeeded(&node.deploy(&version("deployed", ""), &[]));
    let node = node.again(&first, &["--resume"]);
    assert_eq!(node.version(), "deployed");
    // What served before the restart can be returned to.
    succeeded(&node.operate("rollback", &[]));
    assert_eq!(node.version(), "first");
    succeeded(&node.operate("rollback", &["--to", "2"]));
    let node = node.again(&first, &[]);
    assert_eq!(node.version(), "first");
    assert_eq!(node.states(), ["1 current", "2 kept"], "the same manifest is the same version");
    let node = node.again(&version("third", ""), &[]);
    assert_eq!((node.version().as_str(), node.states().len()), ("third", 3));
    succeeded(&node.operate("rollback", &[]));
    assert_eq!(node.version(), "first");
}

#[test]
fn a_state_directory_that_takes_nothing_is_said_and_the_node_goes_on() {
    let node = Node::start(&version("1", ""), &[]);
    let versions = node.dir.path().join("state/versions");
    let aside = node.dir.path().join("aside");
    std::fs::rename(&versions, &aside).expect("moves");
    std::fs::write(&versions, "in the way").expect("writes");
    refused(&node.deploy(&version("2", ""), &[]), 1, "state/versions");
    assert_eq!(node.version(), "1");
    std::fs::remove_file(&versions).expect("removes");
    std::fs::rename(&aside, &versions).expect("moves");
    // Something that cannot be replaced stands where the history is written.
    let history = versions.join("history.json");
    std::fs::remove_file(&history).expect("removes");
    std::fs::create_dir(&history).expect("makes");
    refused(&node.deploy(&version("2", ""), &[]), 1, "history.json");
    assert_eq!((node.version().as_str(), node.states()), ("1", vec!["1 current".to_owned()]));
    std::fs::remove_dir(&history).expect("removes");
    succeeded(&node.deploy(&version("2", ""), &[]));
    assert_eq!(node.version(), "2");
}

#[test]
fn a_node_that_cannot_keep_versions_serves_its_manifest_and_resumes_nothing() {
    let node = Node::start(&version("1", ""), &[]);
    let versions = node.dir.path().join("state/versions");
    std::fs::remove_dir_all(&versions).expect("removes");
    std::fs::write(&versions, "in the way").expect("writes");
    let node = node.again(&version("2", ""), &[]);
    assert_eq!(node.version(), "2");
    refused(&node.deploy(&version("3", ""), &[]), 1, "state/versions");
    assert_eq!(node.version(), "2");
    let resumed = node.resumed(&version("2", ""));
    assert_eq!(resumed.status.code(), Some(64), "{resumed:?}");
}

#[test]
fn changes_one_at_a_time() {
    let node = Node::start(&version("1", ""), &[]);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| node.deploy(&checked("slow", "/sleep"), &[]));
        node.until("the slow one is tried out", |node| node.versions()["step"] == "checking");
        for command in ["rollback", "promote"] {
            refused(&node.operate(command, &[]), 1, "another deployment is under way");
        }
        refused(&slow.join().expect("ends"), 64, "no whole answer");
    });
    succeeded(&node.deploy(&version("2", ""), &[]));
}

#[test]
fn the_socket_is_the_users_own_and_refuses_what_it_cannot_read() {
    let node = Node::start(&version("1", ""), &[]);
    let path = node.dir.path().join("state/admin.sock");
    let mode = std::fs::metadata(&path).expect("exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let ask = |head: &str, body: &str| {
        let mut stream = UnixStream::connect(&path).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("sets the limit");
        let length = body.len();
        let head = format!(
            "{head} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        // One that has answered may close before it has read all.
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Answer::parse(&answer)
    };
    let large = format!("{{\"from\":\"{}\"}}", "x".repeat(300 * 1024));
    for (head, body, status) in [
        ("GET /v1/deploy", "", 404),
        ("POST /v1/deploy", "{", 400),
        ("POST /v1/deploy", "{\"form\":\"/a\"}", 400),
        ("POST /v1/deploy", "{\"from\":\"spin.toml\"}", 422),
        ("POST /v1/deploy", "{\"from\":\"/gone/spin.toml\"}", 422),
        ("POST /v1/deploy", "{\"from\":\"/dev/zero\"}", 422),
        ("POST /v1/deploy", "{\"from\":\"/a\",\"canary\":100}", 422),
        ("POST /v1/promote", "", 409),
        ("POST /v1/deploy", large.as_str(), 413),
    ] {
        let answer = ask(head, body);
        assert_eq!(answer.status, status, "{head} {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    assert_eq!(node.version(), "1");
    refused(&Node::nowhere("versions"), 1, "no node listens");
}

impl Node {
    /// Runs a command against a state directory where no node runs.
    fn nowhere(command: &str) -> Output {
        let dir = tempfile::tempdir().expect("makes a folder");
        std::process::Command::new(env!("CARGO_BIN_EXE_vitrine-edge"))
            .args([command, "--state-dir"])
            .arg(dir.path())
            .output()
            .expect("runs")
    }
}

#[test]
fn deploys_what_has_changed_on_disk_and_goes_on_with_the_old_if_it_is_bad() {
    let node = Node::start(&version("1", ""), &["--watch"]);
    let write =
        |text: &str| std::fs::write(node.dir.path().join("spin.toml"), text).expect("writes");
    write(&version("2", ""));
    node.until("the change serves", |node| node.version() == "2");
    write(&checked("bad", "/sleep"));
    node.until("the bad change is tried", |node| node.versions()["step"] == "checking");
    write(&version("3", ""));
    node.until("the next change serves", |node| {
        let name = node.version();
        assert_ne!(name, "bad");
        name == "3"
    });
}

#[test]
fn gives_up_the_version_to_return_to_where_there_is_no_room_for_three_and_says_when_there_is_none_for_two()
 {
    // Of 4 096 instances a chain may have 1 900, and 8 are spare: there is room for two.
    let node = Node::start(&version("1", ""), &["--standard-lane", "--instances-max", "1900"]);
    for name in ["2", "3"] {
        succeeded(&node.deploy(&version(name, ""), &[]));
        assert_eq!(node.version(), name);
    }
    assert_eq!(node.states(), ["1 kept", "2 loaded", "3 current"]);
    for name in ["2", "1"] {
        succeeded(&node.operate("rollback", &[]));
        assert_eq!(node.version(), name);
    }
    let node = node.again(&version("1", ""), &["--standard-lane", "--instances-max", "3000"]);
    refused(&node.deploy(&version("4", ""), &[]), 64, "room for 0 beside what is loaded");
    assert_eq!(node.version(), "1");
}

#[test]
fn a_node_that_is_killed_while_it_deploys_resumes_what_served() {
    let first = version("1", "");
    let node = Node::start(&first, &[]);
    succeeded(&node.deploy(&version("2", ""), &[]));
    let manifest = node.dir.path().join("next.toml");
    std::fs::write(&manifest, checked("3", "/sleep")).expect("writes");
    let state_dir = node.dir.path().join("state");
    let mut deploying = std::process::Command::new(env!("CARGO_BIN_EXE_vitrine-edge"))
        .args(["deploy", "-f"])
        .arg(&manifest)
        .arg("--state-dir")
        .arg(&state_dir)
        .spawn()
        .expect("starts");
    node.until("the third is tried out", |node| node.versions()["step"] == "checking");
    // What a deployment leaves that was killed while it wrote.
    std::fs::create_dir(state_dir.join("versions/.3")).expect("makes");
    std::fs::write(state_dir.join("versions/.3/spin.toml"), "half a ma").expect("writes");
    std::fs::write(state_dir.join("versions/.history.json"), "{\"ser").expect("writes");
    let node = node.after_a_crash(&first, &["--resume"]);
    assert_eq!(deploying.wait().expect("ends").code(), Some(1));
    assert_eq!((node.version().as_str(), node.states().len()), ("2", 2));
    succeeded(&node.deploy(&version("3", ""), &[]));
    assert_eq!(node.version(), "3");
    assert!(!state_dir.join("versions/.3").exists());
    succeeded(&node.operate("rollback", &[]));
    assert_eq!(node.version(), "2");
}
