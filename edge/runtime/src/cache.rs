//! Compiled components on disk: the one module with `unsafe`.
//!
//! A file is named by the digest of the wasm and of everything in the engine that the machine code depends on, so a
//! stale one is never found. Files are written under another name and renamed, so a half one is never found.

use std::{
    fs::File,
    hash::{Hash as _, Hasher as _},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

/// A directory that only this user may change.
pub(crate) struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Opens `dir`, making it with mode 0700; refuses one that others may write.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let found = std::fs::metadata(&dir)?;
        let own = std::fs::metadata("/proc/self")?.uid();
        if found.uid() != own {
            return Err(io::Error::other("the directory belongs to another user"));
        }
        // What lies in it may be another's already, and would be run.
        if found.permissions().mode() & 0o022 != 0 {
            return Err(io::Error::other("the directory may be written by others"));
        }
        if found.permissions().mode() & 0o077 != 0 {
            std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(Self { dir })
    }

    /// Returns the compiled form of `wasm`, compiling it if this engine has not seen it before.
    pub(crate) fn load(&self, engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Component> {
        let path = self.dir.join(name(engine, wasm));
        if let Some(component) = read(engine, &path) {
            return Ok(component);
        }
        let component = Component::new(engine, wasm)?;
        if let Err(error) = component.serialize().and_then(|bytes| Ok(self.write(&path, &bytes)?)) {
            tracing::warn!("compiled component not kept: {error:#}");
        }
        Ok(component)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.dir.join(format!(".{}", std::process::id()));
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        // A name must never outlive the bytes behind it: after a power failure they would be run as they are.
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    }
}

/// Names the file for `wasm` compiled by `engine`.
fn name(engine: &Engine, wasm: &[u8]) -> String {
    let mut compatibility = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut compatibility);
    let mut name = format!("{:016x}-", compatibility.finish());
    for byte in Sha256::digest(wasm) {
        name.push_str(&format!("{byte:02x}"));
    }
    name.push_str(".cwasm");
    name
}

#[expect(unsafe_code, reason = "compiled components can only be loaded so; reviewed here")]
fn read(engine: &Engine, path: &Path) -> Option<Component> {
    if !path.is_file() {
        return None;
    }
    // SAFETY: the file must be unchanged output of `Component::serialize`. Its directory belongs to this user and
    // nobody else may write in it (checked by `Cache::open`), only `Cache::write` puts files there, whole ones by
    // rename, and never changes one afterwards. wasmtime itself checks version and settings in the file's header.
    match unsafe { Component::deserialize_file(engine, path) } {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::warn!("compiled component not usable, compiling again: {error:#}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusts_no_directory_that_others_may_write() {
        let dir = tempfile::tempdir().expect("makes a folder");
        for (mode, is_trusted) in [(0o700, true), (0o755, true), (0o770, false), (0o777, false)] {
            let path = dir.path().join(format!("{mode:o}"));
            std::fs::create_dir(&path).expect("is made");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("is set");
            assert_eq!(Cache::open(path.clone()).is_ok(), is_trusted, "{mode:o}");
            let now = std::fs::metadata(&path).expect("exists").permissions().mode() & 0o777;
            assert!(!is_trusted || now == 0o700, "{mode:o} became {now:o}");
        }
    }
}
