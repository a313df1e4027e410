//! Imports and exports of every built component, held against the world that real Spin ≥ 4.1 provides.

use std::collections::BTreeSet;
use std::fs;

use conformance::Interfaces;

use crate::root;

/// WASI packages that Spin 4.1 and our node provide whole, with their versions.
const WASI: [(&str, &[&str]); 8] = [
    ("wasi:cli/", &["0.2.", "0.3.0"]),
    ("wasi:clocks/", &["0.2.", "0.3.0"]),
    ("wasi:filesystem/", &["0.2.", "0.3.0"]),
    ("wasi:http/types@", &["0.2.", "0.3.0"]),
    ("wasi:http/client@", &["0.3.0"]),
    ("wasi:io/", &["0.2."]),
    ("wasi:random/", &["0.2.", "0.3.0"]),
    ("wasi:sockets/", &["0.2.", "0.3.0"]),
];

const COMPONENTS: [&str; 5] = ["gateway", "catalog", "ar_router", "shop_api", "assets"];

fn interfaces(component: &str) -> Interfaces {
    let path = root().join(format!("target/components/{component}.wasm"));
    let wasm = fs::read(&path).unwrap_or_else(|cause| {
        panic!("{} is missing ({cause}): run `cargo xtask build`", path.display())
    });
    Interfaces::of(&wasm).expect("a component")
}

/// The lines `import x;` of `components/wit/world.wit`: the one place for the versions.
fn accepted() -> BTreeSet<String> {
    let world = fs::read_to_string(root().join("components/wit/world.wit"))
        .expect("the world is in the tree");
    let lines =
        world.lines().filter_map(|line| line.trim().strip_prefix("import ")?.strip_suffix(';'));
    lines.map(str::to_owned).collect()
}

fn is_wasi(import: &str) -> bool {
    WASI.iter().any(|(package, versions)| {
        let version = import.starts_with(package).then(|| import.rsplit_once('@')).flatten();
        version.is_some_and(|(_, version)| versions.iter().any(|known| version.starts_with(known)))
    })
}

#[test]
fn components_import_only_what_real_spin_provides() {
    let accepted = accepted();
    assert!(accepted.contains("spin:sqlite/sqlite@3.1.0"), "the world is read");
    for component in COMPONENTS {
        for import in interfaces(component).imports {
            let is_next = component == "gateway" && import == "wasi:http/handler@0.3.0";
            assert!(
                is_next || is_wasi(&import) || accepted.contains(&import),
                "{component} imports {import}"
            );
        }
    }
}

#[test]
fn components_export_the_handler_that_spin_calls() {
    for component in COMPONENTS {
        let exports = interfaces(component).exports;
        assert!(exports.contains("wasi:http/handler@0.3.0"), "{component} exports {exports:?}");
    }
}

#[test]
fn only_the_gateway_calls_on() {
    for component in COMPONENTS {
        let calls_on = interfaces(component).imports.contains("wasi:http/handler@0.3.0");
        assert_eq!(calls_on, component == "gateway", "{component}");
    }
}

#[test]
fn what_is_no_component_is_refused() {
    assert!(Interfaces::of(b"\0asm\x01\0\0\0garbage").is_err());
    assert!(Interfaces::of(b"").is_err());
}
