//! An application started as with `spin up`: its options, its surroundings, its files.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::guests;

/// Longest wait for a start or an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with an application in it, and whatever else a test puts there.
struct Project(tempfile::TempDir);

/// `vitrine-edge up` in a project's directory, killed when dropped.
struct Up {
    child: Child,
    address: String,
}

impl Project {
    /// `extra` stands at the end of the component's table.
    fn new(extra: &str) -> Self {
        let project = Self(tempfile::tempdir().expect("makes a folder"));
        project.write(
            "spin.toml",
            &format!(
                "spin_manifest_version = 2\n[application]\nname = \"project\"\nversion = \"1.2.3\"\n[variables]\n\
                 secret = {{ default = \"of the manifest\" }}\n[[trigger.http]]\nroute = \"/...\"\n\
                 component = \"guest\"\n[component.guest]\nsource = {:?}\n\
                 variables = {{ name = \"{{{{ secret }}}}\" }}\n{extra}\n",
                guests()
            ),
        );
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("has one")).expect("makes folders");
        std::fs::write(path, text).expect("writes");
    }

    /// The command with a free port, run in the project's directory.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine-edge"));
        command.arg("up").args(arguments).current_dir(self.0.path()).env("RUST_LOG", "info");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SPIN_") {
                command.env_remove(name);
            }
        }
        command
    }

    fn up(&self, arguments: &[&str]) -> Up {
        let arguments = [&["--listen", "127.0.0.1:0"], arguments].concat();
        Up::start(self.command(&arguments))
    }

    /// Runs what is expected to refuse; returns its exit code and its one sentence.
    fn refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).env("RUST_LOG", "off").output().expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

impl Up {
    fn start(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("is piped");
        BufReader::new(stdout).read_line(&mut line).expect("says something");
        let Some(address) = line.trim().strip_prefix("listening http://").map(str::to_owned) else {
            let mut said = String::new();
            let _ = child.stderr.take().expect("is piped").read_to_string(&mut said);
            panic!("it does not listen: {said}");
        };
        Self { child, address }
    }

    /// Asks for `path`; returns status and body.
    fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("sets the limit");
        let mut head = format!("GET {path} HTTP/1.0\r\nhost: edge.test\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).expect("is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("is answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("has a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("has a status"), body.to_owned())
    }

    fn variable(&self) -> String {
        self.get("/variable", &[("x-name", "name")]).1
    }

    fn environment(&self, name: &str) -> Option<String> {
        let (status, body) = self.get("/environment", &[("x-name", name)]);
        (status == 200).then_some(body)
    }

    /// Ends it and returns what it logged.
    fn end(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("runs").success());
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().expect("is piped");
        stderr.read_to_string(&mut said).expect("is read");
        said
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the file holds `text`.
fn eventually_holds(path: &Path, text: &str) {
    let started = Instant::now();
    while std::fs::read_to_string(path).unwrap_or_default() != text {
        assert!(started.elapsed() < PATIENCE, "{} never held {text:?}", path.display());
        std::thread::yield_now();
    }
}

#[test]
fn serves_the_manifest_of_the_directory_and_keeps_its_state_beside_it() {
    let project = Project::new("");
    let up = project.up(&[]);
    assert_eq!(up.get("/hello", &[]), (200, "hello".to_owned()));
    assert_eq!(up.get("/.well-known/spin/health", &[]), (200, "OK".to_owned()));
    let (status, info) = up.get("/.well-known/spin/info", &[]);
    let info: serde_json::Value = serde_json::from_str(&info).expect("is JSON");
    assert_eq!(
        (status, &info["name"], &info["version"]),
        (200, &"project".into(), &"1.2.3".into())
    );
    assert_eq!(up.get("/.well-known/spin/else", &[]).0, 404);
    assert!(project.path(".spin/components").is_dir());
}

#[test]
fn finds_the_application_wherever_it_is_named() {
    let project = Project::new("");
    project.write("below/note.txt", "");
    let wasm = guests().display().to_string();
    let below = project.path("below");
    let dir = project.path("").display().to_string();
    for arguments in [vec![], vec!["-f", &dir], vec!["--from", "../spin.toml"], vec!["-f", &wasm]] {
        let mut command = project.command(&["--listen", "localhost:0"]);
        command.args(arguments).args(["--state-dir", &dir]).current_dir(&below);
        assert_eq!(Up::start(command).get("/hello", &[]).0, 200);
    }
}

#[test]
fn takes_variables_from_the_strongest_source() {
    let project = Project::new("");
    assert_eq!(project.up(&[]).variable(), "of the manifest");
    project.write(".env", "SPIN_VARIABLE_SECRET='of .env'\n");
    assert_eq!(project.up(&[]).variable(), "of .env");
    let with_environment = |arguments: &[&str]| {
        let mut command = project.command(&[&["--listen", "127.0.0.1:0"], arguments].concat());
        command.env("SPIN_VARIABLE_SECRET", "of the environment");
        Up::start(command).variable()
    };
    assert_eq!(with_environment(&[]), "of the environment");
    project.write(
        "runtime.toml",
        "[[variables_provider]]\ntype = \"static\"\nvalues = { other = \"x\" }\n\
         [[variables_provider]]\ntype = \"env\"\nprefix = \"APP\"\ndotenv_path = \"app.env\"\n",
    );
    project.write("app.env", "APP_SECRET=of-a-provider\n");
    let provided = ["--runtime-config-file", "runtime.toml"];
    assert_eq!(with_environment(&provided), "of-a-provider");
    project.write("values.toml", "secret = \"of a file\"\nof_another_application = \"x\"\n");
    let file = [&provided[..], &["--variable", "@values.toml"]].concat();
    assert_eq!(with_environment(&file), "of a file");
    let typed = [&file[..], &["--variable", "secret=typed"]].concat();
    assert_eq!(with_environment(&typed), "typed");
}

#[test]
fn gives_components_the_environment_of_the_command_line() {
    let project = Project::new("environment = { A = \"manifest\", B = \"manifest\" }");
    let up = project.up(&["-e", "B=line", "--env", "C=line"]);
    for (name, expected) in
        [("A", Some("manifest")), ("B", Some("line")), ("C", Some("line")), ("PATH", None)]
    {
        assert_eq!(up.environment(name).as_deref(), expected, "{name}");
    }
}

#[test]
fn shows_the_files_that_patterns_match() {
    let project = Project::new(
        "files = [\"site/**/*.txt\", { source = \"one.txt\", destination = \"/etc/one.txt\" }]\n\
         exclude_files = [\"site/secret/*\"]",
    );
    for file in ["site/a.txt", "site/b/c.txt", "site/secret/d.txt", "site/e.md", "one.txt"] {
        project.write(file, file);
    }
    let up = project.up(&[]);
    let file = |path: &str| up.get("/file", &[("x-path", path)]);
    for path in ["site/a.txt", "site/b/c.txt"] {
        assert_eq!(file(&format!("/{path}")), (200, path.to_owned()));
    }
    assert_eq!(file("/etc/one.txt"), (200, "one.txt".to_owned()));
    for path in ["/site/secret/d.txt", "/site/e.md", "/spin.toml"] {
        assert_ne!(file(path).0, 200, "{path}");
    }
    let temp = project.up(&["--temp", "elsewhere"]);
    assert_eq!(temp.get("/file", &[("x-path", "/site/a.txt")]).0, 200);
    let copies = std::fs::read_dir(project.path("elsewhere/files")).expect("is there");
    let copies: Vec<_> = copies.map(|copy| copy.expect("is read").path()).collect();
    assert!(copies.iter().any(|copy| copy.join("site/a.txt").is_file()), "{copies:?}");
}

#[test]
fn keeps_what_components_print() {
    let project = Project::new("");
    let print = [("x-out", "to stdout"), ("x-err", "to stderr")];
    let (out, err) = (project.path("logs/guest_stdout.txt"), project.path("logs/guest_stderr.txt"));

    let up = project.up(&["-L", "logs"]);
    assert_eq!(up.get("/print", &print).0, 200);
    eventually_holds(&out, "to stdout\n");
    eventually_holds(&err, "to stderr\n");
    assert!(up.end().contains("to stdout"));

    for arguments in [&["-L", "logs", "-q"][..], &["--log-dir", "logs", "--truncate-logs", "-q"]] {
        let is_truncated = arguments.len() > 3;
        let up = project.up(arguments);
        assert_eq!(up.get("/print", &print).0, 200);
        eventually_holds(&out, &"to stdout\n".repeat(if is_truncated { 1 } else { 2 }));
        assert!(!up.end().contains("to stdout"));
    }

    let up = project.up(&["--follow", "guest"]);
    assert_eq!(up.get("/print", &print).0, 200);
    eventually_holds(&project.path(".spin/logs/guest_stdout.txt"), "to stdout\n");
    assert!(up.end().contains("to stdout"));

    let elsewhere = project.up(&["-L", "", "--state-dir", "state"]);
    assert_eq!(elsewhere.get("/print", &print).0, 200);
    elsewhere.end();
    assert!(project.path("state/components").is_dir() && !project.path("state/logs").exists());
}

#[test]
fn finds_a_free_port_if_told() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("listens");
    let address = taken.local_addr().expect("has an address").to_string();
    let project = Project::new("");
    let (code, said) = project.refused(&["--listen", &address]);
    assert!(code == Some(1) && said.contains(&address), "{said}");
    let mut command = project.command(&["--listen", &address]);
    let up = Up::start({
        command.arg("--find-free-port");
        command
    });
    assert_ne!(up.address, address);
    assert_eq!(up.get("/hello", &[]).0, 200);
}

#[test]
fn refuses_what_it_cannot_do_with_one_sentence_and_64() {
    let project = Project::new("");
    project.write("empty/note.txt", "");
    project.write("bad.env.toml", "secret = 7\n");
    project.write("runtime.toml", "[llm_compute]\ntype = \"spin\"\n");
    project.write("stateless.toml", "state_dir = \"\"\n");
    project.write("file", "");
    project.write("large.toml", &"#".repeat(1024 * 1024 + 1));
    for (arguments, words) in [
        (&["-f", "gone"][..], "gone does not exist"),
        (&["-f", "empty"], "has no `spin.toml` in it"),
        (&["-f", "large.toml"], "larger than 1048576 bytes"),
        (&["-f", "registry.example/shop:v1"], "registries are not supported"),
        (&["--build"], "`--build` of `spin up` is not supported"),
        (&["--sqlite", "SELECT 1"], "`--sqlite` of `spin up` is not supported"),
        (&["--profile", "debug"], "no component has the profile `debug`"),
        (&["--follow", "gost"], "no component of this name"),
        (&["--variable", "secrt=x"], "`secrt` was given but the manifest does not declare it"),
        (&["--variable", "@gone.toml"], "gone.toml"),
        (&["--variable", "@bad.env.toml"], "is no map from names to strings"),
        (&["--runtime-config-file", "gone.toml"], "gone.toml"),
        (&["--runtime-config-file", "runtime.toml"], "`llm_compute` is not supported"),
        (&["--runtime-config-file", "stateless.toml"], "the node needs one"),
        (&["-L", "file/logs"], "make the log directory file/logs"),
    ] {
        let (code, said) = project.refused(arguments);
        assert_eq!(code, Some(64), "{arguments:?}: {said}");
        assert!(said.starts_with("vitrine-edge: ") && said.lines().count() == 1, "{said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    let (code, said) = project.refused(&["--colour"]);
    assert!(code == Some(64) && said.contains("--colour"), "{said}");
}
