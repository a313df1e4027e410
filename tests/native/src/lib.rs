//! The edge application without a host: `spin.toml`'s routes, the gateway and the cores, in one process.
//!
//! Layer: development (L5). Nothing that matters is a fake: the catalogue is a replica of the real origin's, read with
//! the edge's engine; the origin is asked over TCP; files come from the disk. Only the counters are a map.
//! Not here: a server. `conformance` compares hosts with it, `load` puts hyper before it and measures what a host costs.
//! Start at [`Native::start`] and [`Native::answer`].

mod database;
mod files;
mod ports;

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use api_types::feed::bearer;
use bytes::Bytes;
use gateway_core::admit::{Admission, BodyError, State, admit};
use gateway_core::edits::finish;
use harness::eventually;
use http::request::Parts;
use http::{Request, Response};
use manifest::{App, Manifest, Target, VariableSources};
use origin_client::health::Health;
use replica::Replica;

use database::Database;
use files::Folders;
use ports::{Counts, NativePorts, Outside};

/// Longest wait for the first snapshot.
const FILLED_WITHIN: Duration = Duration::from_secs(30);

/// Where an application comes from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The clone: its `spin.toml`, and the folders that it mounts.
    pub root: PathBuf,
    /// The origin's address.
    pub origin_url: String,
    /// The secret that the origin shares with its edges.
    pub secret: String,
    /// Variables of the application beside those two.
    pub variables: Vec<(String, String)>,
    /// An empty folder for the replica.
    pub folder: PathBuf,
    /// How it calls itself towards the origin.
    pub node_id: String,
}

/// The running application. One request after the other, or many at once on one thread.
pub struct Native {
    app: App,
    replica: Arc<Replica>,
    root: PathBuf,
    database: Database,
    outside: Outside,
    counts: Counts,
    gateway: State,
    health: RefCell<Health>,
}

impl std::fmt::Debug for Native {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Native").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Native {
    /// Reads the manifest, fills a replica, and returns when it is filled.
    ///
    /// # Errors
    /// When manifest or replica cannot be used.
    pub async fn start(settings: Settings) -> Result<Self> {
        let app = app(&settings)?;
        let replica = Replica::start(replica::Settings {
            dir: settings.folder,
            feed_urls: vec![settings.origin_url],
            token: replica::Secret::new(bearer(settings.secret.as_bytes())),
            node_id: settings.node_id,
            limits: replica::Limits::default(),
        })
        .await
        .context("start the replica")?;
        eventually(FILLED_WITHIN, "the replica is filled", || async { replica.current() }).await?;
        Ok(Self {
            app,
            replica,
            root: settings.root,
            database: Database::default(),
            outside: Outside::new(),
            counts: Counts::default(),
            gateway: State::default(),
            health: RefCell::default(),
        })
    }

    /// Stops following the origin.
    pub async fn stop(&self) {
        self.replica.stop().await;
    }

    /// Does what a host does with a request: gateway, then the route's core, then the gateway's headers.
    ///
    /// `head` has the host's word about the client in it, `spin-client-addr`.
    ///
    /// # Errors
    /// When no component of `spin.toml` is behind the path.
    pub async fn answer(&self, head: &Parts, body: Bytes) -> Result<Response<Bytes>> {
        let Some((route, _)) = self.app.route(head.uri.path()) else {
            bail!("no route for {}", head.uri)
        };
        let Target::Component(id) = &route.target else { bail!("{:?} is static", route.path) };
        let component = self.app.component(id).context("find the route's component")?;
        let ports = NativePorts {
            variables: &component.grants.variables,
            replica: &self.replica,
            database: &self.database,
            outside: &self.outside,
            counts: &self.counts,
        };
        let read_body = async |bytes_max: usize| {
            if body.len() > bytes_max { Err(BodyError::TooLarge) } else { Ok(body.clone()) }
        };
        let forward = match admit(&ports, &self.gateway, head, read_body).await {
            Admission::Answer(response) => return Ok(response),
            Admission::Forward(forward) => forward,
        };
        let headers = forward.headers(&head.headers);
        let mut request = Request::new(forward.body.unwrap_or_default());
        request.method_mut().clone_from(&head.method);
        request.uri_mut().clone_from(&head.uri);
        *request.headers_mut() = headers;
        let mut response = match id.as_str() {
            "catalog" => catalog_core::handle(&ports, request).await,
            "ar-router" => ar_core::handle(&ports, request).await,
            "shop-api" => origin_client::forward::handle(&ports, &self.health, request).await,
            "assets" => {
                let folders = Folders { root: &self.root, mounts: &component.grants.files };
                let response = files_core::handle(&folders, &request).await;
                files_core::load(&folders, response).await
            }
            other => bail!("{other} has no core here"),
        };
        finish(&forward.edits, response.headers_mut());
        Ok(response)
    }
}

fn app(settings: &Settings) -> Result<App> {
    let path = settings.root.join("spin.toml");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let own = [("origin_url", &settings.origin_url), ("edge_secret", &settings.secret)];
    let given = settings.variables.iter().map(|(name, value)| (name.as_str(), value));
    let values: BTreeMap<&str, &String> = given.chain(own).collect();
    let values = values.into_iter().map(|(name, value)| (name, value.as_str()));
    let sources = VariableSources::new().with_command_line(values);
    Manifest::parse(&text).and_then(|manifest| manifest.resolve(&sources)).context("read spin.toml")
}
