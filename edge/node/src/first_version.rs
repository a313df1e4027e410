//! The version that a node starts with: the manifest that it is given, or what served last.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use manifest::App;

use crate::{
    application::{Application, Files, Source, Surroundings},
    cli::{AppOptions, Up},
    deploy::{Refusal, check_table, kept, now, prune, recalled, take_in},
    deployment::VersionId,
    up::Failure,
    versions::{History, Record, VersionStore, digest, read_text},
};

/// What the node starts with.
pub(crate) struct FirstVersion {
    pub(crate) id: VersionId,
    pub(crate) app: Arc<App>,
    /// Where the manifest's relative paths start.
    pub(crate) base_dir: PathBuf,
    pub(crate) history: History,
    /// Its manifest, unless it is kept already.
    text: Option<String>,
    /// Absent when the state directory takes nothing.
    record: Option<Record>,
    /// Why it is not kept, if that is worth a word once it serves.
    unkept: Option<Refusal>,
}

impl FirstVersion {
    /// Reads the manifest, or finds what served last. Nothing is written but the components' wasm and files.
    pub(crate) fn read(
        options: &Up,
        surroundings: &Surroundings,
        source: &Source,
    ) -> Result<Self, Failure> {
        if options.versions.resume
            && let Some(version) = resumed(options, surroundings)?
        {
            return Ok(version);
        }
        let Application { app, files, base_dir } =
            surroundings.application(&options.app, source)?;
        check_table(&app).map_err(Failure::Configuration)?;
        let text = match source {
            Source::Manifest(manifest) => std::path::absolute(manifest)
                .context("find the manifest")
                .and_then(|manifest| Ok((read_text(&manifest)?, manifest))),
            // There is no manifest to return to.
            Source::Component(_) | Source::Origins(_) => {
                let (app, history, unkept) = (Arc::new(app), History::default(), None);
                return Ok(Self {
                    id: 1,
                    app,
                    base_dir,
                    history,
                    text: None,
                    record: None,
                    unkept,
                });
            }
        };
        let (text, manifest) = text.map_err(Failure::Configuration)?;
        let state_dir = &surroundings.state_dir;
        match take_in_first(state_dir, &app, files, manifest, text) {
            Ok(taken) => {
                let app = kept(app, &VersionStore::at(state_dir), &taken.record);
                Ok(Self {
                    id: taken.record.id,
                    app: Arc::new(app),
                    base_dir,
                    history: taken.history,
                    text: taken.text,
                    record: Some(taken.record),
                    unkept: None,
                })
            }
            Err(refusal) => {
                // What is wrong with the version itself, loading it will say.
                let unkept = Some(refusal).filter(|one| !matches!(one, Refusal::Version(_)));
                let history = History::default();
                Ok(Self {
                    id: 1,
                    app: Arc::new(app),
                    base_dir,
                    history,
                    text: None,
                    record: None,
                    unkept,
                })
            }
        }
    }

    /// Writes down that this version serves, once it is known that it can, and removes what no version needs.
    pub(crate) fn keep(&mut self, options: &AppOptions, surroundings: &Surroundings) {
        if let Some(refusal) = &self.unkept {
            warn_unkept(refusal);
        }
        let Some(record) = &self.record else { return };
        let kept = || -> anyhow::Result<History> {
            let store = VersionStore::at(&surroundings.state_dir);
            if let Some(text) = &self.text {
                store.keep(record, text)?;
            }
            let history = self.history.then(record.id);
            if history != self.history {
                store.set_history(&history)?;
            }
            Ok(history)
        };
        match kept() {
            Ok(history) => self.history = history,
            Err(error) => return warn_unkept(&Refusal::State(error)),
        }
        let used = BTreeSet::from_iter([record.id].into_iter().chain(self.history.previous()));
        if let Err(error) = prune(options, surroundings, &used, [&*self.app]) {
            tracing::warn!("old versions not removed: {error:#}");
        }
    }
}

fn warn_unkept(refusal: &Refusal) {
    tracing::warn!("this version is not kept, and cannot be returned to: {refusal}");
}

/// A version whose components are in the state directory.
struct Taken {
    record: Record,
    history: History,
    text: Option<String>,
}

/// Takes components in and finds a number: that of the same version, if it was served before.
fn take_in_first(
    state_dir: &Path,
    app: &App,
    files: Files,
    manifest: PathBuf,
    text: String,
) -> Result<Taken, Refusal> {
    let store = VersionStore::open(state_dir)?;
    let (newest, history) = (store.newest()?, store.history()?);
    let components = take_in(&store, app, &manifest, &BTreeMap::new(), None)?;
    let digest = digest(&text, &components, &files);
    let mut known = store.list()?;
    known.retain(|one| one.digest == digest && one.manifest == manifest);
    if let Some(record) = known.into_iter().rev().find(|one| one.variables.is_empty()) {
        return Ok(Taken { record, history, text: None });
    }
    let record = Record {
        id: newest.saturating_add(1),
        created_at: now(),
        digest,
        manifest,
        components,
        files,
        variables: BTreeSet::new(),
    };
    Ok(Taken { record, history, text: Some(text) })
}

fn resumed(options: &Up, surroundings: &Surroundings) -> Result<Option<FirstVersion>, Failure> {
    let store = VersionStore::at(&surroundings.state_dir);
    let history = store.history().map_err(Failure::Configuration)?;
    let Some(id) = history.served.last().copied() else { return Ok(None) };
    let recall = || -> anyhow::Result<(App, Record)> {
        let record = store.record(id)?;
        let text = store.manifest(&record)?;
        let node = (surroundings, &options.app);
        Ok((recalled(&store, &record, &text, node, &BTreeMap::new())?, record))
    };
    let (mut app, record) =
        recall().with_context(|| format!("resume version {id}")).map_err(Failure::Configuration)?;
    surroundings.stage(&options.app, &mut app, record.base_dir(), &record.files)?;
    Ok(Some(FirstVersion {
        id,
        app: Arc::new(app),
        base_dir: record.base_dir().to_owned(),
        history,
        text: None,
        record: Some(record),
        unkept: None,
    }))
}
