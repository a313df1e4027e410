//! What `spin build && spin up` asks of the repository: the build commands run for real, as Spin runs them, and the
//! files for operators of Spin held against what Spin documents.

use std::fs;
use std::path::Path;
use std::process::Command;

use toml::{Table, Value};

use crate::{manifest_text, root};

/// The keys of `runtime-config.toml` by section and type: required ones, then optional ones.
const RUNTIME_KEYS: [(&str, &str, &[&str], &[&str]); 4] = [
    ("sqlite_database", "spin", &[], &["path"]),
    ("sqlite_database", "libsql", &["url", "token"], &[]),
    ("key_value_store", "spin", &[], &["path"]),
    ("key_value_store", "redis", &["url"], &[]),
];

fn manifest() -> Table {
    manifest_text().parse().expect("spin.toml is TOML")
}

fn components() -> Vec<(String, Table)> {
    let manifest = manifest();
    let components = manifest["component"].as_table().expect("components are tables");
    components
        .iter()
        .map(|(id, component)| (id.clone(), component.as_table().expect("a table").clone()))
        .collect()
}

/// The folders that a component mounts.
fn mounts(component: &Table) -> Vec<&str> {
    let files = component.get("files").and_then(Value::as_array);
    files.into_iter().flatten().map(|mount| mount["source"].as_str().expect("a path")).collect()
}

#[test]
fn every_build_command_leaves_the_files_that_spin_loads() {
    let root = root();
    for (id, component) in components() {
        let command = component["build"]["command"].as_str().expect("one command");
        // Spin: `Exec::shell(command).cwd(the manifest's folder)`, one component after the other.
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(&root)
            .output()
            .expect("a shell runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{command}` failed:\n{said}");
        let source = root.join(component["source"].as_str().expect("a path"));
        let wasm =
            fs::read(&source).unwrap_or_else(|cause| panic!("{id}: {cause} after `{command}`"));
        assert!(conformance::Interfaces::of(&wasm).is_ok(), "{id} is a component");
        for mount in mounts(&component) {
            let holds_files = fs::read_dir(root.join(mount)).is_ok_and(|files| files.count() > 0);
            assert!(holds_files, "{id} mounts {mount}, which is empty after `{command}`");
        }
    }
    assert!(root.join("assets/storefront/dist/index.html").is_file());
}

#[test]
fn every_build_command_is_of_one_component_and_needs_no_folder_of_its_own() {
    for (id, component) in components() {
        let build = component["build"].as_table().expect("every component is built");
        assert_eq!(build["command"].as_str(), Some(&*format!("cargo xtask spin build {id}")));
        assert!(!build.contains_key("workdir"), "{id}: the alias `cargo xtask` is the root's");
    }
}

#[test]
fn spin_needs_no_variable_but_the_origins_address() {
    let manifest = manifest();
    let variables = manifest["variables"].as_table().expect("variables are tables");
    let required: Vec<&String> = variables
        .iter()
        .filter(|(_, variable)| variable.get("default").is_none())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(required, ["origin_url"]);
    let default = variables["edge_secret"]["default"].as_str();
    assert_eq!(default, Some(api_types::feed::DEVELOPMENT_SECRET));
}

#[test]
fn every_variable_is_explained_to_operators_of_spin() {
    let page = read("docs/how-to/deploy-spin.md");
    for name in manifest()["variables"].as_table().expect("variables are tables").keys() {
        let variable = format!("SPIN_VARIABLE_{}", name.to_uppercase());
        assert!(page.contains(&variable), "deploy-spin.md does not name {variable}");
    }
}

#[test]
fn runtime_configurations_have_the_keys_that_spin_documents_and_no_others() {
    let folder = root().join("docs/how-to/spin");
    let mut seen = Vec::new();
    for entry in fs::read_dir(&folder).expect("the folder is there") {
        let path = entry.expect("is listed").path();
        seen.push(path.file_name().expect("has a name").to_string_lossy().into_owned());
        let config: Table = fs::read_to_string(&path).expect("is text").parse().expect("is TOML");
        for (section, labels) in &config {
            for (label, store) in labels.as_table().expect("labels are tables") {
                check_store(&path, section, label, store.as_table().expect("a table"));
            }
        }
    }
    seen.sort();
    assert_eq!(seen, ["runtime-config.libsql.toml", "runtime-config.redis.toml"]);
}

fn check_store(path: &Path, section: &str, label: &str, store: &Table) {
    let path = path.display();
    let grants = match section {
        "sqlite_database" => "sqlite_databases",
        "key_value_store" => "key_value_stores",
        other => panic!("{path}: Spin knows no section `{other}`"),
    };
    let is_granted = components().iter().any(|(_, component)| {
        let labels = component.get(grants).and_then(Value::as_array);
        labels.into_iter().flatten().any(|granted| granted.as_str() == Some(label))
    });
    assert!(is_granted, "{path}: no component uses `{label}`");
    let kind = store["type"].as_str().expect("has a type");
    let known = RUNTIME_KEYS.iter().find(|(of, name, ..)| *of == section && *name == kind);
    let (_, _, required, optional) =
        known.unwrap_or_else(|| panic!("{path}: Spin knows no `{kind}` in `{section}`"));
    for key in *required {
        assert!(store.get(*key).is_some_and(Value::is_str), "{path}: `{key}` is missing");
    }
    for key in store.keys().filter(|key| *key != "type") {
        assert!(required.iter().chain(*optional).any(|known| known == key), "{path}: `{key}`");
    }
    if let Some(url) = store.get("url").and_then(Value::as_str) {
        let schemes: &[&str] =
            if kind == "libsql" { &["https://", "http://"] } else { &["redis://", "rediss://"] };
        assert!(schemes.iter().any(|scheme| url.starts_with(scheme)), "{path}: {url}");
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|cause| panic!("{path}: {cause}"))
}
