//! Runs components: wasmtime, what a component may ask of its host, and the limits it runs under.
//!
//! Layer: adapter (L3). The only crate that names wasmtime; the components' WIT types stop at [`bindings`].
//! Not here: reading manifests (`manifest`), listening and answering (`node`), filling databases (`replica`).
//! Start at [`Runtime::load`], then [`Application::invoke`]; one request's life is in `worker.rs`.

mod bindings;
mod body;
mod cache;
mod capability;
mod check;
mod compile;
mod component_limits;
mod connector;
mod dial;
mod engine;
mod error;
mod express;
mod guest;
mod host;
mod imports;
mod inside;
mod limits;
mod linker;
mod load;
mod meter;
mod outbound;
mod output;
mod outside;
mod pool;
mod stats;
mod worker;

pub use body::{BodyError, Overflow, bounded, full};
pub use capability::database::{DatabaseFile, DatabaseSource, LetGo};
pub use compile::{CompileBounds, compile_bounded};
pub use error::{InvokeError, LoadError};
pub use express::{
    ahead::{Ahead, Decided, Gate, Passing},
    known::Draft,
};
pub use express_wire::RequestWriter;
pub use limits::Limits;
pub use load::{Application, Resources, Runtime};
pub use output::{Echo, Output};
pub use outside::{Answering, Behind, Front, Outside, OutsideError, Outsides};
pub use stats::PoolStats;

/// A body as components and their callers exchange it.
pub type Body = wasmtime_wasi_http::WasiBody;
