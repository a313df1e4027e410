//! Settings from a file and the environment, and what is said of them.

use std::process::{Command, Output};

use crate::proxied::{Origin, Proxied, refused};

fn config(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine-edge"));
    command.arg("config").args(arguments).envs(variables.iter().copied());
    let Output { status, stdout, stderr } = command.output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn serves_by_the_settings_of_a_file() {
    let origin = Origin::start("cache-control: max-age=600\r\n", "hello");
    let dir = tempfile::tempdir().expect("makes a folder");
    let file = dir.path().join("edge.toml");
    std::fs::write(&file, "node_id = \"edge-7\"\n[proxy]\nno-cache = true\n").expect("writes");
    let file = file.to_str().expect("is text");
    let node = Proxied::start(&origin, &["--config", file]);
    let answer = node.get("/a", &[]);
    assert_eq!(
        (answer.header("vitrine-edge"), answer.header("vitrine-cache")),
        (Some("edge-7"), None)
    );
}

#[test]
fn refuses_settings_that_it_does_not_know_with_64_and_the_line() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let path = dir.path().join("edge.toml");
    let file = path.to_str().expect("is text");
    for (text, word) in [
        ("colour = 1", "edge.toml, line 1: `proxy` has no setting `colour`"),
        ("\n[proxy]\ncache-mib = 0", "`cache-mib` on line 3"),
        ("a = [", "edge.toml, line 1"),
    ] {
        std::fs::write(&path, text).expect("writes");
        let (code, said) = refused(&["--config", file]);
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(word) && said.trim().lines().count() == 1, "{said}");
        assert_eq!(config(&["--config", file, "--", "proxy"], &[]).0, Some(64));
    }
    assert_eq!(config(&["--explain", "--", "deploy"], &[]).0, Some(64));
}

#[test]
fn explains_where_each_setting_comes_from() {
    let variables = [("VITRINE_CACHE_MIB", "9"), ("SPIN_HTTP_LISTEN_ADDR", "127.0.0.1:1")];
    let (code, told, said) =
        config(&["--explain", "--", "up", "--variable", "a=s3cret"], &variables);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    for line in [
        "[up]",
        "cache-mib = 9 # MiB, env VITRINE_CACHE_MIB",
        "listen = \"127.0.0.1:1\" # env SPIN_HTTP_LISTEN_ADDR",
        "variable = [\"a=***\"] # flag",
        "drain-timeout-ms = 5000 # ms, default",
    ] {
        assert!(told.lines().any(|found| found == line), "{line} is not in {told}");
    }
    assert!(!told.contains("s3cret") && !told.contains("[proxy]"), "{told}");
    assert_eq!(config(&[], &[]).1, "the settings can be used\n");
}
