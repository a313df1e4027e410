//! Derives the manifests of the nodes under load.

use std::path::Path;

use anyhow::{Context as _, Result};
use toml::{Table, Value};

/// Where the derived application has the hello component.
pub(crate) const HELLO: &str = "/bench/hello";
/// The same component reading its body.
pub(crate) const READ: &str = "/bench/read";
/// An answer of the manifest itself.
pub(crate) const FIXED: &str = "/bench-fixed";
/// Needs folders that a measurement does not build.
const LEFT_OUT: &str = "assets";

/// The repository's manifest (which lies in `root`) without its files, with the hello component below `/bench`.
pub(crate) fn with_hello(manifest: &str, root: &Path, hello: &Path) -> Result<Table> {
    let mut manifest: Table = toml::from_str(manifest).context("read spin.toml")?;
    routes(&mut manifest)?
        .retain(|route| route.get("component").and_then(Value::as_str) != Some(LEFT_OUT));
    let components = components(&mut manifest)?;
    components.remove(LEFT_OUT);
    for (name, component) in components.iter_mut() {
        let source = component.get_mut("source");
        let source = source.with_context(|| format!("find the source of `{name}`"))?;
        let relative = source.as_str().with_context(|| format!("read the source of `{name}`"))?;
        *source = Value::String(root.join(relative).display().to_string());
    }
    add(&mut manifest, "hello", hello, &["/bench/..."])?;
    let fixed = toml::from_str(&format!(
        "route = \"{FIXED}\"\nstatic_response = {{ status_code = 200, body = \"Hello, world\" }}"
    ));
    routes(&mut manifest)?.push(Value::Table(fixed.context("write a route")?));
    Ok(manifest)
}

/// An application of the hello component alone.
pub(crate) fn hello_alone(hello: &Path) -> Result<Table> {
    let text = format!(
        "spin_manifest_version = 2\n[application]\nname = \"hello\"\n[[trigger.http]]\nroute = \"{FIXED}\"\n\
         static_response = {{ status_code = 200, body = \"Hello, world\" }}\n[component]\n"
    );
    let mut manifest = toml::from_str(&text).context("write a manifest")?;
    add(&mut manifest, "hello", hello, &["/bench/..."])?;
    Ok(manifest)
}

/// Adds a component and its routes.
pub(crate) fn add(manifest: &mut Table, id: &str, source: &Path, paths: &[&str]) -> Result<()> {
    let source = Value::String(source.display().to_string());
    let component = Table::from_iter([("source".to_owned(), source)]);
    components(manifest)?.insert(id.to_owned(), Value::Table(component));
    for path in paths {
        let route = Table::from_iter([
            ("route".to_owned(), Value::String((*path).to_owned())),
            ("component".to_owned(), Value::String(id.to_owned())),
        ]);
        routes(manifest)?.push(Value::Table(route));
    }
    Ok(())
}

/// Writes a manifest into a file.
pub(crate) fn write(manifest: &Table, file: &Path) -> Result<()> {
    let text = toml::to_string(manifest).context("write a manifest")?;
    std::fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

fn routes(manifest: &mut Table) -> Result<&mut Vec<Value>> {
    let trigger = manifest.get_mut("trigger").and_then(|trigger| trigger.get_mut("http"));
    trigger.and_then(Value::as_array_mut).context("find trigger.http in a manifest")
}

fn components(manifest: &mut Table) -> Result<&mut Table> {
    let components = manifest.get_mut("component").and_then(Value::as_table_mut);
    components.context("find components in a manifest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_keeps_its_components_and_gains_one() {
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
        let derived = with_hello(manifest, Path::new("/repo"), Path::new("/hello.wasm")).unwrap();
        let text = toml::to_string(&derived).unwrap();
        for there in [
            "source = \"/repo/target/catalog.wasm\"",
            "source = \"/hello.wasm\"",
            "component = \"gateway\"",
            "route = \"/bench/...\"",
        ] {
            assert!(text.contains(there), "{there} is not in {text}");
        }
        assert!(!text.contains("assets"), "{text}");
    }

    #[test]
    fn a_manifest_without_routes_is_refused() {
        assert!(with_hello("[component.x]\n", Path::new("/"), Path::new("/h")).is_err());
    }

    #[test]
    fn hello_stands_alone() {
        let text = toml::to_string(&hello_alone(Path::new("/hello.wasm")).unwrap()).unwrap();
        assert!(text.contains("route = \"/bench/...\"") && text.contains(FIXED), "{text}");
    }
}
