//! `vitrine-edge sign`: what it makes opens a file, and what it refuses is told without the key.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::support::Node;

const SECRET: &str = "a secret of some length";
const KEY_VARIABLE: &str = "VITRINE_SIGNING_KEY";

fn sign(key: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine-edge"));
    command.arg("sign").args(arguments).env_remove(KEY_VARIABLE);
    command.envs(key.map(|key| (KEY_VARIABLE, key)));
    command.output().expect("runs")
}

/// What it prints: one line.
fn path(key: Option<&str>, arguments: &[&str]) -> String {
    let output = sign(key, arguments);
    let (said, told) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
    assert_eq!((output.status.code(), told.as_deref()), (Some(0), Ok("")));
    let said = said.expect("is text");
    let path = said.strip_suffix('\n').expect("is a line");
    assert!(!path.contains('\n'), "{said}");
    path.to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("is text")
}

#[test]
fn a_path_by_either_way_of_giving_the_key_opens_its_file_and_no_other() {
    let manifest = format!(
        "spin_manifest_version = 2\n[application]\nname = \"files\"\n[[application.tool.vitrine.routes]]\n\
         route = \"/models/...\"\nfiles = \"models\"\nsigned_by = {{ k1 = {SECRET:?} }}\n"
    );
    let node = Node::start_prepared(&manifest, &[], |dir| {
        std::fs::create_dir(dir.join("models")).expect("is made");
        for name in ["a chair.glb", "b.glb"] {
            std::fs::write(dir.join("models").join(name), "model").expect("is written");
        }
        // As an editor leaves it.
        std::fs::write(dir.join("key"), format!("{SECRET}\n")).expect("is written");
    });
    let file = node.dir.path().join("key");
    let by_file =
        ["--key-id", "k1", "--expires", "1h", "/a%20chair.glb", "--key-file", text(&file)];
    let by_file = path(None, &by_file);
    let moment = ["--key-id", "k1", "--expires", "2030-01-01T00:00:00Z", "/b.glb"];
    let by_environment = path(Some(SECRET), &moment);
    assert!(by_environment.starts_with("/k1.1893456000."), "{by_environment}");
    for path in [&by_file, &by_environment] {
        assert_eq!(node.get(&format!("/models{path}"), &[]).text(), "model", "{path}");
    }
    let other = by_environment.replace("b.glb", "a%20chair.glb");
    let wrong = path(Some("another secret of ours"), &moment);
    for path in [&other, &wrong] {
        node.get(&format!("/models{path}"), &[]).assert_problem(403, "not-signed");
    }
}

#[test]
fn what_cannot_be_signed_is_told_in_a_sentence_without_the_key() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let large = dir.path().join("large");
    std::fs::write(&large, SECRET.repeat(1_000)).expect("is written");
    let usual = |path| ["--key-id", "k1", "--expires", "1h", path];
    let (good, key) = (usual("/a"), Some(SECRET));
    for (key, arguments, sentence) in [
        (None, good.to_vec(), "give the key: `--key-file FILE`, or VITRINE_SIGNING_KEY"),
        (Some("too short"), good.to_vec(), "the key has less than 16 bytes"),
        (key, usual("a").to_vec(), "the path begins with `/`, below the route"),
        (key, usual("/a?b").to_vec(), "'?' has to be percent-encoded in a path"),
        (key, vec!["--key-id", "k.1", "--expires", "1h", "/a"], "a key's id has letters"),
        (key, vec!["--key-id", "k1", "--expires", "0s", "/a"], "would have expired already"),
        (
            key,
            vec!["--key-id", "k1", "--expires", "2020-01-01T00:00:00Z", "/a"],
            "would have expired already",
        ),
        (key, vec!["--key-id", "k1", "--expires", "9999d", "/a"], "ten years at most"),
        (None, [&good[..], &["--key-file", "no such file"]].concat(), "read the key in no such"),
        (None, [&good[..], &["--key-file", text(&large)]].concat(), "has more than 4096 bytes"),
    ] {
        let output = sign(key, &arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(64), &b""[..]),
            "{told}"
        );
        assert!(told.contains(sentence) && told.lines().count() == 1, "{sentence}: {told}");
        assert!(!told.contains(SECRET) && !told.contains("too short"), "{told}");
    }
    let output = sign(key, &["--key-id", "k1", "--expires", "soon", "/a"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(64), &b""[..]));
}
