//! Every case on every host: one test each, made by one macro.
//!
//! A host's test runs the reference too, unless another test of this process has: its answers are what the host's are
//! compared with. Run in one process (`cargo xtask test conformance`) each host is asked once.

use std::sync::OnceLock;

use conformance::compare::{self, Comparison};
use conformance::host::Host;
use conformance::run::{self, Run};
use conformance::world::World;
use conformance::{cases, hosts};

/// A host's run, or why it was left out.
type Ran = Result<Run, String>;

fn run_once(host: Host, cell: &'static OnceLock<Ran>) -> &'static Ran {
    cell.get_or_init(|| match run::run(host, &cases::all()) {
        Ok(ran) => ran,
        Err(error) => panic!("{} does not start: {error:#}", host.name),
    })
}

fn reference() -> &'static Run {
    static REFERENCE: OnceLock<Ran> = OnceLock::new();
    match run_once(hosts::NATIVE, &REFERENCE) {
        Ok(run) => run,
        Err(why) => panic!("the reference is left out: {why}"),
    }
}

/// Runs a host, says how it went in one line that `xtask` reads, and fails with every fault at once.
fn check(host: Host, cell: &'static OnceLock<Ran>) {
    // Held to the end, so that hosts that run at the same time share one origin.
    let _world = World::shared().unwrap_or_else(|error| panic!("{error:#}"));
    let is_reference = host.name == reference().host;
    let run = match if is_reference { Ok(reference()) } else { run_once(host, cell).as_ref() } {
        Ok(run) => run,
        Err(why) => {
            say(&format!("conformance {}: left out ({why})", host.name));
            return;
        }
    };
    let count = run.count();
    let comparison =
        if is_reference { Comparison::default() } else { compare::compare(reference(), run) };
    say(&format!(
        "conformance {}: {} passed, {} failed, {} left out, {} compared, {} differ",
        host.name,
        count.passed,
        count.failed,
        count.left_out,
        comparison.compared,
        comparison.faults.len()
    ));
    let stale = if is_reference { vec![] } else { compare::stale(host.name, &comparison.seen) };
    let mut report = run.report();
    for fault in &comparison.faults {
        report.push_str(&format!("\n{fault}\n"));
    }
    for one in stale {
        let what = format!("{}: the documented difference {one:?} no longer differs", host.name);
        report.push_str(&format!("\n{what}\n"));
    }
    if report.is_empty() {
        return;
    }
    let log: Vec<&str> = run.log.lines().rev().take(30).collect();
    let log: Vec<&str> = log.into_iter().rev().collect();
    panic!("{report}\n── the end of {}'s log\n{}", host.name, log.join("\n"));
}

#[expect(clippy::print_stdout, reason = "xtask reads these lines, and people do")]
fn say(line: &str) {
    println!("{line}");
}

/// Makes a test per host.
macro_rules! on_every_host {
    ($($name:ident: $host:expr;)*) => {$(
        #[test]
        fn $name() {
            static RAN: OnceLock<Ran> = OnceLock::new();
            check($host, &RAN);
        }
    )*};
}

on_every_host! {
    native_answers_as_the_table_says: hosts::NATIVE;
    node_answers_as_the_table_says_and_as_native_does: hosts::NODE;
    node_answers_the_same_in_the_standard_lane: hosts::NODE_STANDARD;
    workerd_answers_as_the_table_says_and_as_native_does: hosts::WORKERD;
    spin_answers_as_the_table_says_and_as_native_does: hosts::SPIN;
}
