//! `[application.tool.vitrine.replica]`: what the manifest says about the replica, and the replica as a database.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use api_types::feed::bearer;
use manifest::App;
use replica::{Replica, Settings};
use runtime::{DatabaseFile, DatabaseSource, LetGo};
use serde::Deserialize;

/// The table as written; templates may stand in `feed` and `token`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplicaTable {
    /// The label of the database that it fills; only `default` exists.
    database: String,
    /// Origins, comma-separated, the first being the primary.
    feed: String,
    /// The secret that the feed's bearer token is derived from.
    token: String,
}

/// Reads the table, or `None` if the application has none.
pub(crate) fn read(app: &App, state_dir: &Path, node_id: &str) -> anyhow::Result<Option<Settings>> {
    let Some(table) = app.tool("vitrine").and_then(|table| table.get("replica")) else {
        return Ok(None);
    };
    const OWNER: &str = "application.tool.vitrine.replica";
    let table: ReplicaTable = table
        .clone()
        .try_into()
        .map_err(|error: toml::de::Error| anyhow::anyhow!("{}", error.message().to_owned()))
        .context(OWNER)?;
    if table.database != "default" {
        bail!("{OWNER}: database is `{}`, and only `default` exists", table.database);
    }
    let feed = app.fill(&table.feed, OWNER)?;
    let urls = feed.expose().split(',').map(str::trim).filter(|url| !url.is_empty());
    let feed_urls: Vec<String> = urls.map(str::to_owned).collect();
    if feed_urls.is_empty() {
        bail!("{OWNER}: feed names no origin");
    }
    Ok(Some(Settings {
        dir: state_dir.join("replica"),
        feed_urls,
        token: replica::Secret::new(bearer(app.fill(&table.token, OWNER)?.expose().as_bytes())),
        node_id: node_id.to_owned(),
        limits: replica::Limits::default(),
    }))
}

/// The replica's file as the runtime wants it.
pub(crate) struct ReplicaFile(pub(crate) Arc<Replica>);

impl DatabaseSource for ReplicaFile {
    fn current(&self) -> Option<DatabaseFile> {
        let current = self.0.current()?;
        Some(DatabaseFile { path: current.path, generation: current.generation })
    }

    fn version(&self) -> Option<u64> {
        self.0.version()
    }

    fn before_checkpoint(&self, let_go: LetGo) {
        self.0.before_checkpoint(let_go);
    }
}
