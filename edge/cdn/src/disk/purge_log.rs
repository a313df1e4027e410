//! Purges on the disk, so that what was purged stays away after a restart.
//!
//! A header (magic and version, epoch, checksum), then records, each with its length and checksum. They are on the disk
//! before whoever purges is answered. A log that cannot be read to its end counts for nothing, and with its epoch all
//! answers on the disk do: they name the epoch that they were written in.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Read, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::format::Reader;
use crate::store::{PurgeKind, PurgeRecord, Purged};

const MAGIC: [u8; 8] = *b"vtrpurg\x01";
const HEADER_BYTES: usize = 20;
const NAME: &str = "purges";
/// Longest record that is read: 128 KiB. A tag or an address has at most 64 KiB, what operators send at once.
const RECORD_BYTES_MAX: usize = 128 * 1024;
/// By how much the log may grow before it is written anew: 1 MiB, or as much again as it had then.
const GROWTH_BYTES_MIN: u64 = 1 << 20;

/// The log. Dropped, it stays.
#[derive(Debug)]
pub(crate) struct PurgeLog {
    directory: PathBuf,
    /// None: it could not be written, and there is none now.
    file: Option<File>,
    bytes: u64,
    rewritten_at: u64,
}

/// Why a log counts for nothing.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("it is damaged")]
    Damaged,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl PurgeLog {
    /// Reads what was purged before; `each` gets it in the order in which it was written. Returns the log and its epoch,
    /// which is `new_epoch` where there was no log to go on with.
    pub(crate) fn open(
        directory: &Path,
        new_epoch: u64,
        each: &mut dyn FnMut(PurgeRecord),
    ) -> io::Result<(Self, u64)> {
        let path = directory.join(NAME);
        let mut log =
            Self { directory: directory.to_owned(), file: None, bytes: 0, rewritten_at: 0 };
        match File::open(&path) {
            Ok(file) => {
                log.bytes = file.metadata()?.len();
                match read(BufReader::new(file)) {
                    Ok((epoch, records)) => {
                        records.into_iter().for_each(each);
                        log.file = Some(OpenOptions::new().append(true).open(&path)?);
                        log.rewritten_at = log.bytes;
                        return Ok((log, epoch));
                    }
                    Err(Unreadable::Damaged) => {
                        tracing::warn!("cache's purge log is damaged: stored answers are dropped");
                    }
                    Err(Unreadable::Io(error)) => return Err(error),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        log.begin(new_epoch, std::iter::empty())?;
        Ok((log, new_epoch))
    }

    /// Appends, and waits until it is on the disk.
    pub(crate) fn append(&mut self, records: &[PurgeRecord]) -> io::Result<()> {
        let file = self.file.as_mut().ok_or_else(|| io::Error::other("there is no purge log"))?;
        let mut bytes = Vec::new();
        for record in records {
            encode(record, &mut bytes)?;
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Whether it is time to write it anew, without what later records say again.
    pub(crate) fn is_long(&self) -> bool {
        self.bytes > self.rewritten_at.saturating_add(self.rewritten_at.max(GROWTH_BYTES_MIN))
    }

    /// Writes a log with these records in the place of the old one.
    pub(crate) fn begin(
        &mut self,
        epoch: u64,
        records: impl Iterator<Item = PurgeRecord>,
    ) -> io::Result<()> {
        // Whatever comes of it, it is not tried again with every purge.
        self.rewritten_at = self.bytes;
        let next = self.directory.join("purges.next");
        let written = write(&next, epoch, records).inspect_err(|_| {
            // The next one makes it anew.
            let _ = std::fs::remove_file(&next);
        });
        let (file, bytes) = written?;
        // From here on the old one may be gone, or come back after a power failure.
        self.file = None;
        std::fs::rename(&next, self.directory.join(NAME))?;
        self.sync_directory()?;
        (self.file, self.bytes, self.rewritten_at) = (Some(file), bytes, bytes);
        Ok(())
    }

    /// Removes the log: from now on answers on the disk count for nothing.
    pub(crate) fn abandon(&mut self) -> io::Result<()> {
        self.file = None;
        match std::fs::remove_file(self.directory.join(NAME)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.sync_directory(),
        }
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

fn write(
    path: &Path,
    epoch: u64,
    records: impl Iterator<Item = PurgeRecord>,
) -> io::Result<(File, u64)> {
    // What an earlier process left half-done.
    let _ = std::fs::remove_file(path);
    let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    let mut bytes = Vec::from(MAGIC);
    bytes.extend(epoch.to_le_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    let mut length = 0_u64;
    let mut put = |bytes: &mut Vec<u8>| {
        length = length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        file.write_all(bytes).map(|()| bytes.clear())
    };
    for record in records {
        encode(&record, &mut bytes)?;
        if bytes.len() > RECORD_BYTES_MAX {
            put(&mut bytes)?;
        }
    }
    put(&mut bytes)?;
    file.sync_all()?;
    Ok((file, length))
}

fn encode(record: &PurgeRecord, bytes: &mut Vec<u8>) -> io::Result<()> {
    let (what, text) = match &record.purged {
        Purged::Tag(tag) => (0, tag.as_str()),
        Purged::Address(address) => (1, address.as_str()),
        Purged::All => (2, ""),
    };
    let kind = match record.kind {
        PurgeKind::Soft => 0,
        PurgeKind::Hard => 1,
    };
    let mut payload = Vec::from(record.number.to_le_bytes());
    payload.extend([kind, what]);
    payload.extend_from_slice(text.as_bytes());
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= RECORD_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::other("the tag or address is too long"))?;
    bytes.extend(length.to_le_bytes());
    bytes.extend(crc32fast::hash(&payload).to_le_bytes());
    bytes.extend(payload);
    Ok(())
}

fn read(mut from: impl Read) -> Result<(u64, Vec<PurgeRecord>), Unreadable> {
    let mut header = [0; HEADER_BYTES];
    from.read_exact(&mut header).map_err(cut)?;
    let epoch = header_epoch(&header).ok_or(Unreadable::Damaged)?;
    let mut records = Vec::new();
    loop {
        let mut frame = [0; 8];
        if from.read(&mut frame[..1])? == 0 {
            return Ok((epoch, records));
        }
        from.read_exact(&mut frame[1..]).map_err(cut)?;
        let [a, b, c, d, checksum @ ..] = frame;
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d]));
        let length = length.ok().filter(|length| *length <= RECORD_BYTES_MAX);
        let mut payload = vec![0; length.ok_or(Unreadable::Damaged)?];
        from.read_exact(&mut payload).map_err(cut)?;
        if crc32fast::hash(&payload) != u32::from_le_bytes(checksum) {
            return Err(Unreadable::Damaged);
        }
        records.push(decode(payload.into()).ok_or(Unreadable::Damaged)?);
    }
}

fn cut(error: io::Error) -> Unreadable {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Unreadable::Damaged;
    }
    Unreadable::Io(error)
}

fn header_epoch(header: &[u8; HEADER_BYTES]) -> Option<u64> {
    let (said, checksum) = header.split_last_chunk::<4>()?;
    let is_whole = crc32fast::hash(said) == u32::from_le_bytes(*checksum);
    let epoch = said.strip_prefix(&MAGIC).filter(|_| is_whole)?;
    // 0 stands for none.
    epoch.first_chunk().map(|epoch| u64::from_le_bytes(*epoch)).filter(|epoch| *epoch != 0)
}

fn decode(payload: Bytes) -> Option<PurgeRecord> {
    let mut reader = Reader { whole: &payload, left: &payload };
    let number = u64::from_le_bytes(reader.array()?);
    let [kind, what] = reader.array()?;
    let text = || std::str::from_utf8(reader.left).ok().map(str::to_owned);
    let purged = match what {
        0 => Purged::Tag(text()?),
        1 => Purged::Address(text()?),
        2 => Purged::All,
        _ => return None,
    };
    let kind = match kind {
        0 => PurgeKind::Soft,
        1 => PurgeKind::Hard,
        _ => return None,
    };
    Some(PurgeRecord { number, kind, purged })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records() -> Vec<PurgeRecord> {
        let kinds = [PurgeKind::Soft, PurgeKind::Hard];
        let purged = [Purged::Tag("a".into()), Purged::Address("http://a/".into()), Purged::All];
        let all = purged.into_iter().flat_map(|one| kinds.map(|kind| (one.clone(), kind)));
        let numbered = (1..).zip(all);
        numbered.map(|(number, (purged, kind))| PurgeRecord { number, kind, purged }).collect()
    }

    /// Opens the log and returns its epoch and records.
    fn opened(directory: &Path, new_epoch: u64) -> (PurgeLog, u64, Vec<PurgeRecord>) {
        let mut records = Vec::new();
        let (log, epoch) =
            PurgeLog::open(directory, new_epoch, &mut |one| records.push(one)).expect("opens");
        (log, epoch, records)
    }

    #[test]
    fn comes_back_with_what_was_appended_and_when_it_was_written_anew() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let (mut log, epoch, found) = opened(dir.path(), 5);
        assert_eq!((epoch, found), (5, vec![]));
        log.append(&records()[..2]).expect("appends");
        log.append(&records()[2..]).expect("appends");
        let (mut log, epoch, found) = opened(dir.path(), 6);
        assert_eq!((epoch, found), (5, records()));
        log.begin(5, records().into_iter().skip(4)).expect("writes");
        log.append(&records()[..1]).expect("appends");
        let (_, epoch, found) = opened(dir.path(), 7);
        assert_eq!((epoch, found), (5, [&records()[4..], &records()[..1]].concat()));
    }

    #[test]
    fn stays_within_bounds_when_it_is_written_anew() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let (mut log, ..) = opened(dir.path(), 5);
        let tags: Vec<_> = (0..1000)
            .map(|number| PurgeRecord {
                number,
                kind: PurgeKind::Hard,
                purged: Purged::Tag("t".repeat(200)),
            })
            .collect();
        for _ in 0..4 {
            log.append(&tags).expect("appends");
            assert!(!log.is_long());
        }
        log.append(&tags).expect("appends");
        assert!(log.is_long());
        log.begin(5, tags.into_iter().take(1)).expect("writes");
        assert!(!log.is_long() && log.bytes < 300);
    }

    #[test]
    fn counts_for_nothing_when_it_was_abandoned_or_damaged() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let (mut log, ..) = opened(dir.path(), 5);
        log.append(&records()).expect("appends");
        log.abandon().expect("removes it");
        assert!(log.append(&records()).is_err());
        let (mut log, epoch, found) = opened(dir.path(), 6);
        assert_eq!((epoch, found), (6, vec![]));
        log.append(&records()).expect("appends");
        let path = dir.path().join(NAME);
        let whole = std::fs::read(&path).expect("reads");
        std::fs::write(&path, &whole[..whole.len() - 1]).expect("writes");
        let (_, epoch, found) = opened(dir.path(), 7);
        assert_eq!((epoch, found), (7, vec![]));
    }

    proptest! {
        #[test]
        fn reads_nothing_that_was_flipped(at: prop::sample::Index, bit in 0_u8..8) {
            let mut bytes = Vec::from(MAGIC);
            bytes.extend(5_u64.to_le_bytes());
            bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
            records().iter().for_each(|record| encode(record, &mut bytes).unwrap());
            prop_assert!(read(&bytes[..]).is_ok());
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(read(&bytes[..]).is_err());
        }

        #[test]
        fn reads_no_garbage(garbage in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&garbage[..]).is_err());
        }
    }
}
