//! The ring `sim`: a thousand seeds of the simulated checkout on each store.

use std::process::Command;

use crate::Context;

/// Seeds on each store.
const SEEDS: u32 = 1_000;

/// A store, how the table at the end calls its run, how many steps a seed has, and how many seeds run at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Simulation {
    pub(super) name: &'static str,
    store: &'static str,
    steps: u32,
    jobs: Option<u32>,
}

/// Each store. A seed on PostgreSQL waits for answers most of its time, so there are more of them than cores.
pub(super) const ALL: [Simulation; 2] = [
    Simulation { name: "simulation: SQLite", store: "sqlite", steps: 600, jobs: None },
    Simulation { name: "simulation: PostgreSQL", store: "postgres", steps: 300, jobs: Some(6) },
];

/// Makes the command; the simulator was built with the tests.
pub(super) fn command(context: &Context, simulation: Simulation) -> Command {
    let workspace = &context.workspace;
    let mut command = Command::new(workspace.programs(false).join("sim"));
    let Simulation { store, steps, jobs, .. } = simulation;
    command.current_dir(workspace.root());
    command.args([
        format!("--seeds={SEEDS}"),
        format!("--steps={steps}"),
        format!("--store={store}"),
    ]);
    command.args(jobs.map(|jobs| format!("--jobs={jobs}")));
    command
}
