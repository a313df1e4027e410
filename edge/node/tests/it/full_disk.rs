//! A state directory on a disk that is full, or that may not be written.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use crate::{
    deploy::{refused, succeeded, version},
    support::{Node, guests},
};

/// What the disk gives out in one piece.
const PAGE: u64 = 4096;

/// A disk in memory, mounted twice where only one process sees it: at `rw`, and at `ro`, which nobody may write.
struct SmallDisk {
    holder: Child,
    dir: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one of 64 MiB; `None`, and a word of it, where the kernel does not let us.
    #[expect(clippy::print_stdout, reason = "who runs the tests must know what was left out")]
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().expect("makes a folder");
        for name in ["rw", "ro"] {
            fs::create_dir(dir.path().join(name)).expect("makes a folder");
        }
        // It ends with this process: then there is nothing more to read.
        let script = "mount -t tmpfs -o size=64m none rw; mount --bind rw ro; mount -o remount,bind,ro ro; echo ready; \
                      exec cat";
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "sh", "-ec", script]).current_dir(dir.path());
        let spawned = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut said = String::new();
        if let Ok(mut holder) = spawned {
            let stdout = holder.stdout.take().expect("is piped");
            BufReader::new(stdout).read_line(&mut said).expect("is read");
            let disk = Self { holder, dir };
            if said == "ready\n" {
                return Some(disk);
            }
        }
        println!(
            "full_disk: left out (the kernel lets this user mount nothing, or there is no `unshare`)"
        );
        None
    }

    /// Lets the node in `dir` have its state on this disk.
    fn carry(&self, dir: &Path, name: &str) {
        let whole = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        let below = self.dir.path().strip_prefix("/").expect("is absolute");
        let next = dir.join("next-state");
        symlink(whole.join(below).join(name), &next).expect("makes a link");
        fs::rename(next, dir.join("state")).expect("puts it in place");
    }

    /// Leaves room for so many pages.
    fn leave(&self, node: &Node, pages: u64) {
        self.empty(node);
        let mut filler = File::create(filler(node)).expect("makes a file");
        let page = vec![1; usize::try_from(PAGE).expect("fits")];
        let mut length = 0_u64;
        while filler.write_all(&page).is_ok() {
            length += PAGE;
        }
        filler.set_len(length - pages * PAGE).expect("gets shorter");
    }

    /// Leaves what room there is.
    fn empty(&self, node: &Node) {
        let _ = fs::remove_file(filler(node));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn filler(node: &Node) -> PathBuf {
    node.dir.path().join("state/filler")
}

/// A manifest whose component sees a file that has to be copied.
fn with_word(name: &str) -> String {
    version(name, "files = [\"word.txt\"]")
}

/// A node whose state is on `disk`, with version 1 serving.
fn start(disk: &SmallDisk) -> Node {
    Node::start_prepared(&with_word("1"), &[], |dir| {
        disk.carry(dir, "rw");
        fs::write(dir.join("word.txt"), "one").expect("writes");
    })
}

/// Asserts that `output` is one sentence about `reason`; returns the name of the file that it speaks of.
#[track_caller]
fn refused_for(output: &Output, reason: &str) -> String {
    refused(output, 1, reason);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let path = said.split_once(&format!(": {reason}")).expect("names a path first").0;
    let name = path.rsplit('/').next().expect("has one");
    match name.rsplit_once('.') {
        // Named by their digest.
        Some((_, "wasm")) => "wasm".to_owned(),
        _ => name.to_owned(),
    }
}

/// Asserts that version 1 serves as it was, and that nothing of another one is left.
#[track_caller]
fn assert_untouched(node: &Node) {
    assert_eq!(node.version(), "1");
    assert_eq!(node.get("/file", &[("x-path", "/word.txt")]).text(), "one");
    assert_eq!(node.states(), ["1 current"]);
    let state = node.dir.path().join("state");
    for (folder, count) in [("versions", 3), ("versions/wasm", 1), ("files", 1)] {
        let names = fs::read_dir(state.join(folder)).expect("exists");
        let names: Vec<_> = names.map(|name| name.expect("is read").file_name()).collect();
        assert_eq!(names.len(), count, "{folder}: {names:?}");
    }
}

const FULL: &str = "No space left on device";
const READ_ONLY: &str = "Read-only file system";

#[test]
fn a_full_disk_refuses_a_version_and_takes_it_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut node = start(&disk);
    fs::write(node.dir.path().join("word.txt"), "two").expect("writes");
    let next = with_word("2");
    // The wasm is known: what is new has a page for each file.
    let mut failed_at = BTreeSet::new();
    for pages in 0..100 {
        disk.leave(&node, pages);
        let output = node.deploy(&next, &[]);
        if output.status.success() {
            break;
        }
        failed_at.insert(refused_for(&output, FULL));
        assert_untouched(&node);
        node = node.after_a_crash(&with_word("1"), &["--resume"]);
        assert_untouched(&node);
    }
    let files = ["history.json", "spin.toml", "version.json", "word.txt"];
    assert!(failed_at.iter().eq(files), "{failed_at:?}");
    assert_eq!(node.version(), "2");
    assert_eq!(node.get("/file", &[("x-path", "/word.txt")]).text(), "two");

    disk.leave(&node, 0);
    assert_eq!(refused_for(&node.operate("rollback", &[]), FULL), "history.json");
    let node = node.again(&with_word("1"), &["--resume"]);
    assert_eq!(node.version(), "2");
    disk.empty(&node);
    succeeded(&node.operate("rollback", &[]));
    assert_eq!(node.version(), "1");
}

#[test]
fn a_full_disk_takes_no_half_component() {
    let Some(disk) = SmallDisk::mount() else { return };
    let node = start(&disk);
    // A custom section of four bytes changes the file and not what it does.
    let mut bytes = fs::read(guests()).expect("reads");
    bytes.extend([0, 4, 2, b'n', b'o', 0]);
    fs::write(node.dir.path().join("other.wasm"), &bytes).expect("writes");
    let next = with_word("2").replace(&format!("{:?}", guests()), "\"other.wasm\"");
    let pages = u64::try_from(bytes.len()).expect("fits").div_ceil(PAGE);
    for room in [0, 1, pages - 1] {
        disk.leave(&node, room);
        assert_eq!(refused_for(&node.deploy(&next, &[]), FULL), "wasm");
        assert_untouched(&node);
    }
    let node = node.again(&with_word("1"), &["--resume"]);
    assert_untouched(&node);
    // There is room for the version, and none for the machine code that is made of it.
    disk.leave(&node, pages + 4);
    succeeded(&node.deploy(&next, &[]));
    assert_eq!(node.version(), "2");
    let node = node.again(&with_word("1"), &["--resume"]);
    assert_eq!(node.version(), "2");
}

#[test]
fn a_disk_that_may_not_be_written_is_served_from() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut node = start(&disk);
    disk.carry(node.dir.path(), "ro");
    assert!(refused_for(&node.deploy(&with_word("2"), &[]), READ_ONLY).contains("2"));
    assert_untouched(&node);
    fs::write(node.dir.path().join("word.txt"), "two").expect("writes");
    refused_for(&node.deploy(&with_word("2"), &[]), READ_ONLY);
    assert_untouched(&node);
    fs::write(node.dir.path().join("word.txt"), "one").expect("writes");
    for arguments in [&["--resume"][..], &[]] {
        node = node.again(&with_word("1"), arguments);
        assert_eq!(node.version(), "1");
        assert_eq!(node.get("/file", &[("x-path", "/word.txt")]).text(), "one");
    }
    disk.carry(node.dir.path(), "rw");
    let node = node.again(&with_word("1"), &["--resume"]);
    succeeded(&node.deploy(&with_word("2"), &[]));
    assert_eq!(node.version(), "2");
}
