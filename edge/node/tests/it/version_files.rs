//! What components see of files belongs to their version, like their wasm.

use std::{fs, path::PathBuf};

use crate::{
    deploy::{refused, succeeded, version},
    support::{Node, guests},
};

/// A manifest whose component sees `word.txt`, as a file that has to be copied.
fn with_word(name: &str) -> String {
    version(name, "files = [\"word.txt\"]")
}

impl Node {
    /// Starts the version `name` beside a `word.txt` that says `word`.
    fn start_with_word(name: &str, word: &str, arguments: &[&str]) -> Self {
        Self::start_prepared(&with_word(name), arguments, |dir| {
            fs::write(dir.join("word.txt"), word).expect("writes");
        })
    }

    /// Changes the file in the directory that the manifests are in.
    fn write_word(&self, word: &str) {
        fs::write(self.dir.path().join("word.txt"), word).expect("writes");
    }

    /// What the component reads.
    fn word(&self) -> String {
        let answer = self.get("/file", &[("x-path", "/word.txt")]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    /// The directories that files were copied to.
    fn copies(&self) -> Vec<PathBuf> {
        let copies = fs::read_dir(self.dir.path().join("state/files")).expect("exists");
        copies.map(|copy| copy.expect("is read").path()).collect()
    }
}

#[test]
fn a_version_sees_the_files_that_it_was_deployed_with() {
    let node = Node::start_with_word("same", "one", &[]);
    node.write_word("two");
    assert_eq!(node.word(), "one");
    // The manifest is the same, and the version is another.
    succeeded(&node.deploy(&with_word("same"), &[]));
    node.write_word("three");
    assert_eq!(node.word(), "two");
    // From memory, and then from the disk.
    succeeded(&node.operate("rollback", &[]));
    assert_eq!(node.word(), "one");
    succeeded(&node.operate("rollback", &["--to", "2"]));
    assert_eq!(node.word(), "two");

    // Another component file changes no other file.
    let wasm = format!("guest={}", guests().display());
    succeeded(&node.deploy(&with_word("named"), &[]));
    node.write_word("four");
    succeeded(&node.operate("deploy", &["--component", &wasm]));
    assert_eq!((node.version().as_str(), node.word().as_str()), ("named", "three"));
}

#[test]
fn a_version_that_is_resumed_sees_its_own_files_whatever_became_of_them() {
    let node = Node::start_with_word("1", "one", &[]);
    let text = with_word("1");
    node.write_word("two");
    succeeded(&node.deploy(&with_word("2"), &[]));
    node.write_word("three");
    let node = node.again(&text, &["--resume"]);
    assert_eq!((node.version().as_str(), node.word().as_str()), ("2", "two"));
    succeeded(&node.operate("rollback", &[]));
    assert_eq!((node.version().as_str(), node.word().as_str()), ("1", "one"));
    fs::remove_file(node.dir.path().join("word.txt")).expect("removes");
    let node = node.after_a_crash(&text, &["--resume"]);
    assert_eq!((node.version().as_str(), node.word().as_str()), ("1", "one"));

    // Without `--resume` it is a new version of the same manifest; with the file as it was, the known one.
    node.write_word("four");
    let node = node.again(&text, &[]);
    assert_eq!((node.word().as_str(), node.states().len()), ("four", 3));
    node.write_word("one");
    let node = node.again(&text, &[]);
    assert_eq!(node.word(), "one");
    assert_eq!(node.states(), ["1 current", "2 kept", "3 kept"]);
}

#[test]
fn a_version_whose_copies_are_lost_has_the_same_files_or_does_not_serve() {
    let node = Node::start_with_word("1", "one", &[]);
    let text = with_word("1");
    let [copy] = node.copies().try_into().expect("is one");
    fs::write(copy.join("word.txt"), "damaged").expect("writes");
    let node = node.again(&text, &["--resume"]);
    assert_eq!(node.word(), "one");
    fs::remove_dir_all(&copy).expect("removes");
    let node = node.again(&text, &["--resume"]);
    assert_eq!(node.word(), "one");
    fs::remove_dir_all(&copy).expect("removes");
    node.write_word("two");
    let resumed = node.resumed(&text);
    refused(&resumed, 64, "files of component `guest` have changed");
    succeeded(&node.deploy(&with_word("2"), &[]));
    assert_eq!(node.word(), "two");
    succeeded(&node.deploy(&with_word("3"), &[]));
    refused(
        &node.operate("rollback", &["--to", "1"]),
        64,
        "files of component `guest` have changed",
    );
    assert_eq!(node.version(), "3");
}

#[test]
fn copies_go_with_the_last_version_that_has_them() {
    let node = Node::start_with_word("0", "0", &[]);
    for number in 1..=14 {
        // Two versions each with the same file.
        node.write_word(&(number / 2).to_string());
        succeeded(&node.deploy(&with_word(&number.to_string()), &[]));
    }
    // Ten beside the one that serves and the one to return to: 3 to 14.
    assert_eq!((node.states().len(), node.copies().len()), (12, 7));
    node.write_word("of a bad one");
    let bad = version(
        "bad",
        "files = [\"word.txt\"]\n[application.tool.vitrine.check]\npath = \"/trap\"",
    );
    refused(&node.deploy(&bad, &[]), 64, "trapped");
    assert_eq!((node.copies().len(), node.word().as_str()), (7, "7"));
}
