//! From nothing to the first answer, with compiled components on the disk: what an operator waits for.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use harness::Role;
use serde_json::Value;

use super::servers::{NODE_ARGS, PRODUCTS, Servers};
use crate::affinity::Cores;
use crate::connection::{Connection, Received};
use crate::generator::Question;
use crate::manifest::HELLO;
use crate::matrix::address;

/// A node that has not answered by then does not start.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The starts of one application.
#[derive(Debug, Clone)]
pub(crate) struct Starts {
    pub(crate) name: &'static str,
    /// From spawning the process to its first answer, in milliseconds, one for each start.
    pub(crate) answered_ms: Vec<f64>,
    /// Making the engine, as the node says in its log.
    pub(crate) engine_ms: Vec<f64>,
    /// Loading all components, as it says.
    pub(crate) loaded_ms: Vec<f64>,
}

/// Starts each application once for its cache, then `times` to measure.
pub(crate) async fn run(servers: &Servers, cores: Cores, times: u32) -> Result<Vec<Starts>> {
    let mut all = Vec::new();
    for (name, manifest, path) in [
        ("hello alone", &servers.hello_manifest, HELLO),
        ("the shop and hello: five components, the copy on the disk", &servers.manifest, PRODUCTS),
    ] {
        let state_dir = servers.folder.path().join(format!("start-{}", all.len()));
        let node = Node {
            program: servers.environment.bin_dir.join("vitrine-edge"),
            root: servers.environment.root.clone(),
            manifest: manifest.clone(),
            state_dir,
            origin: servers.stack.url(Role::Origin),
            secret: servers.stack.edge_secret()?,
            core: cores.server,
            path,
        };
        let starts = tokio::task::spawn_blocking(move || node.starts(name, times));
        all.push(starts.await.context("start nodes")??);
    }
    Ok(all)
}

/// How one node is started.
#[derive(Debug)]
struct Node {
    program: PathBuf,
    root: PathBuf,
    manifest: PathBuf,
    state_dir: PathBuf,
    origin: String,
    secret: String,
    core: Option<usize>,
    path: &'static str,
}

impl Node {
    fn starts(&self, name: &'static str, times: u32) -> Result<Starts> {
        std::fs::create_dir_all(&self.state_dir).context("make a state folder")?;
        let mut starts =
            Starts { name, answered_ms: Vec::new(), engine_ms: Vec::new(), loaded_ms: Vec::new() };
        for time in 0..=times {
            let (answered, log) = self.start()?;
            // The first one compiles.
            if time > 0 {
                starts.answered_ms.push(answered.as_secs_f64() * 1000.0);
                starts.engine_ms.push(sum_of(&log, "engine_ms"));
                starts.loaded_ms.push(sum_of(&log, "load_ms"));
            }
        }
        Ok(starts)
    }

    fn start(&self) -> Result<(Duration, String)> {
        let log = self.state_dir.join("bench.log");
        let spawned = Instant::now();
        let mut child = Ended(self.command(&log)?.spawn().context("start a node")?);
        let stdout = child.0.stdout.take().context("take the node's output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("wait for a node")?;
        let text = || std::fs::read_to_string(&log).unwrap_or_default();
        let url = line.trim().strip_prefix("listening ");
        let url = url.with_context(|| format!("the node does not listen: {}", text()))?;
        let answered = self.first_answer(address(url)?, spawned)?;
        drop(child);
        Ok((answered, text()))
    }

    fn command(&self, log: &Path) -> Result<Command> {
        let mut args = vec!["up".to_owned(), "--log-format=json".to_owned()];
        args.extend(NODE_ARGS.iter().map(|word| (*word).to_owned()));
        let mut add = |option: &str, value: String| args.extend([option.to_owned(), value]);
        add("--from", self.manifest.display().to_string());
        add("--listen", "127.0.0.1:0".to_owned());
        add("--state-dir", self.state_dir.display().to_string());
        if self.path == PRODUCTS {
            add("--variable", format!("origin_url={}", self.origin));
        }
        let mut program = self.program.clone();
        if let Some(core) = self.core {
            (program, args) = harness::on_core(core, &program, args);
        }
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.root);
        command.env("RUST_LOG", "warn,runtime=info").env("SPIN_VARIABLE_EDGE_SECRET", &self.secret);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(std::fs::File::create(log).context("make a log")?);
        Ok(command)
    }

    /// Asks until the answer is 200, and returns how long that took from `spawned`.
    fn first_answer(&self, address: SocketAddr, spawned: Instant) -> Result<Duration> {
        let question = Question::get("start", self.path, &[]);
        let mut connection = Connection::open(address)?;
        connection.stream.set_nonblocking(false).context("set up a connection")?;
        connection.stream.set_read_timeout(Some(ANSWER_LIMIT)).context("set up a connection")?;
        while spawned.elapsed() < ANSWER_LIMIT {
            connection.send(question.bytes()).map_err(anyhow::Error::msg)?;
            loop {
                match connection.receive(&mut []) {
                    Received::Nothing => {}
                    Received::Answer(answer) if answer.status == 200 => {
                        return Ok(spawned.elapsed());
                    }
                    // The copy is not there yet.
                    Received::Answer(answer) if answer.status == 503 && answer.is_kept => break,
                    Received::Answer(answer) => bail!("{}: {answer:?}", self.path),
                    Received::Broken(why) => bail!("{}: {why}", self.path),
                }
                if spawned.elapsed() > ANSWER_LIMIT {
                    break;
                }
            }
        }
        bail!("{}: no 200 within {ANSWER_LIMIT:?}", self.path)
    }
}

/// A process that ends with this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Adds up a field of a JSON log.
fn sum_of(log: &str, field: &str) -> f64 {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line.get(field)?.as_f64()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_added_up_over_the_lines_that_have_it() {
        let log =
            "{\"load_ms\":1.5,\"message\":\"a\"}\nnot JSON\n{\"load_ms\":2}\n{\"engine_ms\":9}\n";
        assert_eq!((sum_of(log, "load_ms"), sum_of(log, "engine_ms")), (3.5, 9.0));
    }
}
