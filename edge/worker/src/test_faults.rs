//! Faults on purpose, in builds for tests alone: the feature `test-faults`.

use core::time::Duration;

use ports::Timer;

use crate::ports::WorkerPorts;

/// Long enough that other requests are under way: 300 ms.
const PAUSE: Duration = Duration::from_millis(300);

/// Panics for `/.test-faults/panic`, waits for `/.test-faults/slow`.
#[expect(clippy::panic, reason = "this is the fault")]
pub(crate) async fn provoke(ports: &WorkerPorts, path: &str) {
    match path {
        "/.test-faults/panic" => {
            ports.sleep(PAUSE).await;
            panic!("told to");
        }
        "/.test-faults/slow" => ports.sleep(PAUSE * 2).await,
        _ => {}
    }
}
