//! The ring `sim`: many seeds of the simulated checkout on each store.

use std::process::Command;

use crate::Context;

/// A store, how the table at the end calls its run, how many seeds it has and how many steps each, and how many run at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Simulation {
    pub(super) name: &'static str,
    store: &'static str,
    seeds: u32,
    steps: u32,
    jobs: Option<u32>,
}

/// Each store. A seed on PostgreSQL takes more than a second of a core, so it has fewer steps. It waits for answers most of its
/// time, so more of them run at once than there are cores.
pub(super) const ALL: [Simulation; 2] = [
    Simulation {
        name: "simulation: SQLite",
        store: "sqlite",
        seeds: 1_000,
        steps: 600,
        jobs: None,
    },
    Simulation {
        name: "simulation: PostgreSQL",
        store: "postgres",
        seeds: 1_000,
        steps: 300,
        jobs: Some(6),
    },
];

/// Makes the command; the simulator was built with the tests.
pub(super) fn command(context: &Context, simulation: Simulation) -> Command {
    let workspace = &context.workspace;
    let mut command = Command::new(workspace.programs(false).join("sim"));
    let Simulation { store, seeds, steps, jobs, .. } = simulation;
    command.current_dir(workspace.root());
    command.args([
        format!("--seeds={seeds}"),
        format!("--steps={steps}"),
        format!("--store={store}"),
    ]);
    command.args(jobs.map(|jobs| format!("--jobs={jobs}")));
    command
}

/// What the table at the end tells of a run: how many seeds there were, and what was wrong with those that failed.
pub(super) fn summary(lines: Vec<String>) -> impl Iterator<Item = String> {
    let tells = |line: &String| line.contains(" seeds from ") || line.starts_with("failed seed");
    lines.into_iter().filter(tells)
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn says_which_seed_failed_and_why() {
        let lines = [
            "5 of 10 seeds",
            "  12 ms client 3: buys",
            "failed seed 7 at step 12: stock: sold too much",
            "6 of 10 seeds from 1 ran, 300 steps each, 1 failed; 4.0 s, 2 at once",
        ];
        let told: Vec<String> = summary(lines.map(str::to_owned).to_vec()).collect();
        assert_eq!(told, lines[2..]);
    }
}
