//! One table of cases, asked of every host of the edge application; and what a component asks of its host.
//!
//! Layer: development (L5). The same requests go to the application without a host, to our node, to the Worker in
//! workerd and to real Spin. Each answer is held against the table ([`cases`]), then against the other hosts'
//! ([`compare`]), byte for byte but for what [`differences`] and `docs/HOSTS.md` list.
//! Not here: journeys through a browser (`e2e`), how hosts are built (`xtask`).
//! Start at [`cases::all`] and [`run::run`]; [`Interfaces`] reads a built component.

pub mod case;
pub mod cases;
mod check;
pub mod compare;
pub mod coverage;
pub mod differences;
pub mod facts;
pub mod host;
pub mod hosts;
pub mod repository;
pub mod run;
pub mod tap;
mod tokens;
pub mod values;
pub mod wire;
pub mod world;

use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use wasmparser::{Parser, Payload};

/// The names of a component's imports and exports, as written: `wasi:http/types@0.3.0`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// What the host must provide.
    pub imports: BTreeSet<String>,
    /// What the host may call.
    pub exports: BTreeSet<String>,
}

impl Interfaces {
    /// Reads the outermost imports and exports of a component.
    ///
    /// # Errors
    /// When the bytes are no component.
    pub fn of(wasm: &[u8]) -> Result<Self> {
        let mut found = Self::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.context("read a component")? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        found.imports.insert(import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        found.exports.insert(export?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }
}
