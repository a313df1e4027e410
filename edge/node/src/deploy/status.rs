//! What versions there are, for who asks.

use std::{path::PathBuf, sync::PoisonError};

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Deployer, Refusal, Step, blocking};
use crate::{deployment::VersionId, versions::VersionStore};

/// All versions, oldest first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listing {
    pub(crate) versions: Vec<VersionLine>,
    /// What a change under way is doing.
    pub(crate) step: Option<Step>,
}

/// One version.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VersionLine {
    pub(crate) version: VersionId,
    pub(crate) state: VersionState,
    /// The share of clients that are given it.
    pub(crate) share_percent: u8,
    /// Absent when it could not be kept.
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) digest: Option<String>,
    pub(crate) manifest: Option<PathBuf>,
    /// What it has done since it was loaded; absent when it is not.
    pub(crate) loaded: Option<LoadedLine>,
}

/// What a version in memory has and did.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LoadedLine {
    pub(crate) instances: u64,
    pub(crate) answers: u64,
    /// Those with 5xx.
    pub(crate) failures: u64,
}

/// What a version is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VersionState {
    /// It takes all requests, or all but the canary's.
    Current,
    /// It takes a share.
    Canary,
    /// It takes no new requests, and is in memory: to return to, or because some are not answered yet.
    Loaded,
    /// It is on disk.
    Kept,
}

impl VersionState {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Canary => "canary",
            Self::Loaded => "loaded",
            Self::Kept => "kept",
        }
    }
}

impl Deployer {
    /// Lists all versions.
    pub(crate) async fn list(&self) -> Result<Listing, Refusal> {
        let state_dir = self.surroundings.state_dir.clone();
        let records = blocking(move || VersionStore::at(&state_dir).list()).await;
        let serving = self.traffic.versions();
        let canary = serving.canary.as_ref();
        let mut versions: Vec<VersionLine> =
            records.map_err(Refusal::State)?.into_iter().map(line).collect();
        for deployment in self.loaded.list() {
            let position = versions.iter().position(|one| one.version == deployment.id);
            let position = position.unwrap_or_else(|| {
                versions.push(unkept(deployment.id));
                versions.len().saturating_sub(1)
            });
            let Some(line) = versions.get_mut(position) else { continue };
            let canary = canary.filter(|canary| canary.deployment.id == deployment.id);
            (line.state, line.share_percent) = match canary {
                Some(canary) => (VersionState::Canary, canary.split.share.percent()),
                None if serving.current.id == deployment.id => {
                    let canary = serving.canary.as_ref();
                    let taken = canary.map_or(0, |canary| canary.split.share.percent());
                    (VersionState::Current, 100_u8.saturating_sub(taken))
                }
                None => (VersionState::Loaded, 0),
            };
            line.loaded = Some(LoadedLine {
                instances: deployment.instances(),
                answers: deployment.answers().map(|(_, count)| count).sum(),
                failures: deployment.failures(),
            });
        }
        let step = *self.step.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Listing { versions, step })
    }
}

fn line(record: crate::versions::Record) -> VersionLine {
    VersionLine {
        created_at: Some(record.created_at),
        digest: Some(record.digest),
        manifest: Some(record.manifest),
        ..unkept(record.id)
    }
}

fn unkept(version: VersionId) -> VersionLine {
    VersionLine {
        version,
        state: VersionState::Kept,
        share_percent: 0,
        created_at: None,
        digest: None,
        manifest: None,
        loaded: None,
    }
}
