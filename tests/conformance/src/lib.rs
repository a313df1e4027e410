//! What a built component asks of its host and offers to it, read from its bytes.
//!
//! Layer: development (L5). The tests hold `spin.toml` and every component against what real Spin accepts.
//! Not here: running anything; the same requests on several hosts come with the Worker.
//! Start at [`Interfaces::of`].

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
