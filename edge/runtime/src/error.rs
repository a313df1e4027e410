//! Why an application cannot be loaded, and why a request got no answer from its component.

use std::path::PathBuf;

/// Why [`Runtime::new`](crate::Runtime::new) or [`Runtime::load`](crate::Runtime::load) gave up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The engine refused its configuration.
    #[error("set up the wasm engine: {reason}")]
    Engine {
        /// What wasmtime said.
        reason: String,
    },
    /// More chains of components than the node has room for, beside the versions that are loaded.
    #[error(
        "the routes need {chains} chains of components, and there is room for {chains_max} beside what is loaded"
    )]
    Chains {
        /// Primaries, and middleware before them.
        chains: usize,
        /// How many more there may be.
        chains_max: usize,
    },
    /// The wasm file cannot be read.
    #[error("read {path} of component `{id}`")]
    Source {
        /// The component.
        id: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The wasm file is not worth giving to a compiler.
    #[error("component `{id}` is refused: {reason}")]
    Unfit {
        /// The component.
        id: String,
        /// Which rule it breaks.
        reason: String,
    },
    /// A component in front of others cannot call them.
    #[error(
        "component `{id}` cannot be a middleware: it is a guest of WASI 0.2, which has no next handler"
    )]
    Middleware {
        /// The component.
        id: String,
    },
    /// A component that answers would call a next one.
    #[error(
        "component `{id}` imports `{import}`, by which a middleware calls the next component, and there is none behind it"
    )]
    Primary {
        /// The component.
        id: String,
        /// The interface.
        import: String,
    },
    /// `[component.<id>.tool.vitrine]` cannot be used.
    #[error("read [component.{id}.tool.vitrine]: {reason}")]
    Settings {
        /// The component.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// The wasm file is no component that could be compiled.
    #[error("compile component `{id}`: {reason}")]
    Compile {
        /// The component.
        id: String,
        /// What the compiler said.
        reason: String,
    },
    /// The component needs something that this node lacks.
    #[error(
        "component `{id}` imports {}, which this node does not provide: {reason}",
        quoted(imports)
    )]
    Import {
        /// The component.
        id: String,
        /// The interfaces.
        imports: Vec<String>,
        /// What the linker said about the first.
        reason: String,
    },
    /// The component is no HTTP handler.
    #[error(
        "component `{id}` exports neither `wasi:http/handler@0.3` nor `wasi:http/incoming-handler@0.2`: {reason}"
    )]
    Export {
        /// The component.
        id: String,
        /// What it exports instead.
        reason: String,
    },
    /// A component is granted a database that does not exist.
    #[error(
        "component `{id}` uses database `{label}`, which is neither `default` nor in the runtime configuration"
    )]
    Database {
        /// The component.
        id: String,
        /// The label.
        label: String,
    },
    /// A component is granted a key-value store that does not exist.
    #[error(
        "component `{id}` uses key-value store `{label}`, which is neither `default` nor in the runtime configuration"
    )]
    Store {
        /// The component.
        id: String,
        /// The label.
        label: String,
    },
    /// The routes cannot be read a second time.
    #[error("prepare calls from inside: {reason}")]
    Routes {
        /// What the router said.
        reason: String,
    },
    /// A key-value store of the runtime configuration cannot be opened.
    #[error("open key-value store `{label}`: {reason}")]
    OpenStore {
        /// The label.
        label: String,
        /// What is wrong.
        reason: String,
    },
    /// A database of the runtime configuration cannot be opened.
    #[error("open database `{label}`: {reason}")]
    OpenDatabase {
        /// The label.
        label: String,
        /// What is wrong.
        reason: String,
    },
    /// A directory that a component shall see is not there.
    #[error("mount {path} for component `{id}`: it is not a directory")]
    Mount {
        /// The component.
        id: String,
        /// The directory.
        path: PathBuf,
    },
    /// The state directory cannot be used.
    #[error("prepare {path}")]
    State {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Why a component gave no answer. The request is lost; the node and other requests are unharmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// All instances are taken and the queue is full, or the wait was too long.
    #[error("all instances of `{component}` are taken")]
    Busy {
        /// The component.
        component: String,
    },
    /// No head of an answer before the deadline.
    #[error("`{component}` gave no answer in time")]
    Timeout {
        /// The component.
        component: String,
    },
    /// More processor time than the budget.
    #[error("`{component}` used up its processor time")]
    CpuBudget {
        /// The component.
        component: String,
    },
    /// More memory than the limit.
    #[error("`{component}` wanted more memory than it may have")]
    Memory {
        /// The component.
        component: String,
    },
    /// A trap: a panic, an illegal instruction, a broken rule of the component model.
    #[error("`{component}` trapped: {reason}")]
    Trap {
        /// The component.
        component: String,
        /// What wasmtime said; for the log, not for clients.
        reason: String,
    },
    /// The component answered with an error code instead of a response.
    #[error("`{component}` answered with an error: {reason}")]
    Answer {
        /// The component.
        component: String,
        /// The code; for the log, not for clients.
        reason: String,
    },
    /// No instance could be made.
    #[error("start an instance of `{component}`: {reason}")]
    Instantiate {
        /// The component.
        component: String,
        /// What wasmtime said; for the log, not for clients.
        reason: String,
    },
    /// Whoever asked is gone.
    #[error("the request to `{component}` was given up by its sender")]
    Cancelled {
        /// The component.
        component: String,
    },
    /// Whoever answers in a component's place gave no answer.
    #[error("`{component}` gave no answer: {error}")]
    Outside {
        /// The pool or the component.
        component: String,
        /// What happened.
        error: crate::OutsideError,
    },
    /// There is no such route or component.
    #[error("nothing is loaded under `{component}`")]
    Missing {
        /// The component.
        component: String,
    },
}

impl InvokeError {
    /// Returns the component that failed.
    #[must_use]
    pub fn component(&self) -> &str {
        match self {
            Self::Busy { component }
            | Self::Timeout { component }
            | Self::CpuBudget { component }
            | Self::Memory { component }
            | Self::Trap { component, .. }
            | Self::Answer { component, .. }
            | Self::Instantiate { component, .. }
            | Self::Cancelled { component }
            | Self::Outside { component, .. }
            | Self::Missing { component } => component,
        }
    }
}
