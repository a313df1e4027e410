//! From files or from a kept version to an application that can be loaded.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{anyhow, bail};
use manifest::{App, Target};
use runtime::{Application, LoadError, Outsides};

use super::{Deployer, Refusal, State, blocking, check, now};
use crate::{
    application::{Files, Source, Surroundings},
    cli::AppOptions,
    deployment::VersionId,
    replication,
    up::Failure,
    versions::{Record, VersionStore, digest, read_text, read_wasm},
};

/// What a version is to be made of.
#[derive(Default)]
pub(crate) struct Given {
    /// The manifest; without one, that of the version that serves.
    pub(crate) from: Option<PathBuf>,
    /// Other files for components of it.
    pub(crate) components: BTreeMap<String, PathBuf>,
    /// Values for variables, beside those that the node was started with.
    pub(crate) variables: BTreeMap<String, String>,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Given")
            .field("from", &self.from)
            .field("components", &self.components)
            .field("variables", &self.variables.keys())
            .finish()
    }
}

/// An application whose files are kept.
pub(crate) struct Prepared {
    pub(crate) record: Record,
    pub(crate) text: String,
    pub(crate) app: Arc<App>,
    /// The variables that it was given of its own.
    pub(crate) own: BTreeMap<String, String>,
}

impl Deployer {
    /// Reads what is given and takes the components into the state directory.
    pub(super) async fn gather(
        self: &Arc<Self>,
        id: VersionId,
        given: Given,
        current: VersionId,
        state: &State,
    ) -> Result<Prepared, Refusal> {
        let deployer = Arc::clone(self);
        let mut own = BTreeMap::new();
        if given.from.is_none() {
            own.extend(state.variables.get(&current).cloned().unwrap_or_default());
        }
        own.extend(given.variables.clone());
        blocking(move || {
            let store =
                VersionStore::open(&deployer.surroundings.state_dir).map_err(Refusal::State)?;
            let base = match given.from {
                Some(_) => None,
                None => Some(store.record(current).map_err(|error| {
                    Refusal::Conflict(error.context("the version that serves was not kept"))
                })?),
            };
            let (manifest, text) = match (&given.from, &base) {
                (Some(path), _) => given_manifest(path).map_err(Refusal::Version)?,
                (None, Some(base)) => {
                    (base.manifest.clone(), store.manifest(base).map_err(Refusal::State)?)
                }
                (None, None) => return Err(Refusal::Version(anyhow!("no manifest is given"))),
            };
            let mut app = deployer
                .surroundings
                .version(&deployer.options, &text, &manifest, &own)
                .map_err(Refusal::Version)?;
            deployer.check_settings(&app).map_err(Refusal::Version)?;
            let components = take_in(&store, &app, &manifest, &given.components, base.as_ref())?;
            let mut record = Record {
                id,
                created_at: now(),
                digest: String::new(),
                manifest,
                components,
                files: base.map(|base| base.files).unwrap_or_default(),
                variables: own.keys().cloned().collect(),
            };
            record.files = deployer.stage(&mut app, &record)?;
            record.digest = digest(&text, &record.components, &record.files);
            let app = Arc::new(kept(app, &store, &record));
            Ok(Prepared { record, text, app, own })
        })
        .await
    }

    /// Finds a version that was kept.
    pub(super) async fn recall(
        self: &Arc<Self>,
        id: VersionId,
        state: &State,
    ) -> Result<Prepared, Refusal> {
        let deployer = Arc::clone(self);
        let own = state.variables.get(&id).cloned().unwrap_or_default();
        blocking(move || {
            let store = VersionStore::at(&deployer.surroundings.state_dir);
            let record = store.record(id).map_err(|error| {
                Refusal::Conflict(error.context(format!("version {id} is not kept")))
            })?;
            let text = store.manifest(&record).map_err(Refusal::State)?;
            let (surroundings, options) = (&deployer.surroundings, &deployer.options);
            let app = recalled(&store, &record, &text, (surroundings, options), &own);
            let mut app = app.map_err(Refusal::Version)?;
            deployer.check_settings(&app).map_err(Refusal::Version)?;
            deployer.stage(&mut app, &record)?;
            Ok(Prepared { record, text, app: Arc::new(app), own })
        })
        .await
    }

    /// Compiles and links; for a second per new component.
    pub(super) async fn compile(
        self: &Arc<Self>,
        prepared: &Prepared,
        outsides: Outsides,
    ) -> Result<Application, LoadError> {
        let (runtime, app) = (Arc::clone(&self.runtime), Arc::clone(&prepared.app));
        let base_dir = prepared.record.base_dir().to_owned();
        let loaded =
            tokio::task::spawn_blocking(move || runtime.load(&app, &base_dir, &outsides)).await;
        loaded.unwrap_or_else(|error| Err(LoadError::Engine { reason: error.to_string() }))
    }

    /// Copies the files that the version's components want copied, unless they are kept.
    fn stage(&self, app: &mut App, record: &Record) -> Result<Files, Refusal> {
        let (base_dir, kept) = (record.base_dir(), &record.files);
        let staged = self.surroundings.stage(&self.options, app, base_dir, kept);
        staged.map_err(|failure| match failure {
            Failure::Configuration(error) => Refusal::Version(error),
            Failure::Other(error) => Refusal::State(error),
        })
    }

    /// Refuses what only a restart can change, and tables of ours that cannot be read.
    fn check_settings(&self, app: &App) -> anyhow::Result<()> {
        check::read(app)?;
        let wanted = replication::read(app, &self.surroundings.state_dir, "")?;
        let is_same = match (&self.replica, &wanted) {
            (None, None) => true,
            (Some(running), Some(wanted)) => {
                running.feed_urls == wanted.feed_urls && running.token == wanted.token
            }
            _ => false,
        };
        if !is_same {
            bail!("[application.tool.vitrine.replica] differs from what runs: restart the node");
        }
        Ok(())
    }
}

/// Reads the manifest that a file or a directory is.
fn given_manifest(path: &Path) -> anyhow::Result<(PathBuf, String)> {
    match Source::find(Some(path))? {
        Source::Manifest(manifest) => {
            let text = read_text(&manifest)?;
            Ok((manifest, text))
        }
        Source::Component(_) | Source::Origins(_) => bail!("{} is no manifest", path.display()),
    }
}

/// Resolves the manifest of a kept version.
pub(crate) fn recalled(
    store: &VersionStore,
    record: &Record,
    text: &str,
    (surroundings, options): (&Surroundings, &AppOptions),
    own: &BTreeMap<String, String>,
) -> anyhow::Result<App> {
    let is_lost = |name: &&String| !own.contains_key(*name) && !surroundings.has_variable(name);
    if let Some(name) = record.variables.iter().find(is_lost) {
        // Its default would be another value than the version was checked with.
        bail!(
            "version {} had a value of its own for variable `{name}`, which is not kept: start the node with \
             `--variable {name}=…`",
            record.id
        );
    }
    let app = surroundings.version(options, text, &record.manifest, own)?;
    Ok(kept(app, store, record))
}

/// Lets components come from where they are kept.
pub(crate) fn kept(app: App, store: &VersionStore, record: &Record) -> App {
    let sources = record.components.iter();
    let sources =
        sources.map(|(id, digest)| (id.clone(), store.wasm(digest).to_string_lossy().into_owned()));
    app.with_sources(&sources.collect())
}

/// Takes every component's wasm in; returns the digests.
pub(crate) fn take_in(
    store: &VersionStore,
    app: &App,
    manifest: &Path,
    replaced: &BTreeMap<String, PathBuf>,
    base: Option<&Record>,
) -> Result<BTreeMap<String, String>, Refusal> {
    if let Some(id) = replaced.keys().find(|id| app.component(id).is_none()) {
        return Err(Refusal::Version(anyhow!("component `{id}` is not in the manifest")));
    }
    let base_dir = manifest.parent().unwrap_or_else(|| Path::new("/"));
    let routed = routed(app);
    let mut digests = BTreeMap::new();
    for (id, component) in app.components() {
        let kept = base.and_then(|base| base.components.get(id));
        let path = match (replaced.get(id), kept) {
            (Some(path), _) => path.clone(),
            (None, Some(digest)) => {
                digests.insert(id.clone(), digest.clone());
                continue;
            }
            (None, None) => base_dir.join(&component.source),
        };
        let (wasm, digest) = match read_wasm(&path) {
            Ok(found) => found,
            // Nobody will ask it.
            Err(_) if !routed.contains(id) => continue,
            Err(error) => {
                let error = error.context(format!("component `{id}`"));
                return Err(Refusal::Version(error));
            }
        };
        store.keep_wasm(&wasm, &digest).map_err(Refusal::State)?;
        digests.insert(id.clone(), digest);
    }
    Ok(digests)
}

/// Returns the components that a request can reach.
fn routed(app: &App) -> BTreeSet<&String> {
    let mut routed = BTreeSet::new();
    for route in app.routes() {
        if let Target::Component(id) = &route.target {
            routed.insert(id);
            routed.extend(route.middleware.iter().map(|middleware| &middleware.component));
        }
    }
    routed
}
