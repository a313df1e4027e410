//! Processes that a test did not start itself and knows by number.

use rustix::process::{Pid, Signal, kill_process};

/// Ends a process as a power cut does. That it is gone already is no error.
pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

/// Asks a process to end. That it is gone already is no error.
pub fn terminate(pid: u32) {
    signal(pid, Signal::TERM);
}

/// Whether a process of that number runs. One that ended and that nobody has asked about yet does not.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim().starts_with('Z')))
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
