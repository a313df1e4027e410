//! Looking through the directory after a start: what is good goes into the index, the rest goes away.
//!
//! One folder's names are in memory at a time, and one file's heads. Bodies are only looked at by name: their bytes are
//! checked when they are wanted.

use std::{collections::HashSet, io, path::Path};

use super::{
    REMOVED_MAX, Shared,
    files::{self, Kind},
    index::{Doomed, Name},
};

/// What stops the scan.
enum Stop {
    /// The process ends.
    Closing,
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Shared {
    /// Looks through all of it.
    pub(super) fn scan(&self) {
        for folder in self.directory.below() {
            match self.scan_folder(&folder) {
                Ok(()) => {}
                Err(Stop::Closing) => return,
                // What was not looked at may still be there: each address is looked for by itself from now on.
                Err(Stop::Io(error)) => return self.read_failed(&error),
            }
        }
        let mut state = self.state();
        state.is_scanned = true;
        state.removed = HashSet::new();
        tracing::debug!(addresses = state.index.len(), "looked through the cache's disk");
        self.changed.notify_all();
    }

    fn scan_folder(&self, folder: &Path) -> Result<(), Stop> {
        let found = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        let mut kinds = Vec::new();
        for entry in found {
            let file = entry?.file_name();
            kinds.extend(file.to_str().and_then(files::kind));
        }
        // Heads first: they say which bodies are wanted.
        kinds.sort_by_key(|kind| !matches!(kind, Kind::Head(_)));
        for kind in kinds {
            if self.state().is_closing {
                return Err(Stop::Closing);
            }
            match kind {
                Kind::Head(name) => self.scan_head(name)?,
                // What this process has made is not there since before.
                Kind::Body(_, id) | Kind::New(_, id) if self.directory.is_own(id) => {}
                Kind::Body(name, id) => {
                    if !self.state().index.has_body(name, id) {
                        files::remove(&self.directory.body(name, id))?;
                    }
                }
                Kind::New(name, id) => files::remove(&self.directory.new_head(name, id))?,
            }
        }
        Ok(())
    }

    fn scan_head(&self, name: Name) -> io::Result<()> {
        if self.state().index.has_files(name) {
            return Ok(());
        }
        let files = self.files_of(name)?;
        let mut state = self.state();
        let is_removed = state.removed.len() >= REMOVED_MAX || state.removed.contains(&name);
        let doomed = match files {
            Some(files) if !is_removed => {
                state.index.found(name, files);
                let doomed = state.index.make_room(0);
                state.note_gone(&doomed);
                doomed
            }
            // If a new one comes into its place meanwhile, that one stays. Bodies are looked at next.
            _ => vec![Doomed { name, has_head: true, bodies: Vec::new() }],
        };
        drop(state);
        // Here and now: at the end of the process nobody may be left to do it, and a head would stay without its bodies.
        self.unlink(doomed);
        Ok(())
    }
}
