//! The measurements run to their end, so that they cannot rot. How fast anything is, is not asked here.

use std::process::{Command, Output};

use serde_json::Value;

/// Runs the load program as `cargo xtask bench` does, on unoptimised programs.
fn load(words: &[&str]) -> Output {
    let programs = std::env::var("VITRINE_BIN_DIR").unwrap();
    let program = std::path::Path::new(&programs).join("load");
    let output = Command::new(program).args(words).arg("--json").output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn the_edge_bench_has_a_figure_for_every_server_and_number_of_connections() {
    let report: Value = serde_json::from_slice(&load(&["edge", "--quick"]).stdout).unwrap();
    let list = |name: &str| report[name].as_array().unwrap().clone();
    let groups = list("groups");
    // plain hyper, both lanes, workerd where it is; natively, both lanes, plain hyper, and once a token.
    let has_workerd = usize::from(list("notes").is_empty());
    let servers: Vec<usize> =
        groups.iter().map(|group| group["figures"].as_array().unwrap().len() / 2).collect();
    assert_eq!(servers, [3 + has_workerd, 5, 4, 4]);
    for figure in groups.iter().flat_map(|group| group["figures"].as_array().unwrap()) {
        for name in ["requests_per_second", "latency_us_p99", "rate_ratio"] {
            assert!(figure[name].as_f64().unwrap() > 0.0, "{name} of {figure}");
        }
    }
    assert_eq!(list("paced").len(), 6);
    for start in list("starts") {
        for name in ["first_answer_ms", "engine_ms", "load_ms"] {
            assert!(start[name].as_f64().unwrap() > 0.0, "{name} of {start}");
        }
    }
    for memory in list("memory") {
        for name in ["private_kib_per_instance", "instantiate_us"] {
            assert!(memory[name].as_f64().unwrap() > 0.0, "{name} of {memory}");
        }
    }
    assert!(list("goals").len() > 10, "{report}");
}

#[test]
fn a_short_soak_fails_no_request_but_those_that_trap_or_loop() {
    let words =
        ["soak", "--minutes", "0.15", "--faults-permille", "20", "--deploy-every-ms", "1000"];
    let report: Value = serde_json::from_slice(&load(&words).stdout).unwrap();
    assert_eq!(
        (&report["failures"], &report["failed_commands"]),
        (&0.into(), &Value::Array(vec![]))
    );
    for request in report["requests"].as_array().unwrap() {
        assert!(request["as_it_must_be"].as_u64().unwrap() > 0, "{request}");
    }
    let commands = report["commands"].as_object().unwrap();
    assert!(commands.contains_key("deploy") && commands.contains_key("rollback"), "{report}");
}

#[test]
fn the_proxys_bench_has_a_figure_for_every_server_and_part() {
    let report: Value = serde_json::from_slice(&load(&["cdn", "--quick"]).stdout).unwrap();
    let list = |name: &str| report[name].as_array().unwrap().clone();
    let groups = list("groups");
    // nginx's files, the node, the node with a gateway, nginx's cache; the model has no gateway; origins have no files.
    let servers: Vec<usize> =
        groups.iter().map(|group| group["figures"].as_array().unwrap().len() / 2).collect();
    assert_eq!(servers, [4, 3, 3, 2], "{report}");
    for figure in groups.iter().flat_map(|group| group["figures"].as_array().unwrap()) {
        assert!(figure["requests_per_second"].as_f64().unwrap() > 0.0, "{figure}");
    }
    let sections: Vec<&String> = report["sections"].as_object().unwrap().keys().collect();
    assert_eq!(sections.len(), 3, "{sections:?}");
    // What does not hang on the machine is asked here: an origin was asked once for a cold object.
    let crowd =
        list("goals").into_iter().find(|goal| goal["goal"].as_str().unwrap().starts_with("crowd"));
    assert_eq!(crowd.unwrap()["is_met"], Value::Bool(true), "{report}");
}

#[test]
fn a_short_soak_of_two_proxies_loses_no_request() {
    let words = ["cdn-soak", "--minutes", "0.5", "--seed", "1"];
    let report: Value = serde_json::from_slice(&load(&words).stdout).unwrap();
    assert_eq!(report["lost"], Value::from(0), "{report}");
    let right = report["right"].as_object().unwrap().values();
    let counted: u64 = right.filter_map(|rule| rule["count"].as_u64()).sum();
    assert!(counted > 100, "{report}");
}
