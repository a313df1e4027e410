//! `cargo xtask up` as its user meets it: ready, listed, restarted, stopped.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use e2e::{Client, eventually, is_alive, kill, terminate};
use serde_json::Value;

use crate::guest::{cart_with, check_out, fresh_key, skus_in_stock, stock};

const READY_LIMIT: Duration = Duration::from_secs(180);
const RESTART_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running `up`; killed with all it started when a test fails.
pub(crate) struct Up {
    child: Child,
    lines: Receiver<String>,
    data: PathBuf,
    /// What it printed until it was ready.
    pub(crate) said: Vec<String>,
}

pub(crate) fn command(data: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(xtask());
    command.args(["up", "--no-build", "--data"]).arg(data);
    command.args(["--edge-port", "0", "--origin-port", "0"]).args(more);
    command.stdin(Stdio::null());
    command
}

/// The program behind `cargo xtask`.
pub(crate) fn xtask() -> PathBuf {
    std::env::var_os("VITRINE_XTASK").expect("run this through `cargo xtask test e2e`").into()
}

fn refused(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let text = String::from_utf8_lossy(&stderr).into_owned();
    assert!(!status.success(), "{text}");
    let said: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(said.len(), 1, "one sentence: {text}");
    said.concat()
}

impl Up {
    fn start(data: &Path) -> (Self, Client) {
        Self::start_by(command(data, &[]), data)
    }

    /// Starts the shop by a command that is told of this data folder.
    pub(crate) fn start_by(mut command: Command, data: &Path) -> (Self, Client) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut up = Self { child, lines, data: data.to_path_buf(), said: Vec::new() };
        let url = eventually(READY_LIMIT, "the shop is ready", || {
            up.said.extend(up.lines.try_iter());
            up.said.iter().find_map(|line| line.strip_prefix("ready ").map(str::to_owned))
        });
        let edge = Client::new(&url);
        (up, edge)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Number and address of each process, by its role.
    pub(crate) fn processes(&self) -> BTreeMap<String, (u32, String)> {
        let text = fs::read_to_string(self.data.join("processes.json")).unwrap();
        let listed: Value = serde_json::from_str(&text).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        listed
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let pid = u32::try_from(one["pid"].as_u64().unwrap()).unwrap();
                (text(&one["role"]), (pid, text(&one["url"])))
            })
            .collect()
    }

    /// Asks for its end by SIGTERM, and expects nothing of it to be left.
    pub(crate) fn stop(self) {
        self.stop_all(3, STOP_LIMIT);
    }

    /// The same of a shop of so many processes.
    pub(crate) fn stop_all(mut self, count: usize, limit: Duration) {
        let pids: Vec<u32> = self.processes().values().map(|(pid, _)| *pid).collect();
        assert_eq!(pids.len(), count, "{:?}", self.processes());
        let started = Instant::now();
        terminate(self.child.id());
        let status = eventually(limit, "everything stops", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}");
        assert!(started.elapsed() < limit);
        for pid in pids {
            assert!(!is_alive(pid), "process {pid} is left");
        }
        assert!(self.processes().is_empty());
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            terminate(self.child.id());
            let _ = self.child.wait();
        }
    }
}

#[test]
fn it_starts_lists_restarts_and_stops_everything_and_keeps_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let (up, edge) = Up::start(folder.path());
    let sku = skus_in_stock(&edge).remove(0);
    let before = stock(&edge, &sku);
    let placed = check_out(&edge, &cart_with(&edge, &sku, 1), &fresh_key(), "success");
    assert!(matches!(placed.status, 200 | 201), "{placed:?}");

    let second = refused(&mut command(folder.path(), &[]));
    assert!(second.contains(&up.child.id().to_string()), "{second}");

    let first = up.processes();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["edge", "origin", "payments"]);
    for (role, (pid, url)) in &first {
        kill(*pid);
        eventually(RESTART_LIMIT, &format!("{role} is started again"), || {
            let (now, _) = up.processes().get(role)?.clone();
            let answers = Client::new(url).get("/healthz").ok()?.status == 200;
            (now != *pid && answers).then_some(())
        });
    }
    eventually(RESTART_LIMIT, "the shop sells again", || {
        (edge.get(&format!("/v1/inventory/{sku}")).ok()?.status == 200).then_some(())
    });
    up.stop();

    let (mut again, edge) = Up::start(folder.path());
    assert_eq!(stock(&edge, &sku), before - 1, "a second start keeps the data");
    let left: Vec<u32> = again.processes().values().map(|(pid, _)| *pid).collect();
    kill(again.child.id());
    again.child.wait().unwrap();

    let (third, _) = Up::start(folder.path());
    assert!(!left.iter().any(|pid| is_alive(*pid)), "what a killed start left over is ended");
    third.stop();
}

#[test]
fn a_port_in_use_is_refused_in_one_sentence_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = Command::new(xtask());
    command.args(["up", "--no-build", "--data"]).arg(folder.path()).args(["--edge-port", &port]);
    let said = refused(&mut command);
    assert!(said.contains(&port) && said.contains("--edge-port"), "{said}");
}
