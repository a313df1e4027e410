//! What components print: into files, off the serving threads, and into the node's own log.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use crate::LoadError;

/// What becomes of what components print.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// Whose lines are repeated in the node's own log.
    pub echo: Echo,
    /// Where `<component>_stdout.txt` and `<component>_stderr.txt` are kept; `None` for nowhere. Made when something is
    /// printed; where it cannot be written, the log says so once and the components go on.
    pub dir: Option<PathBuf>,
    /// Whether the files are emptied first.
    pub truncate: bool,
}

/// Whose lines are repeated in the node's own log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Echo {
    /// Those of every component.
    #[default]
    Everything,
    /// Nobody's.
    Nothing,
    /// Those of these components.
    Only(BTreeSet<String>),
}

/// One of the two streams that a component prints to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Prints that wait for the disk: 1 024. Beyond it what is printed is dropped and counted in the file: components never
/// wait for a disk.
const QUEUE_MAX: usize = 1024;

/// Most bytes of one entry of that queue: 16 KiB, so that the queue holds at most 16 MiB.
const CHUNK_BYTES_MAX: usize = 16 * 1024;

/// Longest file: 64 MiB. Then it becomes `…_stdout.old.txt`, in place of an older one, and a new one begins.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Something that a component printed.
struct Chunk {
    component: Arc<str>,
    stream: Stream,
    /// How many prints before it were dropped.
    dropped: u64,
    bytes: Box<[u8]>,
}

/// Makes what each component prints to; one thread writes for all of them.
pub(crate) struct Printing {
    echo: Echo,
    queue: Option<SyncSender<Chunk>>,
}

impl Printing {
    pub(crate) fn start(output: Output) -> Result<Self, LoadError> {
        let Output { echo, dir, truncate } = output;
        let Some(dir) = dir else { return Ok(Self { echo, queue: None }) };
        if truncate {
            empty_files(&dir);
        }
        let (queue, chunks) = sync_channel(QUEUE_MAX);
        let state = |cause| LoadError::State { path: dir.clone(), cause };
        let writer = Writer { dir: dir.clone(), files: BTreeMap::new() };
        // It ends with the last component that could print.
        std::thread::Builder::new()
            .name("guest-output".to_owned())
            .spawn(move || writer.run(&chunks))
            .map_err(state)?;
        Ok(Self { echo, queue: Some(queue) })
    }

    /// Returns what component `id` prints to.
    pub(crate) fn of(&self, id: &str) -> Printer {
        let is_echoed = match &self.echo {
            Echo::Everything => true,
            Echo::Nothing => false,
            Echo::Only(ids) => ids.contains(id),
        };
        let (queue, dropped) = (self.queue.clone(), AtomicU64::new(0));
        Printer { component: Arc::from(id), is_echoed, queue, dropped }
    }
}

/// What one component prints to.
pub(crate) struct Printer {
    pub(crate) component: Arc<str>,
    /// Whether its lines are repeated in the node's log.
    pub(crate) is_echoed: bool,
    queue: Option<SyncSender<Chunk>>,
    dropped: AtomicU64,
}

impl Printer {
    /// Hands `bytes` to the files, without waiting.
    pub(crate) fn print(&self, stream: Stream, bytes: &[u8]) {
        let Some(queue) = &self.queue else { return };
        for bytes in bytes.chunks(CHUNK_BYTES_MAX) {
            let dropped = self.dropped.swap(0, Relaxed);
            let component = Arc::clone(&self.component);
            let chunk = Chunk { component, stream, dropped, bytes: bytes.into() };
            if queue.try_send(chunk).is_err() {
                self.dropped.fetch_add(dropped.saturating_add(1), Relaxed);
            }
        }
    }
}

/// The thread that writes.
struct Writer {
    dir: PathBuf,
    files: BTreeMap<(Arc<str>, Stream), LogFile>,
}

/// One file, open once something is printed.
#[derive(Default)]
struct LogFile {
    open: Option<(File, u64)>,
    /// Whether the last write failed: that is said once.
    is_broken: bool,
}

impl Writer {
    fn run(mut self, chunks: &Receiver<Chunk>) {
        while let Ok(chunk) = chunks.recv() {
            let file = self.files.entry((Arc::clone(&chunk.component), chunk.stream)).or_default();
            let written = file.write(&self.dir, &chunk);
            if let Err(error) = &written {
                file.open = None;
                if !file.is_broken {
                    let (id, dir) = (&chunk.component, self.dir.display());
                    tracing::warn!(component.id = %id, "what it prints is lost: write to {dir}: {error}");
                }
            }
            file.is_broken = written.is_err();
        }
    }
}

impl LogFile {
    fn write(&mut self, dir: &Path, chunk: &Chunk) -> io::Result<()> {
        let name = format!("{}_{}", chunk.component, chunk.stream.name());
        let path = dir.join(format!("{name}.txt"));
        if self.open.as_ref().is_some_and(|(_, length)| *length >= FILE_BYTES_MAX) {
            self.open = None;
            std::fs::rename(&path, dir.join(format!("{name}.old.txt")))?;
        }
        let (file, length) = match &mut self.open {
            Some(open) => open,
            None => {
                std::fs::create_dir_all(dir)?;
                let file = File::options().create(true).append(true).open(&path)?;
                let length = file.metadata()?.len();
                self.open.insert((file, length))
            }
        };
        if chunk.dropped > 0 {
            writeln!(file, "[{} prints were dropped here: the disk is slow]", chunk.dropped)?;
        }
        file.write_all(&chunk.bytes)?;
        let written = u64::try_from(chunk.bytes.len()).unwrap_or(u64::MAX);
        *length = length.saturating_add(written);
        Ok(())
    }
}

/// Empties the files of earlier runs, whatever components they were of.
fn empty_files(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with("_stdout.txt") || name.ends_with("_stderr.txt") {
            // One that cannot be emptied is appended to.
            let _ = File::create(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// Writes `chunks` as the thread would, and returns when all is written.
    fn write(dir: &Path, chunks: Vec<Chunk>) {
        let (queue, received) = sync_channel(chunks.len());
        for chunk in chunks {
            queue.send(chunk).expect("has room");
        }
        drop(queue);
        Writer { dir: dir.to_owned(), files: BTreeMap::new() }.run(&received);
    }

    fn chunk(component: &str, stream: Stream, dropped: u64, bytes: &[u8]) -> Chunk {
        Chunk { component: component.into(), stream, dropped, bytes: bytes.into() }
    }

    #[test]
    fn keeps_each_stream_of_each_component_apart_and_appends() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let logs = dir.path().join("logs");
        for _ in 0..2 {
            write(
                &logs,
                vec![
                    chunk("a", Stream::Stdout, 0, b"1\n"),
                    chunk("a", Stream::Stderr, 0, b"2\n"),
                    chunk("b", Stream::Stdout, 7, b"3"),
                ],
            );
        }
        assert_eq!(text(&logs.join("a_stdout.txt")), "1\n1\n");
        assert_eq!(text(&logs.join("a_stderr.txt")), "2\n2\n");
        let said = text(&logs.join("b_stdout.txt"));
        assert!(said.starts_with("[7 prints were dropped"), "{said}");
        empty_files(&logs);
        assert_eq!(text(&logs.join("a_stdout.txt")), "");
    }

    #[test]
    fn begins_a_new_file_where_one_is_full() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let path = dir.path().join("a_stdout.txt");
        File::create(&path).expect("is made").set_len(FILE_BYTES_MAX - 1).expect("is made long");
        let print = |bytes: &[u8]| chunk("a", Stream::Stdout, 0, bytes);
        write(dir.path(), vec![print(b"x"), print(b"y"), print(b"z")]);
        assert_eq!(text(&path), "yz");
        let old = dir.path().join("a_stdout.old.txt").metadata().expect("is kept").len();
        assert_eq!(old, FILE_BYTES_MAX);
    }

    #[test]
    fn goes_on_where_nothing_can_be_written_and_when_it_can_again() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let logs = dir.path().join("logs");
        std::fs::write(&logs, "in the way").expect("writes");
        let mut file = LogFile::default();
        assert!(file.write(&logs, &chunk("a", Stream::Stdout, 0, b"lost")).is_err());
        std::fs::remove_file(&logs).expect("is removed");
        file.write(&logs, &chunk("a", Stream::Stdout, 0, b"kept")).expect("is written");
        assert_eq!(text(&logs.join("a_stdout.txt")), "kept");
    }

    #[test]
    fn never_waits_for_the_disk_and_counts_what_it_drops() {
        let (queue, chunks) = sync_channel(1);
        let printer = Printer {
            component: "a".into(),
            is_echoed: false,
            queue: Some(queue),
            dropped: AtomicU64::new(0),
        };
        for _ in 0..4 {
            printer.print(Stream::Stdout, b"x");
        }
        assert_eq!(chunks.try_recv().map(|chunk| chunk.dropped), Ok(0));
        printer.print(Stream::Stdout, b"y");
        assert_eq!(chunks.try_recv().map(|chunk| chunk.dropped), Ok(3));
    }

    #[test]
    fn echoes_whom_it_is_told_to() {
        for (echo, expected) in [
            (Echo::Everything, [true, true]),
            (Echo::Nothing, [false, false]),
            (Echo::Only(BTreeSet::from(["a".to_owned()])), [true, false]),
        ] {
            let printing = Printing::start(Output { echo, dir: None, truncate: false });
            let printing = printing.expect("starts");
            assert_eq!(["a", "b"].map(|id| printing.of(id).is_echoed), expected);
        }
    }
}
