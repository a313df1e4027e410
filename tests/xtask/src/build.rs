//! `build`: the one place that knows targets, profiles and flags.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::Context;
use crate::cli::{BuildArgs, BuildTarget};
use crate::stamp::Stamp;
use crate::tools;
use crate::workspace::{WASM_PROFILE, WASM_TARGET, Workspace};

/// Packages whose programs `up` starts or runs.
const PROGRAM_PACKAGES: [&str; 4] = ["node", "server", "demo-shop", "fake-stripe"];
/// Those of them that do not need our node.
const ORIGIN_PACKAGES: [&str; 2] = ["server", "demo-shop"];

/// The command.
pub(crate) fn run(context: &Context, args: &BuildArgs) -> Result<()> {
    match args.what {
        BuildTarget::All => everything(context, args.release),
        BuildTarget::Components => components(context),
        BuildTarget::Programs => programs(context, args.release),
        BuildTarget::Storefront => storefront(context),
        BuildTarget::DemoShop => {
            programs(context, args.release)?;
            demo_shop(context, args.release)
        }
        BuildTarget::Guests => {
            guests(context)?;
            express_guests(context)?;
            hello(context).map(|_| ())
        }
    }
}

/// Builds all that `up` starts.
pub(crate) fn everything(context: &Context, release: bool) -> Result<()> {
    require_tools()?;
    components(context)?;
    storefront(context)?;
    programs(context, release)?;
    demo_shop(context, release)
}

/// Refuses early when a tool is missing that only its user can install.
pub(crate) fn require_tools() -> Result<()> {
    if let Some(problem) = tools::node_problem() {
        bail!(problem);
    }
    if tools::find("rustc").is_none() {
        bail!("rustc is missing: install Rust with rustup");
    }
    Ok(())
}

/// Builds each component by itself: built together, cargo would unify their features, and every
/// component would import what only the gateway needs.
pub(crate) fn components(context: &Context) -> Result<()> {
    tools::install_targets(context)?;
    component_packages(&context.workspace)?.iter().try_for_each(|package| placed(context, package))
}

/// Builds one component and puts it where `spin.toml` expects it.
pub(crate) fn component(context: &Context, package: &str) -> Result<()> {
    let packages = component_packages(&context.workspace)?;
    if !packages.iter().any(|known| known == package) {
        bail!("no component `{package}`: there are {}", packages.join(", "));
    }
    tools::install_targets(context)?;
    placed(context, package)
}

fn placed(context: &Context, package: &str) -> Result<()> {
    let folder = context.workspace.generated().join("components");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let built = wasm(context, package)?;
    place(&built, &folder.join(format!("{}.wasm", package.replace('-', "_"))))
}

/// The wasm files of the node's tests.
#[derive(Debug)]
pub(crate) struct Guests {
    /// Guests of WASI 0.3.
    pub(crate) current: PathBuf,
    /// The same as a middleware.
    pub(crate) middleware: PathBuf,
    /// Guests of WASI 0.2.
    pub(crate) p2: PathBuf,
}

/// Builds the misbehaving components of the node's tests.
pub(crate) fn guests(context: &Context) -> Result<Guests> {
    tools::install_targets(context)?;
    let folder = variants(context, "guests", &GUESTS)?;
    let file = |name: &str| folder.join(format!("{name}.wasm"));
    let p2 = wasm(context, "guests-p2")?;
    Ok(Guests { current: file("answering"), middleware: file("middleware"), p2 })
}

/// The variants of the guests of WASI 0.3: what each file is called, and the feature that makes it.
const GUESTS: [(&str, Option<&str>); 2] = [("answering", None), ("middleware", Some("middleware"))];

/// The guests of the express lane: what each file is called, and the feature that makes it.
const EXPRESS_GUESTS: [(&str, Option<&str>); 3] =
    [("answering", None), ("gating", Some("gate")), ("raw", Some("raw"))];

/// Builds the components of the node's express tests; returns their folder.
pub(crate) fn express_guests(context: &Context) -> Result<PathBuf> {
    tools::install_targets(context)?;
    variants(context, "guests-express", &EXPRESS_GUESTS)
}

/// Builds each variant of a package and puts it beside the others; cargo has one place for all of them.
fn variants(
    context: &Context,
    package: &str,
    variants: &[(&str, Option<&str>)],
) -> Result<PathBuf> {
    let folder = context.workspace.generated().join(package);
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    for (name, feature) in variants {
        let built = wasm_with(context, package, *feature)?;
        place(&built, &folder.join(format!("{name}.wasm")))?;
    }
    Ok(folder)
}

/// Builds the component that measurements ask; returns the file.
pub(crate) fn hello(context: &Context) -> Result<PathBuf> {
    tools::install_targets(context)?;
    wasm(context, "hello")
}

/// Builds what a shop without our node starts: the origin, and the demo shop that it sells.
pub(crate) fn origin_side(context: &Context, release: bool) -> Result<()> {
    native(context, "build origin", &ORIGIN_PACKAGES, release)?;
    demo_shop(context, release)
}

/// Builds our node alone, for what needs no shop.
pub(crate) fn node(context: &Context, release: bool) -> Result<()> {
    native(context, "build edge node", &["node"], release)
}

/// Builds the programs natively.
pub(crate) fn programs(context: &Context, release: bool) -> Result<()> {
    native(context, "build edge node and origin", &PROGRAM_PACKAGES, release)
}

fn native(context: &Context, title: &str, packages: &[&str], release: bool) -> Result<()> {
    let mut command = context.workspace.cargo();
    command.arg("build");
    for package in packages {
        command.args(["--package", package]);
    }
    if release {
        command.arg("--release");
    }
    context.steps.run(title, &mut command)?;
    Ok(())
}

/// Builds the pages, unless they are those of the sources.
pub(crate) fn storefront(context: &Context) -> Result<()> {
    let folder = context.workspace.path("assets/storefront");
    npm_ci(context, "storefront", &folder)?;
    let stamp = Stamp::of(
        context.workspace.generated().join("stamps/storefront"),
        std::slice::from_ref(&folder),
        &["node_modules", "dist", "tests"],
    )?;
    if stamp.is_current() && folder.join("dist/index.html").is_file() {
        return Ok(());
    }
    stamp.forget();
    let mut build = Command::new("npm");
    build.current_dir(&folder).args(["run", "build"]);
    context.steps.run("build storefront", &mut build)?;
    stamp.keep()
}

/// Installs the npm packages of `folder`, unless they are those of its lock file.
pub(crate) fn npm_ci(context: &Context, name: &str, folder: &Path) -> Result<()> {
    let lock = folder.join("package-lock.json");
    let stamp = Stamp::of(folder.join("node_modules/.vitrine-stamp"), &[lock], &[])?;
    if stamp.is_current() {
        return Ok(());
    }
    let mut install = Command::new("npm");
    install.current_dir(folder).args(["ci", "--no-audit", "--no-fund"]);
    context.steps.run(&format!("install npm packages of {name}"), &mut install)?;
    stamp.keep()
}

/// Makes models, pictures and catalogue, unless they are those of the sources.
pub(crate) fn demo_shop(context: &Context, release: bool) -> Result<()> {
    let workspace = &context.workspace;
    let out = workspace.demo_shop();
    let stamp = demo_shop_stamp(workspace)?;
    if is_demo_shop(workspace, &stamp) {
        return link_models(workspace);
    }
    stamp.forget();
    // Files are named by content: those of older sources would stay for ever.
    match fs::remove_dir_all(out.join("media")) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            return Err(cause).with_context(|| format!("empty {}", out.display()));
        }
        _ => {}
    }
    let mut make = Command::new(workspace.programs(release).join("demo-shop"));
    make.current_dir(workspace.root()).arg("--out").arg(&out).args(["--progress", "plain"]);
    context.steps.run("make the demo shop's models and pictures", &mut make)?;
    link_models(workspace)?;
    stamp.keep()
}

/// Whether the demo shop is that of the sources, so that nobody needs the program that makes it.
pub(crate) fn has_demo_shop(context: &Context) -> Result<bool> {
    Ok(is_demo_shop(&context.workspace, &demo_shop_stamp(&context.workspace)?))
}

fn demo_shop_stamp(workspace: &Workspace) -> Result<Stamp> {
    let sources =
        ["origin/media", "tests/demo-shop", "assets/seed"].map(|folder| workspace.path(folder));
    Stamp::of(
        workspace.generated().join("stamps/demo-shop"),
        &sources,
        &["validate", "node_modules", "tests"],
    )
}

fn is_demo_shop(workspace: &Workspace, stamp: &Stamp) -> bool {
    let out = workspace.demo_shop();
    stamp.is_current() && out.join("catalogue.json").is_file() && out.join("media").is_dir()
}

/// Lets `assets/models`, which `spin.toml` mounts, be the generated media.
fn link_models(workspace: &Workspace) -> Result<()> {
    let link = workspace.path("assets/models");
    let media = Path::new("../target/demo-shop/media");
    match fs::read_link(&link) {
        Ok(there) if there == media => return Ok(()),
        Ok(_) => fs::remove_file(&link).with_context(|| format!("replace {}", link.display()))?,
        Err(_) if link.exists() => {
            bail!("{} is in the way of the generated models: move it away", link.display())
        }
        Err(_) => {}
    }
    std::os::unix::fs::symlink(media, &link).with_context(|| format!("make {}", link.display()))
}

/// The packages below `components/` that are components, in the order of their names.
fn component_packages(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.path("components");
    let mut packages = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
        let manifest = entry.context("list components")?.path().join("Cargo.toml");
        let Ok(text) = fs::read_to_string(&manifest) else { continue };
        let table: toml::Table =
            text.parse().with_context(|| format!("read {}", manifest.display()))?;
        let package = table.get("package");
        let layer = package.and_then(|p| p.get("metadata")?.get("layer")?.get("name")?.as_str());
        let name = package.and_then(|p| p.get("name")?.as_str());
        if let (Some("shell"), Some(name)) = (layer, name) {
            packages.push(name.to_owned());
        }
    }
    packages.sort();
    Ok(packages)
}

fn wasm(context: &Context, package: &str) -> Result<PathBuf> {
    wasm_with(context, package, None)
}

fn wasm_with(context: &Context, package: &str, feature: Option<&str>) -> Result<PathBuf> {
    let mut command = context.workspace.cargo();
    command.args(["build", "--package", package]);
    if let Some(feature) = feature {
        command.args(["--features", feature]);
    }
    command.args(["--target", WASM_TARGET, "--profile", WASM_PROFILE]);
    context.steps.run(&format!("build component {package}"), &mut command)?;
    let built = context.workspace.built_wasm(package);
    if !built.is_file() {
        bail!("build component {package}: {} is not there", built.display());
    }
    Ok(built)
}

/// Puts a file where `spin.toml` expects it, in one step, and only if it differs: the edge node
/// caches by content, and a running one must never see half a file.
fn place(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("read {}", from.display()))?;
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let half = to.with_extension("wasm.new");
    fs::write(&half, bytes).with_context(|| format!("write {}", half.display()))?;
    fs::rename(&half, to).with_context(|| format!("put {} in place", to.display()))
}
