//! The thread that owns SQLite: every write, swap, checkpoint and deletion happens here, in turn.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use api_types::feed::{Changes, SnapshotEnd, SnapshotLine};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::error::{FeedError, ReplicaError, StepError};
use crate::file::{self, ReplicaFile};
use crate::in_place::InPlace;
use crate::settings::{Limits, Settings};
use crate::snapshot::Building;
use crate::status::{Position, Shared, State};

/// Commands that may wait. The follower waits for each answer, so one is normal.
const COMMANDS_MAX: usize = 4;
/// Held by the process that follows into a folder.
const LOCK_FILE: &str = "LOCK";

type Reply<T> = oneshot::Sender<Result<T, StepError>>;

#[derive(Debug)]
enum Command {
    /// Forget an unfinished snapshot, if any; the next lines begin another.
    SnapshotBegin(Reply<()>),
    /// Whole lines of a snapshot. `true` when it is complete and serves.
    SnapshotLines(Bytes, Reply<bool>),
    /// The body of a changes answer.
    Apply(Bytes, Reply<Outcome>),
}

/// What a changes answer brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) transactions: u64,
}

/// The follower's end of the thread. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Writer {
    commands: mpsc::Sender<Command>,
}

impl Writer {
    /// Takes the folder, opens what is in it, and starts the thread.
    ///
    /// With `into`, that file is filled in place, and the folder only holds what is on its way there.
    pub(crate) async fn start(
        settings: &Settings,
        shared: Arc<Shared>,
        into: Option<PathBuf>,
    ) -> Result<(Self, std::thread::JoinHandle<()>), ReplicaError> {
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let (opened, when_opened) = oneshot::channel();
        let (dir, limits) = (settings.dir.clone(), settings.limits);
        let thread = std::thread::Builder::new()
            .name("replica-writer".to_owned())
            .spawn(move || match Store::open(dir, limits, shared, into) {
                Ok(store) => {
                    // Nobody waits any more when `start` was dropped; then no command comes either.
                    let _ = opened.send(Ok(()));
                    store.run(received);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            })
            .map_err(|cause| ReplicaError::folder("start a thread for", &settings.dir, cause))?;
        when_opened.await.map_err(|_| ReplicaError::WriterGone)??;
        Ok((Self { commands }, thread))
    }

    /// Prepares for the first line of a snapshot.
    pub(crate) async fn snapshot_begin(&self) -> Result<(), StepError> {
        self.ask(Command::SnapshotBegin).await
    }

    /// Writes whole lines of a snapshot. `true` when it is complete and serves.
    pub(crate) async fn snapshot_lines(&self, lines: Bytes) -> Result<bool, StepError> {
        self.ask(|reply| Command::SnapshotLines(lines, reply)).await
    }

    /// Applies the body of a changes answer.
    pub(crate) async fn apply(&self, body: Bytes) -> Result<Outcome, StepError> {
        self.ask(|reply| Command::Apply(body, reply)).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, StepError> {
        let (reply, answer) = oneshot::channel();
        let gone = || StepError::Local(ReplicaError::WriterGone);
        self.commands.send(command(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// Everything the thread owns.
#[derive(Debug)]
struct Store {
    dir: PathBuf,
    limits: Limits,
    shared: Arc<Shared>,
    file: Option<ReplicaFile>,
    /// The file of somebody else that is filled, instead of files of our own.
    in_place: Option<InPlace>,
    building: Option<Building>,
    retired: Vec<(Instant, PathBuf)>,
    number: u64,
    _lock: File,
}

impl Store {
    fn open(
        dir: PathBuf,
        limits: Limits,
        shared: Arc<Shared>,
        into: Option<PathBuf>,
    ) -> Result<Self, ReplicaError> {
        fs::create_dir_all(&dir).map_err(|cause| ReplicaError::folder("create", &dir, cause))?;
        let lock = lock(&dir)?;
        let mut in_place = into.map(|path| InPlace::new(path, limits.wal_bytes_max));
        let (file, number) = match &mut in_place {
            Some(in_place) => (in_place.open()?, 0),
            None => open_newest(&dir, &limits)?,
        };
        let store = Self {
            dir,
            limits,
            shared,
            file: None,
            in_place,
            building: None,
            retired: Vec::new(),
            number,
            _lock: lock,
        };
        Ok(match file {
            Some(file) => {
                {
                    let mut cells = store.shared.cells();
                    cells.found_written_ms = Some(file.written_at_ms);
                    cells.state = State::Disconnected;
                }
                store.serve(file)
            }
            None => store,
        })
    }

    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.blocking_recv() {
            // A reply that nobody waits for is the follower's stop in the middle of a step.
            match command {
                Command::SnapshotBegin(reply) => {
                    self.building = None;
                    let _ = reply.send(Ok(()));
                }
                Command::SnapshotLines(lines, reply) => {
                    let result = self.take_lines(&lines);
                    if result.is_err() {
                        self.building = None;
                    }
                    let _ = reply.send(result);
                }
                Command::Apply(body, reply) => {
                    let _ = reply.send(self.apply(&body));
                }
            }
            self.delete_retired();
        }
    }

    fn take_lines(&mut self, lines: &[u8]) -> Result<bool, StepError> {
        let garbage = |why: &str| StepError::Feed(FeedError::Garbage(why.to_owned()));
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line = serde_json::from_slice(line)
                .map_err(|cause| FeedError::Garbage(format!("a snapshot's line: {cause}")))?;
            match (line, &mut self.building) {
                (SnapshotLine::Header(header), None) => {
                    self.number += 1;
                    self.building = Some(Building::begin(&self.dir, self.number, header)?);
                }
                (SnapshotLine::Row(row), Some(building)) => building.insert(&row)?,
                (SnapshotLine::End(end), building) => {
                    let building =
                        building.take().ok_or_else(|| garbage("an end without a header"))?;
                    self.finish(building, end)?;
                    return Ok(true);
                }
                (SnapshotLine::Header(_), Some(_)) => return Err(garbage("a second header")),
                (SnapshotLine::Row(_), None) => return Err(garbage("a row without a header")),
            }
        }
        Ok(false)
    }

    fn finish(&mut self, building: Building, end: SnapshotEnd) -> Result<(), StepError> {
        let schema = building.schema().to_vec();
        let path = building.finish(end)?;
        let file = match &mut self.in_place {
            None => ReplicaFile::open(&path, self.limits.wal_bytes_max)?,
            Some(in_place) => {
                let poured = in_place.pour(&path, &schema);
                file::delete(&path);
                poured?
            }
        };
        self.swap(file);
        Ok(())
    }

    fn apply(&mut self, body: &[u8]) -> Result<Outcome, StepError> {
        let changes: Changes = serde_json::from_slice(body)
            .map_err(|cause| FeedError::Garbage(format!("changes: {cause}")))?;
        let lost = || StepError::Discontinuous("no file to apply changes to".to_owned());
        let file = self.file.as_mut().ok_or_else(lost)?;
        if let Some(in_place) = &self.in_place {
            in_place.check_still_there()?;
        }
        let applied = file.apply(&changes)?;
        let position = position_of(file);
        {
            let mut cells = self.shared.cells();
            cells.head = changes.head;
            cells.applied_transactions += applied.transactions;
            cells.applied_changes += applied.changes;
            if let Some(at_ms) = applied.newest_at_ms {
                cells.newest_at_ms = Some(at_ms);
                let delay_ms = clock::unix_ms().saturating_sub(at_ms);
                cells.apply_delay_ms = u64::try_from(delay_ms).unwrap_or(0);
            }
        }
        if self.shared.position().as_ref() != Some(&position) {
            self.shared.moved_to(position);
            match file.checkpoint_if_large(&self.shared) {
                Ok(done) => self.shared.cells().checkpoints += u64::from(done),
                // The batch is committed; the WAL merely stays longer than it should.
                Err(error) => {
                    tracing::warn!(error = %crate::error::chain(&error), "cannot checkpoint the replica");
                }
            }
        }
        Ok(Outcome { transactions: applied.transactions })
    }

    /// Puts `file` in the place of the one that served.
    fn swap(&mut self, file: ReplicaFile) {
        tracing::info!(
            replica.epoch = %file.epoch,
            replica.position = file.position,
            replica.schema_version = file.schema_version,
            "replica built from a snapshot"
        );
        self.shared.cells().snapshots += 1;
        self.show(&file);
        let old = self.file.replace(file);
        // Filled in place, the old copy is the same file: nobody's to delete.
        if let (Some(old), None) = (old, &self.in_place) {
            self.retired.push((clock::now(), old.path));
        }
    }

    fn serve(mut self, file: ReplicaFile) -> Self {
        self.show(&file);
        self.file = Some(file);
        self
    }

    fn show(&self, file: &ReplicaFile) {
        {
            let mut cells = self.shared.cells();
            cells.schema_version = Some(file.schema_version);
            cells.head = file.position;
            cells.newest_at_ms = None;
        }
        self.shared.swap(file.path.clone(), position_of(file));
    }

    /// Deletes files that were replaced a while ago. Readers that still have one open keep it.
    fn delete_retired(&mut self) {
        let (now, kept) = (clock::now(), self.limits.retired_kept);
        self.retired.retain(|(since, path)| {
            let stays = now.duration_since(*since) < kept;
            if !stays {
                file::delete(path);
            }
            stays
        });
    }
}

fn position_of(file: &ReplicaFile) -> Position {
    Position { epoch: Arc::clone(&file.epoch), position: file.position }
}

fn lock(dir: &Path) -> Result<File, ReplicaError> {
    let path = dir.join(LOCK_FILE);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|cause| ReplicaError::folder("open", &path, cause))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ReplicaError::InUse { path: dir.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(ReplicaError::folder("lock", &path, cause)),
    }
}

/// Opens the newest file that proves itself; deletes the others. Also returns the highest number used.
fn open_newest(dir: &Path, limits: &Limits) -> Result<(Option<ReplicaFile>, u64), ReplicaError> {
    let failed = |cause| ReplicaError::folder("list", dir, cause);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        match name.strip_suffix(".db").and_then(|stem| stem.rsplit('-').next()?.parse().ok()) {
            Some(number) => found.push((number, path)),
            // Side files go with their file; what is left of an unfinished snapshot goes at once.
            None if name.contains(".db.tmp") => file::delete(&path),
            None => {}
        }
    }
    found.sort_by(|left, right| right.cmp(left));
    let highest: u64 = found.first().map_or(0, |(number, _)| *number);
    let mut newest = None;
    for (_, path) in found {
        if newest.is_some() {
            file::delete(&path);
            continue;
        }
        match ReplicaFile::open(&path, limits.wal_bytes_max) {
            Ok(file) => newest = Some(file),
            Err(error) => {
                let (path_text, reason) = (path.display(), crate::error::chain(&error));
                tracing::warn!(path = %path_text, error = %reason, "a replica file proves nothing; building it anew");
                file::delete(&path);
            }
        }
    }
    Ok((newest, highest))
}
