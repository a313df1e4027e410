//! Compiled components on disk: the one module with `unsafe`.
//!
//! A file is named by the digest of the wasm and of everything in the engine that the machine code depends on, so a
//! stale one is never found. Files are written under another name and renamed, so a half one is never found. A file ends
//! with a checksum over the rest: what a disk has changed or cut off is compiled again, never run. The cache only saves
//! time: on a directory that is read-only or full the node goes on without it, and says so.

use std::{
    fs::File,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

/// A directory that only this user may change, or none.
pub(crate) struct Cache {
    dir: Option<PathBuf>,
}

impl Cache {
    /// Opens `dir`, making it with mode 0700; refuses one that others may write, and does without one that this user
    /// may not.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        match Self::trusted(&dir) {
            Ok(()) => Ok(Self { dir: Some(dir) }),
            Err(error) if is_unwritable(error.kind()) => {
                let shown = dir.display();
                tracing::warn!(
                    "compiled components are not kept: {shown} cannot be written: {error}"
                );
                Ok(Self { dir: None })
            }
            Err(error) => Err(error),
        }
    }

    fn trusted(dir: &Path) -> io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let found = std::fs::metadata(dir)?;
        let own = std::fs::metadata("/proc/self")?.uid();
        if found.uid() != own {
            return Err(io::Error::other("the directory belongs to another user"));
        }
        // What lies in it may be another's already, and would be run.
        if found.permissions().mode() & 0o022 != 0 {
            return Err(io::Error::other("the directory may be written by others"));
        }
        if found.permissions().mode() & 0o077 != 0 {
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    }

    /// Returns the compiled form of `wasm`, made by `compile` if this engine has not seen it before.
    pub(crate) fn load(
        &self,
        engine: &Engine,
        wasm: &[u8],
        compile: impl FnOnce() -> Result<Vec<u8>, String>,
    ) -> Result<Component, String> {
        let path = self.dir.as_ref().map(|dir| dir.join(name(engine, wasm)));
        if let Some(code) = path.as_deref().and_then(read) {
            match trusted(engine, &code) {
                Ok(component) => return Ok(component),
                Err(error) => {
                    tracing::warn!("compiled component not usable, compiling again: {error:#}")
                }
            }
        }
        let code = compile()?;
        let component =
            trusted(engine, &code).map_err(|error| format!("{error:#}").replace('\n', " "))?;
        if let Some(path) = path
            && let Err(error) = write(&path, &code)
        {
            tracing::warn!("compiled component not kept: {error:#}");
        }
        Ok(component)
    }
}

/// Whether nothing is wrong but that there is no writing.
fn is_unwritable(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(kind, PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

fn write(path: &Path, code: &[u8]) -> io::Result<()> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    // Versions that are loaded at the same time must not write into one file.
    let number = WRITES.fetch_add(1, Relaxed);
    let temporary = path.with_file_name(format!(".{}-{number}", std::process::id()));
    let written = write_whole(&temporary, code).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // What is left of it takes room that is scarce.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn write_whole(path: &Path, code: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(code)?;
    file.write_all(&checksum(code))?;
    // A name must never outlive the bytes behind it.
    file.sync_all()
}

/// Reads a file that is whole; copied, for a file that is cut off while it is mapped would end the node.
fn read(path: &Path) -> Option<Vec<u8>> {
    let mut code = std::fs::read(path).ok()?;
    let end = code.len().checked_sub(CHECKSUM_BYTES)?;
    let is_whole = code.get(end..) == Some(checksum(code.get(..end)?).as_slice());
    code.truncate(end);
    if !is_whole {
        tracing::warn!("compiled component is damaged, compiling again: {}", path.display());
    }
    is_whole.then_some(code)
}

const CHECKSUM_BYTES: usize = 8;

/// Against accidents, not against people: those are kept out by the directory's mode.
fn checksum(code: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = DefaultHasher::new();
    hasher.write(code);
    hasher.finish().to_le_bytes()
}

/// Names the file for `wasm` compiled by `engine`.
fn name(engine: &Engine, wasm: &[u8]) -> String {
    let mut compatibility = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut compatibility);
    let mut name = format!("{:016x}-", compatibility.finish());
    for byte in Sha256::digest(wasm) {
        name.push_str(&format!("{byte:02x}"));
    }
    name.push_str(".cwasm");
    name
}

#[expect(unsafe_code, reason = "compiled components can only be loaded so; reviewed here")]
fn trusted(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must be unchanged output of `Engine::precompile_component`. They come from this program (in this
    // process, or in a child that runs the same file), or from a file that only `write` has made: its directory belongs
    // to this user and nobody else may write in it (checked by `Cache::open`), and its checksum holds (checked by
    // `read`). wasmtime itself checks version and settings in the header.
    unsafe { Component::deserialize(engine, code) }
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

    #[test]
    fn reads_only_what_was_written_whole() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let path = dir.path().join("code");
        write(&path, b"machine code").expect("is written");
        assert_eq!(read(&path).as_deref(), Some(b"machine code".as_slice()));
        let whole = std::fs::read(&path).expect("exists");
        for at in 0..whole.len() {
            std::fs::write(&path, &whole[..at]).expect("is cut off");
            assert_eq!(read(&path), None, "cut off at {at}");
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, changed).expect("is changed");
            assert_eq!(read(&path), None, "changed at {at}");
        }
        assert_eq!(
            std::fs::read_dir(dir.path()).expect("exists").count(),
            1,
            "nothing is left over"
        );
    }
}
