//! Processes that a test did not start itself and knows by number.

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// Ends a process as a power cut does. That it is gone already is no error.
pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

/// Asks a process to end. That it is gone already is no error.
pub fn terminate(pid: u32) {
    signal(pid, Signal::TERM);
}

/// Whether a process of that number runs.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    parse(pid).is_some_and(|pid| test_kill_process(pid).is_ok())
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = parse(pid) {
        let _ = kill_process(pid, signal);
    }
}

fn parse(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}
