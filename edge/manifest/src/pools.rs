//! `[application.tool.vitrine]`: pools of origins, and the routes that they serve without any component.
//!
//! Spin ignores the table, and answers such routes with 404: an application that has to run there too leaves them out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{
    Component, Inherit, ManifestError, Middleware, Route, Router, Secret, Target, Template,
    place::Fault, template::is_kebab,
};

/// Origins among which requests are shared out. Lengths of time are in milliseconds; what is absent has the default
/// that `docs/how-to/origins.md` names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// The origins; at least one.
    pub origins: Vec<PoolOrigin>,
    /// Whether answers are cached. Default true.
    pub cache: Option<bool>,
    /// Active health checks; none without.
    pub health: Option<PoolHealth>,
    /// Longest wait for a connection.
    pub connect_timeout_ms: Option<u64>,
    /// Longest wait for the head of one attempt's answer.
    pub head_timeout_ms: Option<u64>,
    /// Longest wait for the head of the answer, all attempts together.
    pub timeout_ms: Option<u64>,
    /// Attempts for one request.
    pub attempts_max: Option<u8>,
    /// Further attempts, in percent of requests.
    pub retry_budget_percent: Option<u8>,
    /// After so long a second attempt starts beside a slow first one; 0: after the 95th percentile. Without: never.
    pub hedge_after_ms: Option<u64>,
    /// Requests in flight at one origin.
    pub in_flight_max: Option<u32>,
    /// Requests that may wait for a place.
    pub queue_max: Option<usize>,
    /// Failures in a row after which an origin is passed over.
    pub failures_max: Option<u32>,
    /// How long an origin is passed over for the first time.
    pub ejection_ms: Option<u64>,
    /// How long an origin that comes back takes to get its full share.
    pub slow_start_ms: Option<u64>,
}

/// One origin.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawOrigin")]
pub struct PoolOrigin {
    /// `http(s)://host[:port]`; variables may stand in it.
    pub url: String,
    /// Whether it is only asked when no other is there.
    pub is_secondary: bool,
    /// Its share beside others. Default 100; 0 gives it nothing.
    pub weight: u16,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "an origin is a URL or { url, secondary, weight }")]
enum RawOrigin {
    Url(String),
    Table(RawOriginTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOriginTable {
    url: String,
    #[serde(default)]
    secondary: bool,
    #[serde(default = "full_weight")]
    weight: u16,
}

const fn full_weight() -> u16 {
    100
}

impl From<RawOrigin> for PoolOrigin {
    fn from(raw: RawOrigin) -> Self {
        match raw {
            RawOrigin::Url(url) => Self { url, is_secondary: false, weight: full_weight() },
            RawOrigin::Table(RawOriginTable { url, secondary, weight }) => {
                Self { url, is_secondary: secondary, weight }
            }
        }
    }
}

/// How origins are probed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolHealth {
    /// The path that is asked for; a 2xx is well.
    pub path: String,
    /// Between two probes.
    pub interval_ms: Option<u64>,
    /// Longest wait for an answer.
    pub timeout_ms: Option<u64>,
    /// Failures in a row after which an origin is down.
    pub failures_down: Option<u32>,
    /// Successes in a row after which it is up again.
    pub successes_up: Option<u32>,
}

/// What a `tool.vitrine` table says about pools.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    pub(crate) pools: BTreeMap<String, Pool>,
    pub(crate) routes: Vec<Route>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVitrine {
    // Their owners read them.
    #[serde(rename = "check")]
    _check: Option<toml::Value>,
    #[serde(rename = "replica")]
    _replica: Option<toml::Value>,
    #[serde(default)]
    pools: BTreeMap<String, Pool>,
    #[serde(default)]
    routes: Vec<RawRoute>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoute {
    route: String,
    pool: Option<String>,
    files: Option<String>,
    cache_control: Option<String>,
    index: Option<String>,
    #[serde(default)]
    signed_by: BTreeMap<String, String>,
    #[serde(default)]
    early_hints: Vec<String>,
    #[serde(default)]
    middleware: Vec<String>,
    grants_of: Option<String>,
}

/// A folder whose files are served.
#[derive(Debug, Clone)]
pub struct FilesRoute {
    /// The folder, relative to the manifest.
    pub root: String,
    /// `Cache-Control` of every file.
    pub cache_control: Option<String>,
    /// The file that stands for a folder.
    pub index: Option<String>,
    /// Secrets that paths must be signed with, by their ids. Empty: paths are not signed.
    pub signed_by: BTreeMap<String, Secret>,
}

/// Most pools of an application: 64.
const POOLS_MAX: usize = 64;

/// Reads the table and fills variables in.
pub(crate) fn pools(
    table: Option<&toml::Table>,
    components: &BTreeMap<String, Component>,
    variables: &BTreeMap<String, Secret>,
) -> Result<Pools, Fault> {
    let Some(table) = table else { return Ok(Pools::default()) };
    let refused = |reason: String| ManifestError::Tool { reason };
    let raw: RawVitrine = table
        .clone()
        .try_into()
        .map_err(|error: toml::de::Error| refused(error.message().to_owned()))?;
    if raw.pools.len() > POOLS_MAX {
        return Err(refused(format!("there are more than {POOLS_MAX} pools")).into());
    }
    let mut pools = raw.pools;
    for (name, pool) in &mut pools {
        if !is_kebab(name) {
            return Err(refused(format!("`{name}` is no name of a pool: kebab-case is")).into());
        }
        if pool.origins.is_empty() {
            return Err(refused(format!("the pool `{name}` has no origins")).into());
        }
        let owner = format!("an origin of the pool `{name}`");
        for origin in &mut pool.origins {
            let filled = Template::parse(&origin.url, &owner)?.fill(variables, &owner)?;
            filled.expose().clone_into(&mut origin.url);
        }
        let urls: BTreeSet<&str> = pool.origins.iter().map(|origin| &*origin.url).collect();
        if urls.len() < pool.origins.len() {
            return Err(refused(format!("the pool `{name}` names an origin twice")).into());
        }
    }
    let mut routes = Vec::new();
    for raw in raw.routes {
        routes.push(route(raw, &pools, components, variables)?);
    }
    Ok(Pools { pools, routes })
}

fn route(
    raw: RawRoute,
    pools: &BTreeMap<String, Pool>,
    components: &BTreeMap<String, Component>,
    variables: &BTreeMap<String, Secret>,
) -> Result<Route, Fault> {
    let path = raw.route.clone();
    let refused =
        |reason: String| ManifestError::Tool { reason: format!("route `{path}`: {reason}") };
    Router::new([(0, path.as_str())])?;
    let named = raw.middleware.iter().chain(&raw.grants_of);
    if let Some(unknown) = named.into_iter().find(|id| !components.contains_key(*id)) {
        return Err(refused(format!("`{unknown}` is no component")).into());
    }
    let middleware = raw
        .middleware
        .iter()
        .map(|id| Middleware { component: id.clone(), inherit: Inherit::Everything })
        .collect();
    let (grants_of, early_hints) = (raw.grants_of.clone(), raw.early_hints.clone());
    let target = match (&raw.pool, &raw.files) {
        (Some(pool), None) if !pools.contains_key(pool) => {
            return Err(refused(format!("it leads to no pool: `{pool}`")).into());
        }
        (Some(pool), None) => {
            let is_of_files =
                raw.cache_control.is_some() || raw.index.is_some() || !raw.signed_by.is_empty();
            if is_of_files {
                let reason = "`cache_control`, `index` and `signed_by` are for files";
                return Err(refused(reason.to_owned()).into());
            }
            Target::Pool(pool.clone())
        }
        (None, Some(_)) => Target::Files(Box::new(files(raw, variables)?)),
        _ => return Err(refused("it has one of `pool` and `files`".to_owned()).into()),
    };
    Ok(Route { path: Some(path), target, middleware, grants_of, early_hints })
}

fn files(raw: RawRoute, variables: &BTreeMap<String, Secret>) -> Result<FilesRoute, ManifestError> {
    let mut signed_by = BTreeMap::new();
    for (id, secret) in raw.signed_by {
        let owner = format!("the key `{id}` of the route `{}`", raw.route);
        let secret = Template::parse(&secret, &owner)?.fill(variables, &owner)?;
        signed_by.insert(id, secret);
    }
    Ok(FilesRoute {
        root: raw.files.unwrap_or_default(),
        cache_control: raw.cache_control,
        index: raw.index,
        signed_by,
    })
}
