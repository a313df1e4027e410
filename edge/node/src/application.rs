//! From the command line to an application that can be loaded: everything that is read before anything is served.
//!
//! Start at [`Surroundings::read`], then [`Surroundings::application`], which may be asked for any number of manifests.

mod dotenv;
mod files;
mod source;
mod variables;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use manifest::{App, Directory, Manifest, RuntimeConfig, VariableSources};
use runtime::{Echo, Output};

pub(crate) use self::{
    files::Files,
    source::{Origins, Source},
};
use crate::{cli::AppOptions, up::Failure};

/// What stays the same for every version of the application.
pub(crate) struct Surroundings {
    pub(crate) runtime_config: RuntimeConfig,
    /// Where compiled components, databases and staged files are kept.
    pub(crate) state_dir: PathBuf,
    /// What becomes of what components print.
    pub(crate) output: Output,
    variables: VariableSources,
}

/// An application, checked and with its files in place.
pub(crate) struct Application {
    pub(crate) app: App,
    pub(crate) files: Files,
    /// Where the manifest's relative paths start.
    pub(crate) base_dir: PathBuf,
}

/// Largest manifest or runtime configuration: 1 MiB, some thousand routes. Beyond it the file is refused unread.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

impl Surroundings {
    /// Reads everything but the application itself.
    pub(crate) fn read(options: &AppOptions, source: &Source) -> anyhow::Result<Self> {
        let runtime_config = match &options.runtime_config_file {
            Some(path) => runtime_config(path)?,
            None => RuntimeConfig::default(),
        };
        let state_dir = match (&options.state_dir, runtime_config.state_dir()) {
            (Some(dir), _) | (None, Directory::At(dir)) => dir.clone(),
            (None, Directory::Default) => match source {
                // It keeps nothing: what it would keep is of components.
                Source::Origins(_) => {
                    std::env::temp_dir().join(format!("vitrine-proxy-{}", std::process::id()))
                }
                _ => source.base_dir().join(".spin"),
            },
            (None, Directory::Nowhere) => {
                bail!("the runtime configuration says `state_dir = \"\"`, and the node needs one")
            }
        };
        let output = output(options, &runtime_config, &state_dir)?;
        let variables = variables::sources(options, runtime_config.variable_providers())?;
        Ok(Self { runtime_config, state_dir, output, variables })
    }

    /// Reads the application at `source`, and copies the files that have to be copied for it.
    pub(crate) fn application(
        &self,
        options: &AppOptions,
        source: &Source,
    ) -> Result<Application, Failure> {
        let mut app = self.resolve(options, source).map_err(Failure::Configuration)?;
        let files = self.stage(options, &mut app, source.base_dir(), &Files::new())?;
        Ok(Application { app, files, base_dir: source.base_dir().to_owned() })
    }

    /// Where files are copied.
    fn staging(&self, options: &AppOptions) -> PathBuf {
        options.temp.as_ref().unwrap_or(&self.state_dir).join("files")
    }

    fn resolve(&self, options: &AppOptions, source: &Source) -> anyhow::Result<App> {
        let read =
            || -> anyhow::Result<App> { finish(options, source.manifest()?, &self.variables) };
        let app = read().with_context(|| format!("read {source}"))?;
        let unknown = options.follow.iter().find(|id| app.component(id).is_none());
        if let Some(id) = unknown {
            bail!("--follow {id}: the application has no component of this name");
        }
        Ok(app)
    }
}

impl Surroundings {
    /// Makes a later version of a manifest's text. It may declare less than the node was given; values in `own` are its
    /// alone, and must be declared.
    pub(crate) fn version(
        &self,
        options: &AppOptions,
        text: &str,
        manifest: &Path,
        own: &BTreeMap<String, String>,
    ) -> anyhow::Result<App> {
        let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let variables = self.variables.clone().for_any_application().with_command_line(own);
        let read = || finish(options, Manifest::parse(text)?, &variables);
        read().with_context(|| format!("read {}", manifest.display()))
    }

    /// Copies the files that `app` wants copied, or finds the copies that a version of it was `kept` with.
    pub(crate) fn stage(
        &self,
        options: &AppOptions,
        app: &mut App,
        base_dir: &Path,
        kept: &Files,
    ) -> Result<Files, Failure> {
        files::mount(app, base_dir, &self.staging(options), kept, options.direct_mounts)
    }

    /// Returns the digests of the copies that the components of `app` see.
    pub(crate) fn staged(&self, options: &AppOptions, app: &App) -> BTreeSet<String> {
        files::mounted(app, &self.staging(options))
    }

    /// Removes the copies of files that are not `used`.
    pub(crate) fn unstage(&self, options: &AppOptions, used: &BTreeSet<String>) {
        files::prune(&self.staging(options), used);
    }

    /// Whether the node has a value for the variable `name`, whatever a manifest says.
    pub(crate) fn has_variable(&self, name: &str) -> bool {
        self.variables.has(name)
    }
}

fn finish(
    options: &AppOptions,
    mut manifest: Manifest,
    variables: &VariableSources,
) -> anyhow::Result<App> {
    if let Some(name) = &options.profile {
        manifest = manifest.with_profile(name)?;
    }
    let mut app = manifest.resolve(variables)?;
    let environment = options.environment.iter();
    let environment: Vec<(String, String)> =
        environment.map(|pair| (pair.name.clone(), pair.value.clone())).collect();
    app.extend_environment(&environment);
    Ok(app)
}

fn runtime_config(path: &Path) -> anyhow::Result<RuntimeConfig> {
    let read = || -> anyhow::Result<RuntimeConfig> {
        let dir = path.parent().unwrap_or_else(|| Path::new(""));
        Ok(RuntimeConfig::parse(&read_text(path)?, dir)?)
    };
    read().with_context(|| format!("read {}", path.display()))
}

fn output(
    options: &AppOptions,
    runtime_config: &RuntimeConfig,
    state_dir: &Path,
) -> anyhow::Result<Output> {
    let asked_for = match (&options.log_dir, runtime_config.log_dir()) {
        (Some(dir), _) | (None, Directory::At(dir)) => Some(dir.clone()),
        (None, Directory::Nowhere) => Some(PathBuf::new()),
        (None, Directory::Default) => None,
    };
    let dir = match asked_for {
        Some(dir) if dir.as_os_str().is_empty() => None,
        Some(dir) => {
            // Who names a directory wants to hear now that it cannot be used.
            let made = std::fs::create_dir_all(&dir);
            made.with_context(|| format!("make the log directory {}", dir.display()))?;
            Some(dir)
        }
        None => Some(state_dir.join("logs")),
    };
    let echo = match options.follow.as_slice() {
        _ if options.quiet => Echo::Nothing,
        [] => Echo::Everything,
        ids => Echo::Only(ids.iter().cloned().collect::<BTreeSet<_>>()),
    };
    Ok(Output { echo, dir, truncate: options.truncate_logs })
}

/// Reads a text of bounded size.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(TEXT_BYTES_MAX.saturating_add(1)).read_to_string(&mut text)?;
    let is_small = u64::try_from(text.len()).is_ok_and(|length| length <= TEXT_BYTES_MAX);
    ensure!(is_small, "it is larger than {TEXT_BYTES_MAX} bytes");
    Ok(text)
}
