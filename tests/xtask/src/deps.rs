//! `deps`: who may import whom (house guide, part 3 and appendix D), over `cargo metadata`.

mod rules;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::Context;
use crate::step;
use crate::workspace::Workspace;
use rules::{Import, Layer, Package};

/// The command.
pub(crate) fn run(context: &Context) -> Result<()> {
    let report = context.reporter.step("check who imports whom");
    let checked = check(&context.workspace);
    match checked {
        Ok(summary) => {
            report.done();
            context.reporter.result(&summary);
            Ok(())
        }
        Err(error) => {
            report.failed();
            Err(error)
        }
    }
}

/// Checks every crate of the workspace; returns what was checked, in a sentence.
fn check(workspace: &Workspace) -> Result<String> {
    let manifests = read_manifests(workspace)?;
    let mut findings = Vec::new();
    let mut packages = BTreeMap::new();
    for manifest in &manifests {
        match manifest.package(workspace.root()) {
            Ok(package) => {
                packages.insert(package.name.clone(), package);
            }
            Err(finding) => findings.push(finding),
        }
        findings.extend(manifest.stray_settings());
    }
    let mut edges = 0_usize;
    for manifest in &manifests {
        let Some(from) = packages.get(&manifest.name) else { continue };
        for (name, is_dev) in &manifest.imports {
            edges += 1;
            let import = packages.get(name).map_or(Import::Outside(name), Import::Ours);
            findings.extend(rules::judge(from, &import, *is_dev));
        }
    }
    if !findings.is_empty() {
        findings.sort();
        bail!("{} imports break the rules of layers:\n  {}", findings.len(), findings.join("\n  "));
    }
    Ok(format!("deps: {} crates, {edges} imports, none against the drawing", packages.len()))
}

/// What the check needs of one `Cargo.toml`.
#[derive(Debug)]
struct Manifest {
    name: String,
    path: PathBuf,
    layer: Option<String>,
    /// Package names, and whether only tests import them.
    imports: Vec<(String, bool)>,
    table: toml::Table,
}

impl Manifest {
    fn package(&self, root: &Path) -> Result<Package, String> {
        let Some(layer) = self.layer.as_deref() else {
            return Err(format!(
                "{}: no layer; add `metadata.layer.name = \"…\"` under [package] ({})",
                self.name,
                Layer::NAMES
            ));
        };
        let Some(layer) = Layer::parse(layer) else {
            return Err(format!(
                "{}: unknown layer `{layer}`; it is one of {}",
                self.name,
                Layer::NAMES
            ));
        };
        let side = self
            .path
            .strip_prefix(root)
            .ok()
            .and_then(|path| path.components().next())
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .unwrap_or_default();
        Ok(Package { name: self.name.clone(), layer, side })
    }

    /// Lints or versions that this crate sets for itself instead of taking the workspace's.
    fn stray_settings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        let inherits = |value: Option<&toml::Value>| {
            value.and_then(|v| v.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
        };
        if !inherits(self.table.get("lints")) {
            findings.push(format!("{}: no `[lints] workspace = true`", self.name));
        }
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = self.table.get(kind).and_then(toml::Value::as_table) else {
                continue;
            };
            for (name, value) in table {
                if !inherits(Some(value)) {
                    findings.push(format!(
                        "{}: `{name}` is not taken from the workspace; name it in the root's [workspace.dependencies] and write `{name}.workspace = true`",
                        self.name
                    ));
                }
            }
        }
        findings
    }
}

fn read_manifests(workspace: &Workspace) -> Result<Vec<Manifest>> {
    let text =
        step::ask(workspace.cargo().args(["metadata", "--no-deps", "--format-version", "1"]))
            .context("read the workspace: `cargo metadata` failed")?;
    let metadata: Value =
        serde_json::from_str(&text).context("read the answer of cargo metadata")?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("find packages")?;
    packages.iter().map(read_manifest).collect()
}

fn read_manifest(package: &Value) -> Result<Manifest> {
    let text = |key: &str| package.get(key).and_then(Value::as_str).map(str::to_owned);
    let name = text("name").context("find a package's name")?;
    let path = PathBuf::from(text("manifest_path").context("find a package's manifest")?);
    let layer = package.pointer("/metadata/layer/name").and_then(Value::as_str).map(str::to_owned);
    let mut imports = Vec::new();
    for dependency in package.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
        if let Some(import) = dependency.get("name").and_then(Value::as_str) {
            let is_dev = dependency.get("kind").and_then(Value::as_str) == Some("dev");
            imports.push((import.to_owned(), is_dev));
        }
    }
    let table = fs::read_to_string(&path)
        .with_context(|| format!("read {}", path.display()))?
        .parse()
        .with_context(|| format!("read {}", path.display()))?;
    Ok(Manifest { name, path, layer, imports, table })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::workspace::Workspace;

    #[test]
    fn no_crate_imports_against_the_drawing() {
        if let Err(error) = check(&Workspace::find().unwrap()) {
            panic!("{error:#}");
        }
    }
}
