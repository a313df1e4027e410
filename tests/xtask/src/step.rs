//! Runs other programs: in a process group of their own, output kept or passed on, stoppable.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::report::Reporter;
use crate::stop::Stop;

/// Lines of a failing program's output that its error shows.
const TAIL_LINES: usize = 40;
/// How long a program may take to end after SIGTERM before it gets SIGKILL: one that kills and cuts servers has disks and
/// servers to take away first.
const STOP_GRACE: Duration = Duration::from_secs(20);
/// How long output may still come after the program itself has ended.
const OUTPUT_GRACE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);

/// Runs programs one after the other and reports each.
#[derive(Debug, Clone)]
pub(crate) struct Steps {
    reporter: Reporter,
    stop: Stop,
}

impl Steps {
    pub(crate) fn new(reporter: Reporter, stop: Stop) -> Self {
        Self { reporter, stop }
    }

    /// Runs `command` with its output kept back; on failure the error ends with its last lines.
    pub(crate) fn run(&self, title: &str, command: &mut Command) -> Result<Duration> {
        self.captured(title, command).map(|(took, _)| took)
    }

    /// Runs `command` and returns all it printed.
    pub(crate) fn captured(
        &self,
        title: &str,
        command: &mut Command,
    ) -> Result<(Duration, Vec<String>)> {
        let mut report = self.reporter.step(title);
        let mut last = String::new();
        let watched = self.watch(command, &mut |line: Option<&str>| {
            if let Some(line) = line {
                line.clone_into(&mut last);
            }
            report.progress(&last);
        });
        match watched {
            Ok((status, lines)) if status.success() => Ok((report.done(), lines)),
            Ok((status, lines)) => {
                report.failed();
                bail!("{title}: `{}` failed ({status}){}", describe(command), tail(&lines));
            }
            Err(error) => {
                report.failed();
                Err(error.context(title.to_owned()))
            }
        }
    }

    /// Runs `command`, passes its output on line by line, and returns it with the verdict.
    pub(crate) fn passed_on(&self, title: &str, command: &mut Command) -> Result<PassedOn> {
        self.reporter.note(&format!("── {title}"));
        let started = Instant::now();
        let reporter = self.reporter.clone();
        let (status, lines) = self
            .watch(command, &mut |line: Option<&str>| {
                if let Some(line) = line {
                    reporter.note(line);
                }
            })
            .with_context(|| title.to_owned())?;
        Ok(PassedOn { is_success: status.success(), status, lines, took: started.elapsed() })
    }

    /// Runs `command` to its end. `on_line` gets every line, and nothing while there is silence.
    fn watch(
        &self,
        command: &mut Command,
        on_line: &mut dyn FnMut(Option<&str>),
    ) -> Result<(ExitStatus, Vec<String>)> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = spawn(command)?;
        let output = read_lines(&mut child);
        let mut lines = Vec::new();
        let mut ended: Option<(ExitStatus, Instant)> = None;
        loop {
            match output.recv_timeout(POLL) {
                Ok(line) => {
                    on_line(Some(&line));
                    lines.push(line);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => on_line(None),
                Err(RecvTimeoutError::Disconnected) => {
                    if let Some((status, _)) = ended {
                        return Ok((status, lines));
                    }
                    std::thread::sleep(POLL);
                }
            }
            match ended {
                // Something that it started holds its output open: no reason to wait for that.
                Some((status, at)) if at.elapsed() > OUTPUT_GRACE => return Ok((status, lines)),
                Some(_) => {}
                None => ended = poll(&mut child)?,
            }
            if ended.is_none() && self.stop.is_requested() {
                end_group(&mut child)?;
                bail!("stopped on request");
            }
        }
    }
}

/// How a program ended whose output was passed on.
#[derive(Debug)]
pub(crate) struct PassedOn {
    pub(crate) is_success: bool,
    pub(crate) status: ExitStatus,
    pub(crate) lines: Vec<String>,
    pub(crate) took: Duration,
}

impl PassedOn {
    /// The verdict as an error, for commands that are nothing without it.
    pub(crate) fn require_success(&self, title: &str) -> Result<()> {
        if !self.is_success {
            bail!("{title} failed ({})", self.status);
        }
        Ok(())
    }
}

fn poll(child: &mut Child) -> Result<Option<(ExitStatus, Instant)>> {
    let status = child.try_wait().context("wait for a program")?;
    Ok(status.map(|status| (status, Instant::now())))
}

/// Runs `command` quietly and returns its stdout, or nothing if it cannot be run or fails.
pub(crate) fn ask(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The last lines of a program's output, indented, ready to follow an error.
pub(crate) fn tail(lines: &[String]) -> String {
    let skipped = lines.len().saturating_sub(TAIL_LINES);
    let last: VecDeque<String> = lines.iter().skip(skipped).map(|l| format!("  | {l}")).collect();
    if last.is_empty() {
        return ", and printed nothing".to_owned();
    }
    format!("; its last lines:\n{}", last.into_iter().collect::<Vec<_>>().join("\n"))
}

/// The command as a person would type it.
fn describe(command: &Command) -> String {
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    words.join(" ")
}

fn spawn(command: &mut Command) -> Result<Child> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.spawn().with_context(|| {
        format!("start `{program}` (is it installed? `cargo xtask doctor` tells what is missing)")
    })
}

fn read_lines(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = sync_channel(1024);
    if let Some(out) = child.stdout.take() {
        forward_lines(out, sender.clone());
    }
    if let Some(err) = child.stderr.take() {
        forward_lines(err, sender);
    }
    receiver
}

fn forward_lines(stream: impl Read + Send + 'static, sender: SyncSender<String>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            // Progress bars overwrite a line: only its last state counts.
            let line = line.rsplit('\r').next().unwrap_or_default().to_owned();
            if sender.send(line).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

/// Ends a program and all it started: SIGTERM, then SIGKILL.
fn end_group(child: &mut Child) -> Result<()> {
    let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return Ok(());
    };
    // An error here means that the group is already gone.
    let _ = kill_process_group(group, Signal::TERM);
    let limit = Instant::now() + STOP_GRACE;
    while Instant::now() < limit {
        if child.try_wait().context("wait for a program")?.is_some() {
            break;
        }
        std::thread::sleep(POLL);
    }
    let _ = kill_process_group(group, Signal::KILL);
    child.wait().context("wait for a program")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::Steps;
    use crate::report::Reporter;
    use crate::stop::Stop;

    fn steps() -> Steps {
        Steps::new(Reporter::plain(), Stop::never())
    }

    #[test]
    fn a_failing_program_leaves_its_last_lines_in_the_error() {
        let error = steps()
            .run(
                "try",
                Command::new("sh").args(["-c", "echo first; echo 'the reason' >&2; exit 3"]),
            )
            .unwrap_err()
            .to_string();
        assert!(error.contains("the reason") && error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = steps().run("try", &mut Command::new("no-such-program-here")).unwrap_err();
        assert!(format!("{error:#}").contains("no-such-program-here"), "{error:#}");
    }

    #[test]
    fn all_output_is_returned_in_order() {
        let (_, lines) =
            steps().captured("try", Command::new("sh").args(["-c", "seq 1 500"])).unwrap();
        let expected: Vec<String> = (1..=500).map(|n: u32| n.to_string()).collect();
        assert_eq!(lines, expected);
    }
}
