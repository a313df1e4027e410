//! Components that are refused before anything of them runs, and the cache of those that are not.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use crate::{
    express::guest,
    support::{Node, guests, manifest, manifest_of, middleware, refused, refused_in},
    wasm::{component, export, held, imports, loops, module},
};

/// Asserts that `wasm` is refused with one sentence that has `words`.
#[track_caller]
fn assert_refused(wasm: &[u8], words: &[&str]) {
    let dir = tempfile::tempdir().expect("makes a folder");
    let path = dir.path().join("odd.wasm");
    fs::write(&path, wasm).expect("writes");
    let (code, said) = refused(&manifest_of(&path, ""), &[]);
    assert_eq!(code, Some(64), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

#[test]
fn refuses_what_is_no_component() {
    assert_refused(b"", &["component `guest` is refused: the file is empty"]);
    assert_refused(b"#!/bin/sh\n", &["the file is no WebAssembly"]);
    assert_refused(&module(0, &[]), &["it is a core module, and not a component"]);
    let whole = fs::read(guests()).expect("is built");
    assert_refused(&whole[..whole.len() / 2], &["is refused: the file is malformed"]);
    let mut broken = whole;
    // Code that cannot be read, deep inside.
    broken[100_000..100_100].fill(0xff);
    assert_refused(&broken, &["compile component `guest`: failed to compile", "offset 1000"]);
}

#[test]
fn refuses_a_file_that_is_too_large_without_reading_it() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let path = dir.path().join("large.wasm");
    // 1 TiB that takes no room.
    fs::File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("makes a hole");
    let (code, said) = refused(&manifest_of(Path::new("/dev/zero"), ""), &[]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("is refused: its source is no regular file"), "{said}");
    let (code, said) = refused(&manifest_of(&path, ""), &[]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("has 1099511627776 bytes, and at most 67108864 are read"), "{said}");
}

#[test]
fn refuses_all_that_a_component_imports_and_the_node_lacks_by_name() {
    let names = ["acme:moon/cheese@1.0.0", "wasi:cli/environment@0.2.0", "wasi:nn/graph@0.2.0-rc"];
    let odd = component(&[imports(&names)]);
    assert_refused(
        &odd,
        &["imports `acme:moon/cheese@1.0.0`, `wasi:cli/environment@0.2.0`, `wasi:nn/graph@"],
    );
}

#[test]
fn refuses_interfaces_of_versions_that_it_does_not_know() {
    let name = "spin:key-value/key-value@2.0.0";
    assert_refused(&component(&[imports(&[name])]), &["imports `spin:key-value/key-value@2.0.0`"]);
    let name = "wasi:http/types@0.3.0-rc-2026-01-06";
    assert_refused(
        &component(&[imports(&[name])]),
        &["imports `wasi:http/types@0.3.0-rc-2026-01-06`"],
    );
}

#[test]
fn refuses_a_component_without_a_handler_it_knows() {
    let neither = "exports neither `wasi:http/handler@0.3` nor `wasi:http/incoming-handler@0.2`";
    assert_refused(&component(&[]), &[neither, "it exports no HTTP handler"]);
    let name = "wasi:http/handler@0.3.0-rc-2026-01-06";
    let odd = component(&[export(name)]);
    assert_refused(&odd, &[neither, "it exports `wasi:http/handler@0.3.0-rc-2026-01-06` instead"]);
    // The right name, and nothing behind it.
    assert_refused(&component(&[export("wasi:http/handler@0.3.0")]), &[neither, "handle"]);
    assert_refused(&component(&[export("wasi:http/incoming-handler@0.2.6")]), &[neither, "handle"]);
}

#[test]
fn refuses_a_component_that_calls_the_next_one_where_there_is_none() {
    let said = "imports `wasi:http/handler@0.3.0`, by which a middleware calls the next component";
    for (wasm, arguments) in [
        (middleware(), &[][..]),
        (guest("gating"), &[][..]),
        (guest("gating"), &["--standard-lane"][..]),
    ] {
        let (code, refusal) = refused(&manifest_of(&wasm, ""), arguments);
        assert_eq!(code, Some(64), "{refusal}");
        assert!(refusal.contains(&format!("component `guest` {said}")), "{refusal}");
        assert_eq!(refusal.trim().lines().count(), 1, "{refusal}");
    }
    // The same component, twice before another one, and then by itself as well.
    let text = |more: &str| {
        format!(
            "spin_manifest_version = 2\n[application]\nname = \"chain\"\n\
             [[trigger.http]]\nroute = \"/...\"\ncomponent = \"inner\"\n\
             dependencies.middleware = [{{ component = \"outer\" }}, {{ component = \"outer\" }}]\n{more}\
             [component.inner]\nsource = {:?}\n[component.outer]\nsource = {:?}\n",
            guests(),
            middleware()
        )
    };
    let node = Node::start(&text(""), &[]);
    assert_eq!(node.get("/hello", &[("x-guest-forward", "1")]).text(), "hello");
    let more = "[[trigger.http]]\nroute = { private = true }\ncomponent = \"outer\"\n";
    let (code, refusal) = refused(&text(more), &[]);
    assert_eq!(code, Some(64), "{refusal}");
    assert!(refusal.contains(&format!("component `outer` {said}")), "{refusal}");
}

#[test]
fn refuses_compile_bombs_within_seconds() {
    // The first takes time, the second memory.
    for (depth, locals, what) in [(3000, 2000, "s of processor time"), (900, 45_000, "of memory")] {
        let started = std::time::Instant::now();
        let bomb = component(&[held(&module(locals, &loops(depth, locals)))]);
        assert_refused(&bomb, &["compile component `guest`: compiling took more than", what]);
        // Three seconds and five on an idle machine.
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    }
}

#[test]
fn refuses_functions_that_are_too_long_before_it_compiles() {
    let long = component(&[held(&module(0, &vec![1; 1024 * 1024]))]);
    let reason = "it has 1048580 bytes in one function, and at most 1048576 are compiled";
    assert_refused(&long, &["component `guest` is refused: ", reason]);
}

#[test]
fn compiles_a_component_once() {
    let mut node = Node::start(&manifest(""), &[]);
    assert_eq!(compiled(&node).len(), 1);
    // Written anew it would be another file; its time says when it was last used.
    let before = fs::metadata(&compiled(&node)[0]).expect("exists").ino();
    node.restart(&[]);
    assert_eq!(node.get("/hello", &[]).status, 200);
    let after = fs::metadata(&compiled(&node)[0]).expect("exists").ino();
    assert_eq!(before, after);
}

#[test]
fn compiles_again_what_the_disk_has_damaged() {
    let mut node = Node::start(&manifest(""), &[]);
    let path = compiled(&node).remove(0);
    let whole = fs::read(&path).expect("exists");
    for damage in ["cut off", "empty", "changed"] {
        let mut bytes = whole.clone();
        match damage {
            "cut off" => bytes.truncate(whole.len() / 2),
            "empty" => bytes.clear(),
            _ => bytes[whole.len() / 2] ^= 0x55,
        }
        fs::write(&path, bytes).expect("is damaged");
        node.restart(&[]);
        assert_eq!(node.get("/hello", &[]).status, 200, "{damage}");
        assert_eq!(compiled(&node).len(), 1);
        assert!(fs::read(&path).expect("exists") == whole, "{damage}: not written anew");
    }
}

#[test]
fn goes_on_without_a_cache_on_a_full_disk() {
    // No file may be longer than 1 MB, and whoever tries is told so instead of being killed. Memory that is shared with
    // the kernel counts as a file, so it cannot be less.
    let node = Node::start_by("trap '' XFSZ; ulimit -f 2000; exec \"$@\"", &manifest(""));
    assert_eq!(node.get("/hello", &[]).status, 200);
    assert_eq!(compiled(&node).len(), 0, "half a file was left over");
}

#[test]
fn goes_on_without_a_cache_in_a_directory_that_it_may_not_write() {
    let node = Node::start_by(
        "mkdir state; ln -s /proc/sys/kernel state/components; exec \"$@\"",
        &manifest(""),
    );
    assert_eq!(node.get("/hello", &[]).status, 200);
}

#[test]
fn refuses_a_state_directory_that_is_none() {
    let dir = tempfile::tempdir().expect("makes a folder");
    fs::write(dir.path().join("state"), "a file").expect("is written");
    let (code, said) = refused_in(dir.path(), &manifest(""), &[]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("prepare ") && said.contains("/state: "), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
}

/// The files in the cache.
fn compiled(node: &Node) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(node.dir.path().join("state/components")).expect("exists");
    entries.map(|entry| entry.expect("is read").path()).collect()
}
