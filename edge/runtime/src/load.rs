//! From a manifest to pools of instances.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use manifest::{App, BlockedNetworks, Component, Grants, Middleware, Route, RuntimeConfig, Target};
use tokio::{sync::Semaphore, time::Instant};
use wasmtime::component::Linker;

use crate::{
    Body, DatabaseSource, InvokeError, Limits, LoadError, Output, PoolStats,
    body::Parking,
    cache::Cache,
    capability::{database::Database, databases, store::SharedStore, stores},
    check::{check, check_size},
    compile::compile_apart,
    component_limits,
    engine::Ticking,
    express::{
        Exports, Express, Link,
        ahead::{Ahead, Gate},
    },
    guest::{Guest, next_import},
    host::{Capabilities, Host, Passage},
    imports,
    inside::Inside,
    linker::linker,
    outbound::{self, OutboundClient, Ways},
    output::Printing,
    outside::{Outsides, Step},
    pool::{Blueprint, Pool},
};

/// What all applications find on this node.
pub struct Resources {
    /// Where compiled components and local databases are kept.
    pub state_dir: PathBuf,
    /// This node's own program, which compiles components in a process of its own when it is run as `compile`; without
    /// one they are compiled in this process, where nothing can stop a compiler that goes on for ever.
    pub compiler: Option<PathBuf>,
    /// The file behind database `default`; without one it is a local read-write file.
    pub replica: Option<Arc<dyn DatabaseSource>>,
    /// What the runtime-config file says; the default is as without the file.
    pub config: RuntimeConfig,
    /// What becomes of what components print.
    pub output: Output,
    /// Bounds.
    pub limits: Limits,
    /// Whether components that have an express lane are served there; otherwise all are served in the standard lane.
    pub has_express: bool,
}

impl std::fmt::Debug for Resources {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Resources")
            .field("state_dir", &self.state_dir)
            .field("compiler", &self.compiler)
            .field("has_replica", &self.replica.is_some())
            .field("output", &self.output)
            .field("limits", &self.limits)
            .finish()
    }
}

/// What the versions of an application have in common: one engine, the compiled components, stores and databases. A
/// new version is loaded beside the one that serves, and finds the same data.
pub struct Runtime {
    linker: Linker<Host>,
    cache: Cache,
    compiler: Option<PathBuf>,
    client: OutboundClient,
    blocked: BlockedNetworks,
    parking: Parking,
    printing: Printing,
    stores: BTreeMap<String, SharedStore>,
    databases: BTreeMap<String, Arc<Database>>,
    limits: Arc<Limits>,
    has_express: bool,
    ticking: Arc<Ticking>,
    instances: Arc<AtomicUsize>,
    room: Arc<Room>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Runtime").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Makes the engine and opens what is kept in the state directory.
    ///
    /// # Errors
    /// If the engine refuses its configuration or the state directory cannot be used.
    pub fn new(resources: Resources) -> Result<Self, LoadError> {
        let limits = Arc::new(resources.limits);
        let started = std::time::Instant::now();
        let ticking = Arc::new(Ticking::new(&limits, lanes(resources.has_express))?);
        tracing::info!(engine_ms = started.elapsed().as_secs_f64() * 1000.0, "engine ready");
        let refused = |error: wasmtime::Error| LoadError::Engine { reason: format!("{error:#}") };
        let linker = linker(&ticking.engine).map_err(refused)?;
        let state = |cause| LoadError::State { path: resources.state_dir.clone(), cause };
        std::fs::create_dir_all(&resources.state_dir).map_err(state)?;
        let cache = Cache::open(resources.state_dir.join("components")).map_err(state)?;
        let replica = resources.replica.as_ref();
        let databases = databases::open(&resources.config, replica, &resources.state_dir, &limits)?;
        Ok(Self {
            linker,
            cache,
            compiler: resources.compiler,
            client: outbound::client(&limits, resources.config.blocked_networks()),
            blocked: resources.config.blocked_networks().clone(),
            parking: Parking::new(limits.parked_bytes_max),
            printing: Printing::start(resources.output)?,
            stores: stores::open(&resources.config, &limits)?,
            databases,
            room: Arc::new(Room::new(&limits, resources.has_express)),
            instances: Arc::default(),
            limits,
            has_express: resources.has_express,
            ticking,
        })
    }

    /// Compiles and links every component that a route of `app` needs; the manifest's relative paths start at
    /// `base_dir`. Blocks: for about a second for each component that is new to this machine.
    ///
    /// # Errors
    /// If a file is missing, is no component, imports something that this node lacks or a next component where there is
    /// none, or if there are more chains of components than instances have room for beside the versions that are loaded.
    pub fn load(
        &self,
        app: &App,
        base_dir: &Path,
        outsides: &Outsides,
    ) -> Result<Application, LoadError> {
        let place = Room::take(&self.room, count_chains(app))?;
        let mut loader = Loader {
            runtime: self,
            app,
            base_dir,
            guests: BTreeMap::new(),
            steps: BTreeMap::new(),
            links: Vec::new(),
            outsides,
            inside: Arc::default(),
        };
        let chains = loader.chains()?;
        let inside = Arc::clone(&loader.inside);
        inside
            .open(app, &chains)
            .map_err(|error| LoadError::Routes { reason: error.to_string() })?;
        let links = loader.links;
        Ok(Application {
            chains,
            inside,
            links,
            limits: Arc::clone(&self.limits),
            _place: place,
            _ticking: Arc::clone(&self.ticking),
        })
    }

    /// Makes machine code of a wasm file that [`check`] has let pass.
    fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, String> {
        match &self.compiler {
            Some(program) => compile_apart(program, wasm, &self.limits),
            None => {
                let told = |error: wasmtime::Error| format!("{error:#}").replace('\n', " ");
                self.ticking.engine.precompile_component(wasm).map_err(told)
            }
        }
    }

    /// Returns how many instances are alive, those of versions that are gone and still finish a request included.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.instances.load(Relaxed)
    }
}

/// Chains of components that instances have room for, all loaded versions together.
struct Room {
    chains_max: usize,
    taken: AtomicUsize,
}

/// A version's part of the room, given back when dropped.
struct Occupied {
    room: Arc<Room>,
    chains: usize,
}

const fn lanes(has_express: bool) -> u8 {
    if has_express { 2 } else { 1 }
}

impl Room {
    fn new(limits: &Limits, has_express: bool) -> Self {
        // Each lane keeps its own instances; permits bound them together, idle ones not.
        let lanes = usize::from(lanes(has_express));
        let per_chain = limits.instances_max.saturating_add(SPARE_INSTANCES) * lanes;
        Self { chains_max: limits.instances_total_max / per_chain, taken: AtomicUsize::new(0) }
    }

    fn take(room: &Arc<Self>, chains: usize) -> Result<Occupied, LoadError> {
        let taken = room.taken.fetch_add(chains, Relaxed);
        // Given back on the way out if it was too much.
        let occupied = Occupied { room: Arc::clone(room), chains };
        let chains_max = room.chains_max.saturating_sub(taken);
        if chains > chains_max {
            return Err(LoadError::Chains { chains, chains_max });
        }
        Ok(occupied)
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.chains, Relaxed);
    }
}

/// One version of an application: every component compiled and linked, ready to be asked. Its instances end with it.
pub struct Application {
    /// For each route of the manifest, in its order; `None` for a static response.
    chains: Vec<Option<Step>>,
    /// How its components reach each other.
    inside: Arc<Inside>,
    links: Vec<Link>,
    limits: Arc<Limits>,
    _place: Occupied,
    _ticking: Arc<Ticking>,
}

impl std::fmt::Debug for Application {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Application").field("links", &self.links.len()).finish_non_exhaustive()
    }
}

impl Application {
    /// Asks the component behind route number `route` of the manifest, through its middleware.
    ///
    /// The request's URI must have scheme and authority. The head of the answer is there within the request timeout;
    /// its body is streamed and ends with an error if the component fails on the way.
    ///
    /// # Errors
    /// If there is no answer; the node is unharmed.
    pub async fn invoke(
        &self,
        route: usize,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, InvokeError> {
        let Some(link) = self.chains.get(route).and_then(Option::as_ref) else {
            return Err(InvokeError::Missing { component: format!("route {route}") });
        };
        let passage = Passage::until(Instant::now() + self.limits.request_timeout);
        link.handle(request, passage).await
    }

    /// Returns what stands before the cache on route number `route`, if that can be asked ahead: see [`Ahead`].
    #[must_use]
    pub fn ahead(&self, route: usize) -> Option<Ahead<'_>> {
        match self.chains.get(route)?.as_ref()? {
            Step::Fronted(..) => Some(Ahead::Nothing),
            Step::Component(link) => {
                let express = link.express.as_ref()?;
                let limits = &*link.standard.blueprint.limits;
                match express.next.as_ref()? {
                    Step::Fronted(..) => Some(Ahead::Gate(Gate::new(express, limits))),
                    Step::Outside(..) => Some(Ahead::GateOfEnd(Gate::new(express, limits))),
                    Step::Component(_) => None,
                }
            }
            Step::Outside(..) => None,
        }
    }

    /// Makes an instance of every component, with its grants, and drops it: what cannot start is found before it is
    /// asked.
    ///
    /// # Errors
    /// If one cannot be made within the request timeout, traps on the way, or takes too much time or memory.
    pub async fn try_instances(&self) -> Result<(), InvokeError> {
        for link in &self.links {
            let deadline = Instant::now() + self.limits.request_timeout;
            link.standard.try_instance(deadline).await?;
            if let Some(express) = &link.express {
                express.try_instance(deadline).await?;
            }
        }
        Ok(())
    }

    /// Returns counts for each pool of instances.
    #[must_use]
    pub fn stats(&self) -> Vec<PoolStats> {
        self.links.iter().map(|link| link.standard.stats()).collect()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.inside.close();
        for link in &self.links {
            link.standard.retire();
            if let Some(express) = &link.express {
                express.retire();
            }
        }
    }
}

/// Room per pool for idle instances that are being dropped while all others are busy.
const SPARE_INSTANCES: usize = 8;

/// How many pools there will be: the primaries and, for each, the middleware chains before it.
fn count_chains(app: &App) -> usize {
    let mut chains = BTreeSet::new();
    for route in app.routes() {
        if let Target::Component(id) = &route.target {
            for from in 0..=route.middleware.len() {
                chains.insert((id, route.middleware.get(from..).unwrap_or_default()));
            }
        }
    }
    let of_others = app.routes().iter().filter(|route| route.end().is_some());
    chains.len() + of_others.map(|route| route.middleware.len()).sum::<usize>()
}

/// A primary and the middleware before it, outermost first.
type ChainKey = (String, Vec<Middleware>);

struct Loader<'a> {
    runtime: &'a Runtime,
    app: &'a App,
    base_dir: &'a Path,
    guests: BTreeMap<String, Guest>,
    steps: BTreeMap<ChainKey, Step>,
    links: Vec<Link>,
    outsides: &'a Outsides,
    inside: Arc<Inside>,
}

impl Loader<'_> {
    fn chains(&mut self) -> Result<Vec<Option<Step>>, LoadError> {
        let app = self.app;
        let mut chains = Vec::new();
        for route in app.routes() {
            chains.push(match &route.target {
                Target::Component(id) => Some(self.chain(id, &route.middleware)?),
                Target::Pool(_) | Target::Files(_) if !route.middleware.is_empty() => {
                    Some(self.outside_chain(route)?)
                }
                // Without middleware no component has a part in it.
                Target::Static(_) | Target::Pool(_) | Target::Files(_) => None,
            });
        }
        Ok(chains)
    }

    /// Returns the place of the outermost component, the inner ones behind it.
    fn chain(&mut self, id: &str, middleware: &[Middleware]) -> Result<Step, LoadError> {
        let key = (id.to_owned(), middleware.to_vec());
        if let Some(step) = self.steps.get(&key) {
            return Ok(step.clone());
        }
        let primary = component(self.app, id)?;
        let step = match middleware.split_first() {
            None => {
                let link = self.link(primary, primary.grants.clone(), None)?;
                match &self.outsides.front {
                    Some(front) if component_limits::is_cached(primary)? => {
                        Step::Fronted(Arc::clone(front), link)
                    }
                    _ => Step::Component(link),
                }
            }
            Some((outer, inner)) => {
                let next = self.chain(id, inner)?;
                let grants = primary.grants.inherited(&outer.inherit);
                let outer = component(self.app, &outer.component)?;
                Step::Component(self.link(outer, grants, Some(next))?)
            }
        };
        self.steps.insert(key, step.clone());
        Ok(step)
    }

    /// What is no component behind middleware, which works with the grants of the component that the route names.
    fn outside_chain(&mut self, route: &Route) -> Result<Step, LoadError> {
        let name = route.end().unwrap_or_default();
        let missing = || LoadError::Engine { reason: format!("nobody answers for `{name}`") };
        let outside = self.outsides.ends.get(&name).ok_or_else(missing)?;
        let mut step = Step::Outside(Arc::from(name.as_str()), Arc::clone(outside));
        let own = match &route.grants_of {
            Some(id) => component(self.app, id)?.grants.clone(),
            None => Grants::default(),
        };
        for outer in route.middleware.iter().rev() {
            let grants = own.inherited(&outer.inherit);
            let outer = component(self.app, &outer.component)?;
            step = Step::Component(self.link(outer, grants, Some(step))?);
        }
        Ok(step)
    }

    /// Makes a component's place in a chain, in both lanes if it has both.
    fn link(
        &mut self,
        component: &Component,
        grants: Grants,
        next: Option<Step>,
    ) -> Result<Link, LoadError> {
        let blueprint = self.blueprint(component, grants, next.clone())?;
        let exports = if self.runtime.has_express {
            Exports::find(blueprint.guest.instance_pre(), next.is_some())
        } else {
            None
        };
        let standard = Arc::new(Pool::new(blueprint));
        let express =
            exports.map(|exports| Arc::new(Express::new(Arc::clone(&standard), exports, next)));
        let link = Link { standard, express };
        self.links.push(link.clone());
        Ok(link)
    }

    fn blueprint(
        &mut self,
        component: &Component,
        grants: Grants,
        next: Option<Step>,
    ) -> Result<Blueprint, LoadError> {
        let capabilities = Arc::new(self.capabilities(&component.id, &grants)?);
        for mount in &grants.files {
            let path = self.base_dir.join(&mount.source);
            if !path.is_dir() {
                return Err(LoadError::Mount { id: component.id.clone(), path });
            }
        }
        let guest = self.guest(component)?;
        if next.is_some() && matches!(guest, Guest::Incoming(_)) {
            return Err(LoadError::Middleware { id: component.id.clone() });
        }
        // A matter of the place, not of the component: elsewhere it may stand before others.
        if next.is_none()
            && let Some(import) = next_import(guest.instance_pre().component())
        {
            return Err(LoadError::Primary { id: component.id.clone(), import });
        }
        let limits = component_limits::of(component, &self.runtime.limits)?;
        let name = match &next {
            Some(next) => format!("{}>{}", component.id, next.name()),
            None => component.id.clone(),
        };
        Ok(Blueprint {
            name,
            component: Arc::from(component.id.as_str()),
            printer: Arc::new(self.runtime.printing.of(&component.id)),
            guest,
            grants,
            base_dir: self.base_dir.to_owned(),
            capabilities,
            ways: Ways {
                client: self.runtime.client.clone(),
                blocked: self.runtime.blocked.clone(),
                inside: Arc::clone(&self.inside),
            },
            parking: self.runtime.parking.clone(),
            next,
            has_own_timeout: limits.request_timeout < self.runtime.limits.request_timeout,
            alive: Arc::clone(&self.runtime.instances),
            limits,
        })
    }

    /// What is not configured does not exist, except for `default`, as under `spin up`.
    fn capabilities(&self, id: &str, grants: &Grants) -> Result<Capabilities, LoadError> {
        let mut capabilities = Capabilities {
            stores: BTreeMap::new(),
            databases: BTreeMap::new(),
            variables: grants.variables.clone(),
            redis_permits: Arc::new(Semaphore::new(self.runtime.limits.redis_connections_max)),
        };
        for label in &grants.key_value_stores {
            let Some(store) = self.runtime.stores.get(label) else {
                return Err(LoadError::Store { id: id.to_owned(), label: label.clone() });
            };
            capabilities.stores.insert(label.clone(), Arc::clone(store));
        }
        for label in &grants.sqlite_databases {
            let Some(database) = self.runtime.databases.get(label) else {
                return Err(LoadError::Database { id: id.to_owned(), label: label.clone() });
            };
            capabilities.databases.insert(label.clone(), Arc::clone(database));
        }
        Ok(capabilities)
    }

    /// Compiles and links a component once.
    fn guest(&mut self, component: &Component) -> Result<Guest, LoadError> {
        if let Some(guest) = self.guests.get(&component.id) {
            return Ok(guest.clone());
        }
        let id = || component.id.clone();
        let wasm = self.read(component)?;
        self.runtime.ticking.begin()?;
        let started = std::time::Instant::now();
        let runtime = self.runtime;
        let compiled = runtime
            .cache
            .load(&runtime.ticking.engine, &wasm, || runtime.compile(&wasm))
            .map_err(|reason| LoadError::Compile { id: id(), reason })?;
        let linked = imports::link(&runtime.linker, &compiled).map_err(|missing| {
            LoadError::Import { id: id(), imports: missing.imports, reason: missing.reason }
        })?;
        let guest = Guest::new(linked).map_err(|reason| LoadError::Export { id: id(), reason })?;
        let load_ms = started.elapsed().as_secs_f64() * 1000.0;
        tracing::info!(component.id = %component.id, load_ms, "component loaded");
        self.guests.insert(component.id.clone(), guest.clone());
        Ok(guest)
    }

    /// Reads the wasm file if it is worth compiling.
    fn read(&self, component: &Component) -> Result<Vec<u8>, LoadError> {
        let path = self.base_dir.join(&component.source);
        let limits = &self.runtime.limits;
        let unfit = |reason| LoadError::Unfit { id: component.id.clone(), reason };
        let source =
            |cause| LoadError::Source { id: component.id.clone(), path: path.clone(), cause };
        // Before it is read: a large file would take all memory.
        let found = std::fs::metadata(&path).map_err(source)?;
        if !found.is_file() {
            return Err(unfit("its source is no regular file".to_owned()));
        }
        check_size(found.len(), limits).map_err(unfit)?;
        let wasm = std::fs::read(&path).map_err(source)?;
        check(&wasm, limits).map_err(unfit)?;
        Ok(wasm)
    }
}

/// Finds a component that the manifest has checked to exist.
fn component<'a>(app: &'a App, id: &str) -> Result<&'a Component, LoadError> {
    let missing =
        || LoadError::Engine { reason: format!("component `{id}` is not in the manifest") };
    app.component(id).ok_or_else(missing)
}
