//! Turns `spin.toml` into a validated, immutable [`App`].
//!
//! Layer: core (L2). No files, no environment, no clock: callers pass the text and the variables they found.
//! Not here: loading wasm (`runtime`), serving (`node`), our own `tool` tables (their owners read them).
//! Start at [`Manifest::parse`], then [`Manifest::resolve`]; [`RuntimeConfig::parse`] reads Spin's other file; [`spin_rules`] lists what real Spin would object to.
#![warn(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used,
    clippy::panic
)]

mod app;
mod dotenv;
mod error;
mod hosts;
mod networks;
mod normalize;
mod pattern;
mod place;
mod pools;
mod raw;
mod resolve;
mod route;
mod rules;
mod runtime_config;
mod spin_headers;
mod template;
mod text_or;
mod variables;

pub use app::{
    App, Component, Files, FilesEntry, Grants, Inherit, Middleware, Mount, Route, StaticResponse,
    Target,
};
pub use dotenv::{DotenvError, dotenv};
pub use error::ManifestError;
pub use hosts::{AllowedHosts, HostPattern};
pub use networks::{BlockedNetworks, Network};
pub use pools::{FilesRoute, Pool, PoolHealth, PoolOrigin};
pub use resolve::Manifest;
pub use route::{RouteMatch, Router};
pub use rules::spin_rules;
pub use runtime_config::{
    Directory, KeyValueStore, RuntimeConfig, RuntimeConfigError, SqliteDatabase, VariableProvider,
};
pub use template::Template;
pub use variables::{ENVIRONMENT_PREFIX, Secret, VariableSources};
