//! Three servers whose primary Patroni chooses, by what etcd says; nobody here promotes.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{Cluster, Place, Programs, Server, USER};

/// Names the folder of `patroni` and `patronictl`, where they are not on the PATH.
const FOLDER: &str = "VITRINE_PATRONI";
/// Longest until three servers are made and follow one: 120 s. Two are copies of the first.
const START_MAX: Duration = Duration::from_secs(120);
/// Longest until a server that was harmed follows again, or is copied anew: 120 s.
const HEAL_MAX: Duration = Duration::from_secs(120);
/// Longest without a primary: 60 s. Patroni waits 20 s for one that is silent.
const ELECT_MAX: Duration = Duration::from_secs(60);
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(50);
/// Pause between two questions to `patronictl`, which takes a moment itself.
const ASK_POLL: Duration = Duration::from_millis(500);
/// The sample of our manual: what is tried here is what is advised there.
const SAMPLE: &str = include_str!("../../../docs/how-to/patroni/patroni.yml");

/// Patroni's programs and etcd.
#[derive(Debug, Clone)]
pub struct PatroniPrograms {
    programs: Programs,
    patroni: PathBuf,
    patronictl: PathBuf,
    etcd: PathBuf,
}

impl PatroniPrograms {
    /// Finds `patroni`, `patronictl`, `etcd` and PostgreSQL's programs.
    ///
    /// # Errors
    /// When one is not there; the sentence says which.
    pub fn find() -> Result<Self> {
        let programs = Programs::find()?;
        let mut folders: Vec<PathBuf> =
            std::env::var_os(FOLDER).map(PathBuf::from).into_iter().collect();
        let path = std::env::var_os("PATH").unwrap_or_default();
        folders.extend(std::env::split_paths(&path));
        let find = |name: &str| {
            let file = folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
            file.with_context(|| format!("find {name} on the PATH, or where {FOLDER} says"))
        };
        let (patroni, patronictl) = (find("patroni")?, find("patronictl")?);
        Ok(Self { programs, patroni, patronictl, etcd: find("etcd")? })
    }

    /// Returns what Patroni says of its version, such as `patroni 4.1.5`.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn version(&self) -> Result<String> {
        let output = self.programs.command_of(self.patroni.clone()).arg("--version").output();
        let output = output.context("run patroni")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// One server with the Patroni that looks after it.
#[derive(Debug)]
struct Node {
    server: Server,
    settings: PathBuf,
    patroni: Option<Child>,
}

/// A cluster that looks after itself. Dropping it kills all of it.
#[derive(Debug)]
pub struct Patroni {
    programs: PatroniPrograms,
    nodes: Vec<Node>,
    etcd: Child,
}

impl Patroni {
    /// Makes and starts etcd and three servers below a new folder. `ports`: of the servers, of their Patronis' own HTTP,
    /// and two of etcd.
    ///
    /// # Errors
    /// When the three do not follow one of them within 120 s.
    pub fn start(
        programs: &PatroniPrograms,
        folder: &Path,
        servers: [u16; 3],
        control: [u16; 3],
        etcd: [u16; 2],
    ) -> Result<Self> {
        programs.programs.make_folder(folder)?;
        let places = Cluster::places(folder, servers);
        let child = start_etcd(programs, folder, etcd)?;
        let mut cluster = Self { programs: programs.clone(), nodes: Vec::new(), etcd: child };
        for (place, control) in places.into_iter().zip(control) {
            let settings = folder.join(format!("{}.yml", place.name));
            let text = settings_of(&programs.programs, &place, control, etcd[0]);
            fs::write(&settings, text).context("write Patroni's settings")?;
            let server = Server::there(&programs.programs, place);
            cluster.nodes.push(Node { server, settings, patroni: None });
        }
        for index in 0..cluster.nodes.len() {
            cluster.start_node(index)?;
        }
        cluster.wait_until_whole(START_MAX)?;
        Ok(cluster)
    }

    /// Returns a URL that names all servers; the one that takes writes is to be used.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let hosts: Vec<String> = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.server.place().port))
            .collect();
        format!("postgresql://{USER}@{}/{database}", hosts.join(","))
    }

    /// Returns the server that takes writes now, without asking those that are `left_out`: a frozen one answers nobody.
    ///
    /// # Errors
    /// When none does within 60 s.
    pub fn primary(&self, left_out: &[usize]) -> Result<usize> {
        let until = Instant::now() + ELECT_MAX;
        loop {
            let found = self.nodes.iter().enumerate().find(|(index, node)| {
                let answer = || node.server.ask("SELECT pg_is_in_recovery()");
                !left_out.contains(index) && answer().is_ok_and(|answer| answer == "f")
            });
            if let Some((index, _)) = found {
                return Ok(index);
            }
            if Instant::now() > until {
                bail!("no server takes writes after {} s", ELECT_MAX.as_secs());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Returns one of the servers.
    ///
    /// # Errors
    /// When there is no such.
    pub fn server(&self, index: usize) -> Result<&Server> {
        Ok(&self.node(index)?.server)
    }

    /// Returns the process number of a server, as it wrote it itself: Patroni started it.
    ///
    /// # Errors
    /// When it has not started.
    pub fn server_pid(&self, index: usize) -> Result<Pid> {
        let folder = &self.node(index)?.server.place().folder;
        let file = folder.join("postmaster.pid");
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let number: i32 = text.lines().next().unwrap_or_default().trim().parse()?;
        // The file of one that was killed names a number that may be somebody else's by now.
        let called = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        if !String::from_utf8_lossy(&called).contains(&*folder.to_string_lossy()) {
            bail!("the server at {} does not run", folder.display());
        }
        Pid::from_raw(number).context("find the process of a server")
    }

    /// Returns the process number of a server's Patroni.
    ///
    /// # Errors
    /// When it does not run.
    pub fn patroni_pid(&self, index: usize) -> Result<Pid> {
        let child = self.node(index)?.patroni.as_ref().context("find a Patroni that runs")?;
        i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("find a Patroni that runs")
    }

    /// Ends a server at once, and leaves its Patroni alone.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_server(&self, index: usize) -> Result<()> {
        kill_process(self.server_pid(index)?, Signal::KILL).context("kill a server")
    }

    /// Ends a server and its Patroni at once, as the loss of the machine does.
    ///
    /// # Errors
    /// When they do not run.
    pub fn kill_node(&mut self, index: usize) -> Result<()> {
        // First, or it would see the server end.
        if let Some(mut patroni) = self.node_mut(index)?.patroni.take() {
            patroni.kill().context("kill Patroni")?;
            patroni.wait().context("wait for Patroni")?;
        }
        self.kill_server(index)
    }

    /// Starts a server's Patroni, which starts the server.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn start_node(&mut self, index: usize) -> Result<()> {
        let (programs, node) = (self.programs.clone(), self.node_mut(index)?);
        let mut command = programs.programs.command_of(programs.patroni);
        command.arg(&node.settings);
        let log = node.server.log();
        node.patroni = Some(logged(&mut command, &log)?.spawn().context("run patroni")?);
        Ok(())
    }

    /// Lets another server become the primary, as an administrator does before maintenance.
    ///
    /// # Errors
    /// When `patronictl` refuses.
    pub fn switch_over(&self, from: usize, to: usize) -> Result<()> {
        let (from, to) = (self.name(from)?, self.name(to)?);
        self.control(&["switchover", SCOPE, "--leader", from, "--candidate", to, "--force"])?;
        Ok(())
    }

    /// Waits until one server leads and both others follow it and would be waited for.
    ///
    /// # Errors
    /// When that is not so within 120 s; what `patronictl` shows is in the error.
    pub fn heal(&self) -> Result<()> {
        self.wait_until_whole(HEAL_MAX)
    }

    fn wait_until_whole(&self, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        loop {
            let shown = self.control(&["list", "--format", "json"]);
            if shown.as_ref().is_ok_and(|text| is_whole(text)) {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("the cluster is not whole after {} s: {shown:?}", limit.as_secs());
            }
            std::thread::sleep(ASK_POLL);
        }
    }

    /// Asks `patronictl` with the settings of the first server.
    fn control(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.programs.programs.command_of(self.programs.patronictl.clone());
        command.arg("--config-file").arg(&self.node(0)?.settings).args(arguments);
        let output = command.output().context("run patronictl")?;
        if !output.status.success() {
            let (out, err) = (&output.stdout, &output.stderr);
            bail!("patronictl: {}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn name(&self, index: usize) -> Result<&str> {
        Ok(&self.server(index)?.place().name)
    }

    fn node(&self, index: usize) -> Result<&Node> {
        self.nodes.get(index).context("find the server")
    }

    fn node_mut(&mut self, index: usize) -> Result<&mut Node> {
        self.nodes.get_mut(index).context("find the server")
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        for index in 0..self.nodes.len() {
            // One that does not run is not killed.
            let _ = self.kill_node(index);
        }
        let _ = self.etcd.kill();
        let _ = self.etcd.wait();
    }
}

/// What the sample calls the cluster.
const SCOPE: &str = "vitrine";

/// Fills the sample in for a server on loopback.
fn settings_of(programs: &Programs, place: &Place, control: u16, etcd: u16) -> String {
    let words = [
        ("SUPERUSER-PASSWORD", "unused"),
        ("REPLICATOR-PASSWORD", "unused"),
        ("REWIND-PASSWORD", "unused"),
        ("SUPERUSER", USER),
        ("NAME", &place.name),
        ("RESTAPI", &format!("127.0.0.1:{control}")),
        ("ETCD", &format!("127.0.0.1:{etcd}")),
        ("POSTGRES", &format!("127.0.0.1:{}", place.port)),
        ("DATA", &place.folder.display().to_string()),
        ("PROGRAMS", &programs.folder().display().to_string()),
        ("NETWORK", "127.0.0.1/32"),
        ("METHOD", "trust"),
        ("SOCKETS", ""),
    ];
    words.iter().fold(SAMPLE.to_owned(), |text, (word, value)| text.replace(word, value))
}

fn start_etcd(programs: &PatroniPrograms, folder: &Path, ports: [u16; 2]) -> Result<Child> {
    let data = folder.join("etcd");
    programs.programs.make_folder(&data)?;
    let [clients, peers] = ports.map(|port| format!("http://127.0.0.1:{port}"));
    let first = format!("default={peers}");
    let mut command = programs.programs.command_of(programs.etcd.clone());
    command.arg("--data-dir").arg(&data);
    for (option, value) in [
        ("--listen-client-urls", &clients),
        ("--advertise-client-urls", &clients),
        ("--listen-peer-urls", &peers),
        ("--initial-advertise-peer-urls", &peers),
        ("--initial-cluster", &first),
        // A machine that is busy with everything else writes and answers late.
        ("--heartbeat-interval", &"200".to_owned()),
        ("--election-timeout", &"2000".to_owned()),
    ] {
        command.args([option, value.as_str()]);
    }
    logged(&mut command, &folder.join("etcd.log"))?.spawn().context("run etcd")
}

fn logged<'a>(command: &'a mut Command, log: &Path) -> Result<&'a mut Command> {
    let out = OpenOptions::new().create(true).append(true).open(log);
    let out = out.with_context(|| format!("open {}", log.display()))?;
    let err = out.try_clone().context("open the log")?;
    Ok(command.stdin(Stdio::null()).stdout(out).stderr(err))
}

/// Reads what `patronictl list` shows: a leader that runs, and both others stream and are waited for.
fn is_whole(shown: &str) -> bool {
    let Ok(members) = serde_json::from_str::<Vec<Value>>(shown) else { return false };
    let count = |roles: &[&str], state: &str| {
        let has = |member: &&Value| {
            member["Role"].as_str().is_some_and(|role| roles.contains(&role))
                && member["State"] == state
        };
        members.iter().filter(has).count()
    };
    // Before Patroni 4 one standby is waited for, and the other is a replica.
    let standbys = count(&["Quorum Standby"], "streaming");
    let plain = count(&["Sync Standby", "Replica"], "streaming");
    let single = count(&["Sync Standby"], "streaming");
    count(&["Leader"], "running") == 1 && (standbys == 2 || (plain == 2 && single == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_whole_when_both_others_follow_its_leader() {
        let list = |roles: [(&str, &str); 3]| {
            let members =
                roles.map(|(role, state)| format!(r#"{{"Role":"{role}","State":"{state}"}}"#));
            format!("[{}]", members.join(","))
        };
        let (leader, quorum) = (("Leader", "running"), ("Quorum Standby", "streaming"));
        let (sync, replica) = (("Sync Standby", "streaming"), ("Replica", "streaming"));
        for (roles, expected) in [
            ([leader, quorum, quorum], true),
            ([leader, sync, replica], true),
            ([leader, quorum, replica], false),
            ([leader, replica, replica], false),
            ([("Replica", "stopped"), quorum, quorum], false),
            ([("Leader", "stopped"), quorum, quorum], false),
            ([leader, quorum, ("Quorum Standby", "starting")], false),
        ] {
            assert_eq!(is_whole(&list(roles)), expected, "{roles:?}");
        }
        assert!(!is_whole("Error: etcd does not answer"));
    }

    #[test]
    fn no_word_of_the_sample_is_left_to_be_filled_in() {
        let programs = Programs::find();
        let Ok(programs) = programs else { return };
        let place = Place { folder: "/x/one".into(), port: 5, name: "one".to_owned() };
        let text = settings_of(&programs, &place, 6, 7);
        let values = text.lines().filter_map(|line| line.split('#').next());
        let left: Vec<&str> = values
            .flat_map(|line| line.split_whitespace())
            .filter(|word| word.len() > 3 && word.chars().all(|one| one.is_ascii_uppercase()))
            .collect();
        assert_eq!(left, Vec::<&str>::new(), "{text}");
    }
}
