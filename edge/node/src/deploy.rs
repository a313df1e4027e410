//! Changing versions while requests go on: a new one takes requests when it is loaded and has shown that it answers,
//! the old one ends with its last request, and whatever fails on the way changes nothing.

mod check;
mod guard;
mod prepare;
mod status;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::SystemTime,
};

use anyhow::{Context as _, anyhow};
use domain::Timestamp;
use manifest::App;
use runtime::Runtime;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use self::prepare::Prepared;
pub(crate) use self::{
    check::read as check_table,
    prepare::{Given, kept, recalled, take_in},
    status::{Listing, VersionLine},
};
use crate::{
    application::Surroundings,
    cli::AppOptions,
    deployment::{Deployment, Loaded, VersionId},
    metrics::Metrics,
    origins::{self, OriginSide},
    traffic::{Canary, Share, Split, Traffic, Versions},
    versions::{History, VersionStore},
};

/// Why nothing was changed.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Another change is under way.
    Busy,
    /// What is asked for does not fit what is there.
    Conflict(anyhow::Error),
    /// The version cannot be used.
    Version(anyhow::Error),
    /// The state directory cannot be used.
    State(anyhow::Error),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy => out.write_str("another deployment is under way"),
            Self::Conflict(error) | Self::Version(error) | Self::State(error) => {
                // On one line, whatever a compiler said.
                out.write_str(&format!("{error:#}").replace('\n', " "))
            }
        }
    }
}

/// What is under no other heading is a fault of this machine.
impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::State(error)
    }
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The version that it was about.
    pub(crate) version: VersionId,
    /// The share of clients that have it now.
    pub(crate) share_percent: u8,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) given: Given,
    /// Without a share, all requests.
    pub(crate) canary: Option<Share>,
    /// Beyond this share of 5xx, in percent, a canary ends by itself.
    pub(crate) failures_max_percent: Option<u8>,
}

/// What a change under way is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Manifest and components are read and kept.
    Reading,
    /// Components are compiled and linked.
    Loading,
    /// It is asked for the first time.
    Checking,
    /// It is made known.
    Switching,
}

impl Step {
    /// Returns a word for who waits.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Reading => "reading the files",
            Self::Loading => "compiling and linking",
            Self::Checking => "checking that it answers",
            Self::Switching => "switching",
        }
    }
}

/// Changes versions, one change at a time.
pub(crate) struct Deployer {
    pub(crate) surroundings: Surroundings,
    pub(crate) options: AppOptions,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) metrics: Arc<Metrics>,
    /// What stands in front of origins.
    pub(crate) origins: OriginSide,
    pub(crate) body_bytes_max: u64,
    /// What the running copy was started with; a version with another one needs a restart.
    pub(crate) replica: Option<replica::Settings>,
    pub(crate) state: Mutex<State>,
    pub(crate) step: StdMutex<Option<Step>>,
}

/// What only a change looks at.
pub(crate) struct State {
    next: VersionId,
    history: History,
    /// The version to return to, kept in memory so that returning takes no time.
    previous: Option<Arc<Deployment>>,
    /// Values that versions were given of their own. They are in memory alone.
    variables: BTreeMap<VersionId, BTreeMap<String, String>>,
}

impl State {
    /// Begins with the version `id`.
    pub(crate) fn new(id: VersionId, history: History) -> Self {
        let variables = BTreeMap::new();
        Self { next: id.saturating_add(1), history, previous: None, variables }
    }
}

/// Says what is being done until it is dropped.
struct Saying<'a>(&'a StdMutex<Option<Step>>);

impl Saying<'_> {
    fn say(&self, step: Step) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(step);
    }
}

impl Drop for Saying<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Deployer {
    /// Loads a version, tries it out, and gives it all requests or its share.
    pub(crate) async fn deploy(self: &Arc<Self>, order: Order) -> Result<Outcome, Refusal> {
        let mut state = self.state.try_lock().map_err(|_| Refusal::Busy)?;
        let deployed = self.deploy_alone(order, &mut state).await;
        if let Err(refusal) = &deployed {
            tracing::warn!("version refused: {refusal}");
        }
        // A refused version has left wasm behind.
        self.prune(&mut state).await;
        deployed
    }

    async fn deploy_alone(
        self: &Arc<Self>,
        order: Order,
        state: &mut State,
    ) -> Result<Outcome, Refusal> {
        let versions = self.traffic.versions();
        if let Some(canary) = &versions.canary {
            let id = canary.deployment.id;
            return Err(Refusal::Conflict(anyhow!(
                "version {id} is on trial: promote it or roll back first"
            )));
        }
        let saying = Saying(&self.step);
        let id = state.next;
        // Not used again even if this one is refused: the log may speak of it.
        state.next = id.saturating_add(1);
        saying.say(Step::Reading);
        let prepared = self.gather(id, order.given, versions.current.id, state).await?;
        let deployment = self.load(&prepared, state, &saying).await?;
        saying.say(Step::Switching);
        self.keep(&prepared).await?;
        state.variables.insert(id, prepared.own);
        let share_percent = match order.canary {
            Some(share) => {
                let split = Split { share, seed: seed() };
                let canary = Some(Canary { deployment, split });
                self.traffic.replace(Versions { current: Arc::clone(&versions.current), canary });
                if let Some(percent) = order.failures_max_percent {
                    guard::start(self, id, percent);
                }
                share.percent()
            }
            None => {
                let history = state.history.then(id);
                let made = self.make_current(state, deployment, history).await;
                made.inspect_err(|_| VersionStore::at(&self.surroundings.state_dir).forget(id))?;
                100
            }
        };
        tracing::info!(version = id, share_percent, "version deployed");
        Ok(Outcome { version: id, share_percent })
    }

    /// Gives the version on trial all requests, or another share.
    pub(crate) async fn promote(&self, share: Option<Share>) -> Result<Outcome, Refusal> {
        let mut state = self.state.try_lock().map_err(|_| Refusal::Busy)?;
        let versions = self.traffic.versions();
        let Some(canary) = versions.canary.clone() else {
            return Err(Refusal::Conflict(anyhow!("no version is on trial")));
        };
        let version = canary.deployment.id;
        let share_percent = match share {
            Some(share) => {
                // The same seed: whoever has it keeps it.
                let canary = Some(Canary { split: Split { share, ..canary.split }, ..canary });
                self.traffic.replace(Versions { current: Arc::clone(&versions.current), canary });
                share.percent()
            }
            None => {
                let history = state.history.then(version);
                self.make_current(&mut state, canary.deployment, history).await?;
                100
            }
        };
        tracing::info!(version, share_percent, "version promoted");
        Ok(Outcome { version, share_percent })
    }

    /// Ends a trial; without one, returns to the version before, or to the version `to`.
    pub(crate) async fn rollback(
        self: &Arc<Self>,
        to: Option<VersionId>,
    ) -> Result<Outcome, Refusal> {
        let mut state = self.state.try_lock().map_err(|_| Refusal::Busy)?;
        let versions = self.traffic.versions();
        if versions.canary.is_some() {
            if to.is_some_and(|id| id != versions.current.id) {
                return Err(Refusal::Conflict(anyhow!(
                    "a version is on trial: roll that back first"
                )));
            }
            let current = Arc::clone(&versions.current);
            let version = current.id;
            self.traffic.replace(Versions { current, canary: None });
            tracing::info!(version, "trial ended");
            return Ok(Outcome { version, share_percent: 100 });
        }
        let Some(id) = to.or_else(|| state.history.previous()) else {
            return Err(Refusal::Conflict(anyhow!("no version served before this one")));
        };
        if id == versions.current.id {
            return Err(Refusal::Conflict(anyhow!("version {id} serves already")));
        }
        let saying = Saying(&self.step);
        let deployment = match state.previous.take_if(|previous| previous.id == id) {
            Some(previous) => previous,
            None => {
                saying.say(Step::Reading);
                let prepared = self.recall(id, &state).await?;
                self.load(&prepared, &mut state, &saying).await?
            }
        };
        saying.say(Step::Switching);
        let history = state.history.back_to(id).unwrap_or_else(|| state.history.then(id));
        let back = Arc::clone(&deployment);
        if let Err(refusal) = self.make_current(&mut state, deployment, history).await {
            // What was ready stays ready.
            state.previous = Some(back);
            return Err(refusal);
        }
        // The version that was left is not the one to return to: rolling back twice goes two steps.
        state.previous = None;
        tracing::info!(version = id, "rolled back");
        Ok(Outcome { version: id, share_percent: 100 })
    }

    /// Writes down which version serves, then lets it.
    async fn make_current(
        &self,
        state: &mut State,
        deployment: Arc<Deployment>,
        history: History,
    ) -> Result<(), Refusal> {
        let state_dir = self.surroundings.state_dir.clone();
        let written = history.clone();
        // Written first: after this nothing can fail.
        blocking(move || VersionStore::open(&state_dir)?.set_history(&written))
            .await
            .map_err(Refusal::State)?;
        let old = Arc::clone(&self.traffic.versions().current);
        self.traffic.replace(Versions { current: deployment, canary: None });
        state.history = history;
        state.previous = Some(old);
        Ok(())
    }

    /// Loads a version and tries it out.
    async fn load(
        self: &Arc<Self>,
        prepared: &Prepared,
        state: &mut State,
        saying: &Saying<'_>,
    ) -> Result<Arc<Deployment>, Refusal> {
        saying.say(Step::Loading);
        let proxies = self.origins.proxies(&prepared.app).map_err(Refusal::Version)?;
        let files = origins::files(&prepared.app, prepared.record.base_dir());
        let files = files.map_err(Refusal::Version)?;
        let outsides = self.origins.outsides(&prepared.app, &proxies, &files);
        let loaded = match self.compile(prepared, outsides.clone()).await {
            Err(runtime::LoadError::Chains { .. }) if state.previous.is_some() => {
                // The version to return to takes the room; it can be loaded again from the disk.
                state.previous = None;
                self.compile(prepared, outsides).await
            }
            loaded => loaded,
        };
        let application = loaded.map_err(|error| Refusal::Version(error.into()))?;
        let app = Arc::clone(&prepared.app);
        OriginSide::watch(&app, &proxies);
        let (id, metrics) = (prepared.record.id, &self.metrics);
        let deployment = Deployment::new(id, app, application, proxies, files, metrics);
        saying.say(Step::Checking);
        check::run(&deployment, self.body_bytes_max).await.map_err(Refusal::Version)?;
        let deployment = Arc::new(deployment);
        self.loaded.add(&deployment);
        Ok(deployment)
    }

    async fn keep(&self, prepared: &Prepared) -> Result<(), Refusal> {
        let (state_dir, record) = (self.surroundings.state_dir.clone(), prepared.record.clone());
        let text = prepared.text.clone();
        blocking(move || VersionStore::open(&state_dir)?.keep(&record, &text))
            .await
            .map_err(Refusal::State)
    }

    /// Removes versions beyond those that are kept. What fails is said in the log: nothing depends on it.
    async fn prune(self: &Arc<Self>, state: &mut State) {
        let versions = self.traffic.versions();
        let mut used = BTreeSet::from([versions.current.id]);
        used.extend(versions.canary.as_ref().map(|canary| canary.deployment.id));
        used.extend(state.history.previous());
        let deployer = Arc::clone(self);
        let pruned = blocking(move || {
            let loaded = deployer.loaded.list();
            let in_memory = loaded.iter().map(|deployment| &*deployment.app);
            prune(&deployer.options, &deployer.surroundings, &used, in_memory)
        });
        match pruned.await {
            Ok(kept) => state.variables.retain(|id, _| kept.contains(id)),
            Err(error) => tracing::warn!("old versions not removed: {error:#}"),
        }
    }
}

/// Removes versions beyond those that are kept, and copied files that neither they nor the versions `in_memory` have.
/// Returns which are kept.
pub(crate) fn prune<'a>(
    options: &AppOptions,
    surroundings: &Surroundings,
    used: &BTreeSet<VersionId>,
    in_memory: impl IntoIterator<Item = &'a App>,
) -> anyhow::Result<BTreeSet<VersionId>> {
    let store = VersionStore::at(&surroundings.state_dir);
    store.prune(used)?;
    let kept = store.list()?;
    let in_memory = in_memory.into_iter().flat_map(|app| surroundings.staged(options, app));
    let copies = kept.iter().flat_map(|record| record.files.values().cloned()).chain(in_memory);
    surroundings.unstage(options, &copies.collect());
    Ok(kept.into_iter().map(|record| record.id).collect())
}

/// Draws who tries a canary first.
fn seed() -> u64 {
    let mut random = [0_u8; 8];
    // Without randomness it is the same clients each time, and still the right share.
    let _ = getrandom::fill(&mut random);
    u64::from_le_bytes(random)
}

/// Returns the moment, for records.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Runs what waits for disks or computes for long where no request waits behind it.
async fn blocking<T: Send + 'static, E: From<anyhow::Error> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let done = tokio::task::spawn_blocking(work).await;
    done.context("a task of the deployment broke off").map_err(E::from)?
}
