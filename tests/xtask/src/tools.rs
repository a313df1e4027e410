//! Tools that this machine has, lacks, or gets from us.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use pgcluster::Programs;

use crate::Context;
use crate::step;
use crate::workspace::WASM_TARGET;

/// Oldest Node.js that builds the storefront.
const NODE_MAJOR_MIN: u32 = 20;
/// The target of the Worker.
pub(crate) const WORKER_TARGET: &str = "wasm32-unknown-unknown";
/// The targets that components are checked and built for.
pub(crate) const TARGETS: [&str; 2] = [WASM_TARGET, WORKER_TARGET];

/// Where `name` is on the PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Why Node.js and npm cannot be used, or nothing if they can.
pub(crate) fn node_problem() -> Option<String> {
    let Some(version) = step::ask(Command::new("node").arg("--version")) else {
        return Some(format!(
            "Node.js is missing: install Node.js {NODE_MAJOR_MIN} or newer (Debian: `apt-get install nodejs npm`)"
        ));
    };
    let major = version.trim_start_matches('v').split('.').next().and_then(|n| n.parse().ok());
    if major.is_none_or(|major: u32| major < NODE_MAJOR_MIN) {
        return Some(format!("Node.js {version} is too old: install {NODE_MAJOR_MIN} or newer"));
    }
    find("npm")
        .is_none()
        .then(|| "npm is missing: install it (Debian: `apt-get install npm`)".to_owned())
}

/// Targets of the toolchain in use that have no standard library yet.
pub(crate) fn missing_targets() -> Vec<&'static str> {
    TARGETS
        .into_iter()
        .filter(|target| {
            step::ask(Command::new("rustc").args(["--print", "target-libdir", "--target", target]))
                .is_none_or(|folder| !PathBuf::from(folder).is_dir())
        })
        .collect()
}

/// Adds the targets that components are built for.
pub(crate) fn install_targets(context: &Context) -> Result<()> {
    let missing = missing_targets();
    if missing.is_empty() {
        return Ok(());
    }
    if find("rustup").is_none() {
        bail!(
            "the Rust target {} is missing and there is no rustup to add it: install rustup, or the target with your system's Rust",
            missing.join(" and ")
        );
    }
    let mut command = Command::new("rustup");
    command.current_dir(context.workspace.root()).args(["target", "add"]).args(&missing);
    context.steps.run("add Rust targets", &mut command)?;
    Ok(())
}

/// Installs Debian packages, if this machine is a Debian and we may.
pub(crate) fn apt_install(context: &Context, packages: &[&str], why: &str) -> Result<()> {
    let sentence = format!("{why}: `apt-get update && apt-get install -y {}`", packages.join(" "));
    if find("apt-get").is_none() {
        bail!("{sentence} (this system has no apt-get: install the same with its own tool)");
    }
    let apt = |args: &[&str]| {
        let mut command = as_root("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(args);
        command
    };
    if !rustix::process::geteuid().is_root()
        && step::ask(Command::new("sudo").args(["--non-interactive", "true"])).is_none()
    {
        bail!("{sentence} (as root)");
    }
    context.steps.run("update Debian's package list", &mut apt(&["update", "--quiet"]))?;
    let mut install = apt(&["install", "--yes", "--quiet", "--no-install-recommends"]);
    install.args(packages);
    context.steps.run(&format!("install {}", packages.join(" ")), &mut install)?;
    Ok(())
}

/// A command that runs as root: by itself or through sudo, which must not ask.
fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["--non-interactive", program]);
    sudo
}

/// Forbids, by Debian's own rule, that installing a package starts its service; prints whether it had to.
const FORBID_STARTS: &str = "test -e /usr/sbin/policy-rc.d || \
    { printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d && echo made; }";

/// Installs Debian packages of which one brings a service, which is neither started nor enabled.
pub(crate) fn apt_install_idle(
    context: &Context,
    packages: &[&str],
    service: &str,
    why: &str,
) -> Result<()> {
    let said = step::ask(as_root("sh").args(["-c", FORBID_STARTS]));
    let installed = apt_install(context, packages, why);
    if said.as_deref() == Some("made") {
        step::ask(as_root("rm").arg("/usr/sbin/policy-rc.d"));
    }
    installed?;
    // Where there is nothing that would start it, this has nothing to do.
    step::ask(as_root("update-rc.d").args([service, "disable"]));
    Ok(())
}

/// An nginx. Debian puts it where only root's PATH leads.
pub(crate) fn nginx() -> Option<PathBuf> {
    let debian = PathBuf::from("/usr/sbin/nginx");
    find("nginx").or_else(|| debian.is_file().then_some(debian))
}

/// The yardstick of the caching proxy, and who asks over HTTP/2. The system's own nginx is never started.
pub(crate) fn peers(context: &Context) -> Result<()> {
    if nginx().is_none() {
        let why = "the yardstick of the proxy is nginx";
        apt_install_idle(context, &["nginx-light"], "nginx", why)?;
    }
    if find("h2load").is_none() {
        let why = "HTTP/2 is asked by h2load";
        apt_install(context, &["nghttp2-client"], why)?;
    }
    Ok(())
}

/// Keeps Debian's package from making a server of its own: it reads this when it is set up. Prints whether it had to.
const FORBID_CLUSTER: &str = "conf=/etc/postgresql-common/createcluster.conf
grep -Eq '^ *create_main_cluster *= *(false|off|no|0)' \"$conf\" && exit
cp \"$conf\" \"$conf.vitrine\" && echo 'create_main_cluster = false' >> \"$conf\" && echo made";
/// Gives later packages of PostgreSQL the administrator's own rule back.
const ALLOW_CLUSTER: &str =
    "conf=/etc/postgresql-common/createcluster.conf; mv \"$conf.vitrine\" \"$conf\"";

/// PostgreSQL's programs, from Debian's packages where there are none. No server of the system is made or started.
pub(crate) fn postgres(context: &Context, why: &str) -> Result<Programs> {
    if Programs::find_folder().is_none() {
        apt_install_idle(context, &["postgresql-common"], "postgresql", why)?;
        let said = step::ask(as_root("sh").args(["-c", FORBID_CLUSTER]));
        let installed = apt_install_idle(context, &["postgresql"], "postgresql", why);
        if said.as_deref() == Some("made") {
            step::ask(as_root("sh").args(["-c", ALLOW_CLUSTER]));
        }
        installed?;
    }
    Programs::find()
}

/// A Chromium that playwright-core can drive.
pub(crate) fn chromium() -> Option<PathBuf> {
    let chosen = std::env::var_os("VITRINE_CHROMIUM").map(PathBuf::from);
    chosen
        .filter(|path| path.is_file())
        .or_else(|| ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(find))
}

/// Versions of Patroni and of its driver on `PyPI`. Debian 12's Patroni is 3, which knows no quorum.
const PATRONI: &str = "4.1.5";
const PSYCOPG: &str = "3.3.9";

/// Patroni and etcd, which choose the primary of a cluster; returns the folder of Patroni's programs. No service of the
/// system is started.
pub(crate) fn patroni(context: &Context) -> Result<PathBuf> {
    let why = "Patroni keeps what it knows in etcd";
    if find("etcd").is_none() {
        apt_install_idle(context, &["etcd-server"], "etcd", why)?;
    }
    let environment = PythonEnvironment {
        name: &format!("patroni-{PATRONI}"),
        packages: &[&format!("patroni[etcd3]=={PATRONI}"), &format!("psycopg[binary]=={PSYCOPG}")],
        probe: "import patroni, psycopg",
        what: "Patroni",
    };
    python_environment(context, &environment)
}

/// Packages of Python in an environment of our own.
#[derive(Debug)]
pub(crate) struct PythonEnvironment<'a> {
    /// Its folder's name, with the version.
    pub(crate) name: &'a str,
    /// What is installed.
    pub(crate) packages: &'a [&'a str],
    /// A statement that fails where that is not there.
    pub(crate) probe: &'a str,
    /// What it is for people.
    pub(crate) what: &'a str,
}

/// Makes an environment unless it is there, kept between runs and clones; returns the folder of its programs.
pub(crate) fn python_environment(
    context: &Context,
    environment: &PythonEnvironment<'_>,
) -> Result<PathBuf> {
    let venv = context.workspace.tool_cache().join(environment.name);
    let programs = venv.join("bin");
    let own = programs.join("python");
    if step::ask(Command::new(&own).args(["-c", environment.probe])).is_some() {
        return Ok(programs);
    }
    let what = environment.what;
    if python().is_none() {
        let why = format!("{what} need Python with venv");
        apt_install(context, &["python3", "python3-venv"], &why)?;
    }
    let python = python().context("find python3 after installing it")?;
    let mut make = Command::new(python);
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    context.steps.run("make a Python environment", &mut make)?;
    let mut install = Command::new(&own);
    install.args(["-m", "pip", "install", "--disable-pip-version-check", "--quiet"]);
    install.args(environment.packages);
    context.steps.run(&format!("install {what}"), &mut install)?;
    Ok(programs)
}

/// A Python that can make virtual environments with pip in them.
pub(crate) fn python() -> Option<PathBuf> {
    let python = find("python3")?;
    step::ask(Command::new(&python).args(["-c", "import venv, ensurepip"])).map(|_| python)
}
