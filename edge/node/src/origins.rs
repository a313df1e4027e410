//! From an application's pools to proxies in front of them, with one cache for all.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use cdn::{
    Cache, Proxy,
    files::{Files, FilesSettings, SignedPaths, SigningKey},
    store::Store,
    upstream::{OriginAddress, Tracer, Upstream},
};
use http::{HeaderMap, HeaderValue, header};
use manifest::{App, FilesRoute, Pool, Target};
use pool_core::{Origin, Settings, Tier, settings};
use runtime::{Outside, Outsides};

use crate::{
    cli::Up,
    fronts::{CacheFront, FilesEnd, PoolEnd},
    otlp::{Attempts, Exporter},
};

/// What all versions of an application have in common of it.
pub(crate) struct OriginSide {
    cache: Arc<Cache>,
    /// What the node calls itself in `Via`.
    name: String,
    /// Who makes spans of attempts, where there is a collector.
    attempts: Option<Arc<Attempts>>,
}

impl OriginSide {
    /// Makes a cache, with what an earlier process left on its disk.
    pub(crate) fn new(options: &Up) -> anyhow::Result<Self> {
        let store = Store::new(&options.cache.limits()).with_context(|| {
            let disk = options.cache.cache_disk_dir.iter();
            let folders = disk.chain(&options.cache.cache_body_dir);
            let folders: Vec<_> = folders.map(|folder| folder.display().to_string()).collect();
            format!("make the cache in {}", folders.join(" and "))
        })?;
        let cache = Arc::new(Cache::new(store, options.cache.rules()));
        let attempts = options.server.operation.otlp_endpoint.is_some().then(Arc::default);
        Ok(Self { cache, name: format!("vitrine-{}", options.node_id), attempts })
    }

    /// Says where spans of attempts go.
    pub(crate) fn tell_attempts(&self, exporter: Option<&Arc<Exporter>>) {
        if let (Some(attempts), Some(exporter)) = (&self.attempts, exporter) {
            attempts.tell(exporter);
        }
    }

    /// Starts to probe the origins of pools that ask for it; it ends with them.
    pub(crate) fn watch(app: &App, proxies: &[Option<Proxy>]) {
        let mut watched = BTreeSet::new();
        for (route, proxy) in app.routes().iter().zip(proxies) {
            let (Target::Pool(name), Some(proxy)) = (&route.target, proxy) else { continue };
            let health = app.pools().get(name).and_then(|pool| pool.health.as_ref());
            let Some(health) = health.filter(|_| watched.insert(name)) else { continue };
            let upstream = Arc::downgrade(proxy.upstream());
            tokio::spawn(Upstream::probe(upstream, health.path.clone()));
        }
    }

    /// Returns who answers in the place of components.
    pub(crate) fn outsides(
        &self,
        app: &App,
        proxies: &[Option<Proxy>],
        files: &[Option<Arc<Files>>],
    ) -> Outsides {
        let pools = app.routes().iter().zip(proxies).filter_map(|(route, proxy)| {
            let end: Arc<dyn Outside> = Arc::new(PoolEnd(proxy.clone()?));
            Some((route.end()?, end))
        });
        let folders = app.routes().iter().zip(files).filter_map(|(route, files)| {
            let end: Arc<dyn Outside> = Arc::new(FilesEnd(Arc::clone(files.as_ref()?)));
            Some((route.end()?, end))
        });
        Outsides {
            ends: pools.chain(folders).collect(),
            front: Some(Arc::new(CacheFront(Arc::clone(&self.cache)))),
        }
    }

    /// Returns the cache.
    pub(crate) const fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// Returns, for each route of `app`, the proxy that answers it.
    pub(crate) fn proxies(&self, app: &App) -> anyhow::Result<Vec<Option<Proxy>>> {
        let mut made: Vec<(&str, Proxy)> = Vec::new();
        for (name, pool) in app.pools() {
            let upstream =
                upstream(name, pool).with_context(|| format!("use the pool `{name}`"))?;
            let upstream = match &self.attempts {
                Some(attempts) => upstream.traced_by(Arc::clone(attempts) as Arc<dyn Tracer>),
                None => upstream,
            };
            let cache = pool.cache.unwrap_or(true).then(|| Arc::clone(&self.cache));
            made.push((name, Proxy::new(Arc::new(upstream), cache, &self.name)));
        }
        let of_route = |route: &manifest::Route| match &route.target {
            Target::Pool(name) => {
                made.iter().find(|(one, _)| one == name).map(|(_, proxy)| proxy.clone())
            }
            Target::Component(_) | Target::Static(_) | Target::Files(_) => None,
        };
        Ok(app.routes().iter().map(of_route).collect())
    }
}

/// Opens, for each route of `app`, the folder whose files it serves; `base_dir` is where relative paths start.
pub(crate) fn files(app: &App, base_dir: &Path) -> anyhow::Result<Vec<Option<Arc<Files>>>> {
    let of_route = |route: &manifest::Route| match &route.target {
        Target::Files(files) => open(files, base_dir).map(Arc::new).map(Some),
        Target::Component(_) | Target::Static(_) | Target::Pool(_) => Ok(None),
    };
    app.routes().iter().map(of_route).collect()
}

fn open(files: &FilesRoute, base_dir: &Path) -> anyhow::Result<Files> {
    let mut keys = BTreeMap::new();
    for (id, secret) in &files.signed_by {
        let key = SigningKey::new(secret.expose().as_bytes());
        let key = key.with_context(|| format!("the key `{id}` has less than 16 bytes"))?;
        keys.insert(id.clone(), key);
    }
    let control = files.cache_control.as_deref().map(HeaderValue::from_str).transpose();
    let settings = FilesSettings {
        root: base_dir.join(&files.root),
        cache_control: control.context("`cache_control` is no field value")?,
        index: files.index.clone(),
        signed: (!keys.is_empty()).then_some(SignedPaths { keys }),
    };
    let root = files.root.clone();
    Files::new(settings).with_context(|| format!("serve the files of `{root}`"))
}

/// Returns, for each route of `app`, the fields of its early hints.
pub(crate) fn hints(app: &App) -> Vec<HeaderMap> {
    let of_route = |route: &manifest::Route| {
        let links = route.early_hints.iter().filter_map(|link| HeaderValue::from_str(link).ok());
        links.map(|link| (header::LINK, link)).collect()
    };
    app.routes().iter().map(of_route).collect()
}

fn upstream(name: &str, pool: &Pool) -> anyhow::Result<Upstream> {
    let mut origins = Vec::new();
    for (place, origin) in pool.origins.iter().enumerate() {
        // Not the text itself, which may hold a password.
        let address: OriginAddress =
            origin.url.parse().map_err(|error| anyhow!("origin {}: {error}", place + 1))?;
        let mut described = Origin::new(format!("{}:{}", address.host, address.port));
        described.tier = if origin.is_secondary { Tier::Secondary } else { Tier::Primary };
        described.weight = origin.weight;
        origins.push((described, address));
    }
    Ok(Upstream::new(name, pool_settings(pool), origins)?)
}

fn pool_settings(pool: &Pool) -> Settings {
    let ms = |ms: Option<u64>, default: Duration| ms.map_or(default, Duration::from_millis);
    let mut all = Settings::default();
    let deadlines = &mut all.deadlines;
    deadlines.connect = ms(pool.connect_timeout_ms, deadlines.connect);
    deadlines.head = ms(pool.head_timeout_ms, deadlines.head);
    deadlines.overall = ms(pool.timeout_ms, deadlines.overall);
    all.retries.attempts_max = pool.attempts_max.unwrap_or(all.retries.attempts_max);
    all.retries.budget_percent = pool.retry_budget_percent.unwrap_or(all.retries.budget_percent);
    all.balance.in_flight_max = pool.in_flight_max.unwrap_or(all.balance.in_flight_max);
    all.balance.pending_max = pool.queue_max.unwrap_or(all.balance.pending_max);
    all.balance.slow_start = ms(pool.slow_start_ms, all.balance.slow_start);
    all.passive.failures_in_row = pool.failures_max.unwrap_or(all.passive.failures_in_row);
    all.passive.ejection = ms(pool.ejection_ms, all.passive.ejection);
    all.hedge = pool.hedge_after_ms.map(|after| {
        let delay = Some(Duration::from_millis(after)).filter(|delay| !delay.is_zero());
        settings::Hedge { delay, ..settings::Hedge::default() }
    });
    all.probes = pool.health.as_ref().map(|health| {
        let default = settings::Probes::default();
        settings::Probes {
            interval: ms(health.interval_ms, default.interval),
            timeout: ms(health.timeout_ms, default.timeout),
            failures_down: health.failures_down.unwrap_or(default.failures_down),
            successes_up: health.successes_up.unwrap_or(default.successes_up),
            ..default
        }
    });
    all
}
