//! Derives the manifest of a node that serves the catalog without its gateway.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use toml::{Table, Value};

/// The component that is measured alone.
const ALONE: &str = "catalog";

/// Keeps of `manifest` (which lies in `root`) only the catalog, without middleware.
pub(crate) fn catalog_alone(manifest: &str, root: &Path) -> Result<String> {
    let mut manifest: Table = toml::from_str(manifest).context("read spin.toml")?;
    let triggers = manifest
        .get_mut("trigger")
        .and_then(|trigger| trigger.get_mut("http"))
        .and_then(Value::as_array_mut)
        .context("find trigger.http in spin.toml")?;
    triggers.retain(|trigger| trigger.get("component").and_then(Value::as_str) == Some(ALONE));
    if triggers.is_empty() {
        bail!("spin.toml has no route to `{ALONE}`");
    }
    for trigger in triggers {
        if let Some(trigger) = trigger.as_table_mut() {
            trigger.remove("dependencies");
        }
    }
    let components = manifest
        .get_mut("component")
        .and_then(Value::as_table_mut)
        .context("find components in spin.toml")?;
    components.retain(|name, _| name == ALONE);
    let source = components
        .get_mut(ALONE)
        .and_then(|component| component.get_mut("source"))
        .with_context(|| format!("find the source of `{ALONE}`"))?;
    let relative = source.as_str().with_context(|| format!("read the source of `{ALONE}`"))?;
    *source = Value::String(root.join(relative).display().to_string());
    toml::to_string(&manifest).context("write the derived manifest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_catalog_without_middleware_and_finds_its_file() {
        let manifest = r#"
            spin_manifest_version = 2
            [application]
            name = "x"
            [[trigger.http]]
            route = "/v1/products/..."
            component = "catalog"
            dependencies.middleware = [{ component = "gateway", inherit_configuration = true }]
            [[trigger.http]]
            route = "/..."
            component = "assets"
            [component.catalog]
            source = "target/catalog.wasm"
            [component.assets]
            source = "target/assets.wasm"
            [component.gateway]
            source = "target/gateway.wasm"
        "#;
        let derived = catalog_alone(manifest, Path::new("/repo")).unwrap();
        assert!(derived.contains("source = \"/repo/target/catalog.wasm\""), "{derived}");
        assert!(derived.contains("route = \"/v1/products/...\""), "{derived}");
        for gone in ["gateway", "assets", "middleware"] {
            assert!(!derived.contains(gone), "{derived}");
        }
    }

    #[test]
    fn a_manifest_without_a_catalog_is_refused() {
        let manifest = "[[trigger.http]]\nroute = \"/\"\ncomponent = \"x\"\n[component.x]\n";
        assert!(catalog_alone(manifest, Path::new("/")).is_err());
    }
}
