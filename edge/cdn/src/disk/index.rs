//! What lies on the disk, in memory: by name, in the order in which it came, within a bound of bytes. No I/O.
//!
//! The oldest goes first, unless it was looked for since its last turn, or lies in memory too: then it is of use, and
//! takes its turn again (FIFO with a second chance, which is what S3-FIFO does with what was admitted).

use std::{
    collections::{HashMap, VecDeque, hash_map},
    fmt::Write as _,
    sync::{Arc, Weak},
};

use sha2::{Digest as _, Sha256};

use crate::store::Slot;

/// Entries that may take their turn again before one goes nevertheless: 64.
const SPARED_MAX: usize = 64;
/// What a disk gives out in one piece: 4 KiB.
const BLOCK_BYTES: u64 = 4096;

/// The name of an address's files: 128 bits of its SHA-256. Files say whose they are, so equal names do no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name([u8; 16]);

impl Name {
    pub(super) fn of(key: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let mut name = [0; 16];
        name.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(name)
    }

    /// Returns 32 hexadecimal digits.
    pub(super) fn text(self) -> String {
        let mut text = String::with_capacity(32);
        for byte in self.0 {
            // Strings take everything.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// Reads what [`Name::text`] wrote.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        {
            return None;
        }
        let mut name = [0; 16];
        for (at, byte) in name.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
        }
        Some(Self(name))
    }
}

/// The files of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) head_bytes: u64,
    /// Id and length of each body with a file of its own.
    pub(super) bodies: Box<[(u64, u64)]>,
}

impl Files {
    fn bytes(&self) -> u64 {
        let bodies = self.bodies.iter().map(|(_, length)| blocks(*length));
        bodies.fold(blocks(self.head_bytes), u64::saturating_add)
    }
}

/// Returns what a file of this length takes.
pub(super) const fn blocks(length: u64) -> u64 {
    length.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES)
}

/// Files that are to be removed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Doomed {
    pub(super) name: Name,
    pub(super) has_head: bool,
    pub(super) bodies: Vec<u64>,
}

#[derive(Debug)]
struct Entry {
    /// Changes with everything that is stored for the address: who has an older one is too late.
    ticket: u64,
    /// Its place in the line: what it was numbered with when it came.
    place: u64,
    is_visited: bool,
    /// None: they are still to be written, or nobody knows yet.
    files: Option<Files>,
    /// What was stored or read last, as long as somebody has it.
    memory: Weak<Slot>,
}

/// What is known of an address.
#[derive(Debug)]
pub(super) enum Known {
    /// Nothing is on the disk.
    Nothing,
    /// It is still in memory somewhere.
    Memory(Arc<Slot>, u64),
    /// It is to be read; whoever has read it shows this ticket.
    Disk(u64),
}

/// The index.
#[derive(Debug)]
pub(super) struct Index {
    entries: HashMap<Name, Entry>,
    /// The next to go in front; what has another place by now is passed over.
    line: VecDeque<(Name, u64)>,
    bytes: u64,
    bytes_max: u64,
    /// What there is room for just now, where the disk has less than it should.
    room: u64,
    next: u64,
}

impl Index {
    pub(super) fn new(bytes_max: u64) -> Self {
        let (entries, line) = (HashMap::new(), VecDeque::new());
        Self { entries, line, bytes: 0, bytes_max, room: bytes_max, next: 0 }
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) const fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    const fn number(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    fn entry(&mut self, name: Name) -> &mut Entry {
        self.tidy();
        match self.entries.entry(name) {
            hash_map::Entry::Occupied(entry) => entry.into_mut(),
            hash_map::Entry::Vacant(room) => {
                self.next = self.next.wrapping_add(1);
                let place = self.next;
                self.line.push_back((name, place));
                let memory = Weak::new();
                room.insert(Entry { ticket: 0, place, is_visited: false, files: None, memory })
            }
        }
    }

    /// Forgets places that nobody has any more, before they are as many as those that count.
    fn tidy(&mut self) {
        if self.line.len() > self.entries.len().saturating_mul(2).saturating_add(1024) {
            let entries = &self.entries;
            self.line.retain(|(name, place)| {
                entries.get(name).is_some_and(|entry| entry.place == *place)
            });
        }
    }

    /// Notes that `slot` will be written; returns the ticket for it.
    pub(super) fn expect(&mut self, name: Name, slot: &Arc<Slot>) -> u64 {
        // It comes before its ticket: whoever has a ticket can tell whether it is still the same.
        self.entry(name);
        let ticket = self.number();
        let entry = self.entry(name);
        entry.is_visited = entry.ticket != 0;
        entry.ticket = ticket;
        entry.memory = Arc::downgrade(slot);
        ticket
    }

    /// Looks for an address, which may be on the disk without being here.
    pub(super) fn look(&mut self, name: Name, may_be_unknown: bool) -> Known {
        if !may_be_unknown && !self.entries.contains_key(&name) {
            return Known::Nothing;
        }
        let number = self.number();
        let entry = self.entry(name);
        if entry.ticket == 0 {
            entry.ticket = number;
        } else {
            entry.is_visited = true;
        }
        match entry.memory.upgrade() {
            Some(slot) => Known::Memory(slot, entry.ticket),
            None => Known::Disk(entry.ticket),
        }
    }

    /// Whether nothing else was stored or removed since the ticket was given.
    pub(super) fn is_current(&self, name: Name, ticket: u64) -> bool {
        self.entries.get(&name).is_some_and(|entry| entry.ticket == ticket)
    }

    /// Returns whether a body is one of those that an address has on the disk.
    pub(super) fn has_body(&self, name: Name, id: u64) -> bool {
        let files = self.entries.get(&name).and_then(|entry| entry.files.as_ref());
        files.is_some_and(|files| files.bodies.iter().any(|(one, _)| *one == id))
    }

    /// Whether an address has files that are known.
    pub(super) fn has_files(&self, name: Name) -> bool {
        self.entries.get(&name).is_some_and(|entry| entry.files.is_some())
    }

    /// Notes that files were written in the place of others; returns the bodies that are of no use any more, or
    /// `None` if the address was forgotten since the ticket was given: then the new files are.
    ///
    /// They count although something newer may have been stored meanwhile: their heads are what lies there, and whether
    /// the newer ones will ever be written is not known.
    pub(super) fn settle(&mut self, name: Name, ticket: u64, files: Files) -> Option<Doomed> {
        let entry = self.entries.get_mut(&name).filter(|entry| entry.place < ticket)?;
        let is_left = |id: u64| files.bodies.iter().any(|(one, _)| *one == id);
        let old = entry.files.iter().flat_map(|old| old.bodies.iter().map(|(id, _)| *id));
        let bodies = old.filter(|id| !is_left(*id)).collect();
        self.set(name, files);
        Some(Doomed { name, has_head: false, bodies })
    }

    /// Notes what came into memory, and its files if they were read; whether the ticket was still good.
    pub(super) fn take_in(
        &mut self,
        name: Name,
        ticket: u64,
        files: Option<Files>,
        slot: &Arc<Slot>,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(&name).filter(|entry| entry.ticket == ticket) else {
            return false;
        };
        entry.memory = Arc::downgrade(slot);
        if let Some(files) = files.filter(|_| entry.files.is_none()) {
            self.set(name, files);
        }
        true
    }

    /// Notes files that were found.
    pub(super) fn found(&mut self, name: Name, files: Files) {
        let number = self.number();
        let entry = self.entry(name);
        if entry.ticket == 0 {
            entry.ticket = number;
        }
        if entry.files.is_none() {
            self.set(name, files);
        }
    }

    fn set(&mut self, name: Name, files: Files) {
        let Some(entry) = self.entries.get_mut(&name) else { return };
        let before = entry.files.as_ref().map_or(0, Files::bytes);
        self.bytes = self.bytes.saturating_sub(before).saturating_add(files.bytes());
        entry.files = Some(files);
    }

    /// Forgets an address; returns its files.
    pub(super) fn remove(&mut self, name: Name) -> Option<Doomed> {
        let entry = self.entries.remove(&name)?;
        let before = entry.files.as_ref().map_or(0, Files::bytes);
        self.bytes = self.bytes.saturating_sub(before);
        let bodies = entry.files.iter().flat_map(|files| files.bodies.iter().map(|(id, _)| *id));
        Some(Doomed { name, has_head: true, bodies: bodies.collect() })
    }

    /// The same, unless something else was stored since the ticket was given.
    pub(super) fn remove_of(&mut self, name: Name, ticket: u64) -> Option<Doomed> {
        if self.is_current(name, ticket) { self.remove(name) } else { None }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) -> Vec<Doomed> {
        let names: Vec<_> = self.entries.keys().copied().collect();
        names.into_iter().filter_map(|name| self.remove(name)).collect()
    }

    /// Makes do with what is there now, less `bytes`: the disk is full, whoever fills it.
    pub(super) fn lower(&mut self, bytes: u64) {
        self.room = self.bytes.saturating_sub(bytes);
    }

    /// Takes all the room again that there should be.
    pub(super) const fn raise(&mut self) {
        self.room = self.bytes_max;
    }

    /// Lets the oldest go until there is room for so many bytes.
    pub(super) fn make_room(&mut self, wanted: u64) -> Vec<Doomed> {
        let mut gone = Vec::new();
        // Once round at most: where all are wanted, the oldest goes.
        let (mut spared, spared_max) = (0, SPARED_MAX.min(self.entries.len()));
        // Everything comes to its turn twice, or until nothing is spared any more.
        for _ in 0..self.line.len().saturating_mul(2).saturating_add(SPARED_MAX) {
            if self.bytes.saturating_add(wanted) <= self.room {
                break;
            }
            let Some((name, place)) = self.line.pop_front() else { break };
            let Some(entry) = self.entries.get_mut(&name).filter(|entry| entry.place == place)
            else {
                continue;
            };
            let is_weightless = entry.files.is_none();
            let is_visited = std::mem::take(&mut entry.is_visited);
            let is_wanted = is_visited || entry.memory.strong_count() > 0;
            if is_weightless || (is_wanted && spared < spared_max) {
                spared += usize::from(!is_weightless);
                self.line.push_back((name, place));
                continue;
            }
            gone.extend(self.remove(name));
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> Name {
        Name::of(&number.to_string())
    }

    fn files(id: u64) -> Files {
        Files { head_bytes: 100, bodies: [(id, 5000)].into() }
    }

    /// An index with these, of three blocks each, of which nothing is in memory.
    fn index(count: usize, bytes_max: u64) -> Index {
        let mut index = Index::new(bytes_max);
        (0..count).for_each(|number| index.found(name(number), files(1)));
        index
    }

    #[test]
    fn names_are_text_and_come_back() {
        let name = Name::of("http://a/");
        assert_eq!(Name::read(&name.text()), Some(name));
        for wrong in ["", "a", &name.text().to_uppercase(), &format!("{}0", name.text())] {
            assert_eq!(Name::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lets_the_oldest_go_that_nobody_wants() {
        let mut index = index(10, 10 * 3 * 4096);
        assert!(matches!(index.look(name(0), false), Known::Disk(_)));
        assert_eq!(index.make_room(0), []);
        let gone: Vec<_> = index.make_room(1).into_iter().map(|one| one.name).collect();
        assert_eq!((gone, index.bytes()), (vec![name(1)], 9 * 3 * 4096));
        // What lies in memory stays, too; in the end everything goes.
        let slot = Arc::new(Slot::default());
        let Known::Disk(ticket) = index.look(name(2), false) else { panic!("is there") };
        assert!(index.take_in(name(2), ticket, Some(files(1)), &slot));
        let gone: Vec<_> = index.make_room(3 * 3 * 4096).into_iter().map(|one| one.name).collect();
        assert_eq!(gone, [name(3), name(4)]);
        index.make_room(10 * 3 * 4096);
        assert_eq!((index.bytes(), index.len()), (0, 0));
    }

    #[test]
    fn lets_the_oldest_go_where_all_are_wanted() {
        let mut index = index(10, 10 * 3 * 4096);
        let slot = Arc::new(Slot::default());
        let want = |index: &mut Index, number| {
            let Known::Disk(ticket) = index.look(name(number), false) else { panic!("is there") };
            assert!(index.take_in(name(number), ticket, None, &slot));
        };
        (0..10).for_each(|number| want(&mut index, number));
        for number in 0..10 {
            let gone: Vec<_> = index.make_room(3 * 4096).into_iter().map(|one| one.name).collect();
            assert_eq!(gone, [name(number)]);
            index.found(name(number + 10), files(1));
            want(&mut index, number + 10);
        }
    }

    #[test]
    fn makes_do_with_less_while_the_disk_has_less() {
        let mut index = index(10, 1 << 20);
        index.lower(3 * 4096);
        assert_eq!((index.make_room(0).len(), index.make_room(3 * 4096).len()), (1, 1));
        index.raise();
        assert_eq!((index.make_room(3 * 4096), index.bytes_max()), (vec![], 1 << 20));
    }

    #[test]
    fn who_comes_late_changes_nothing() {
        let mut index = index(1, 1 << 20);
        let slot = Arc::new(Slot::default());
        let Known::Disk(read) = index.look(name(0), false) else { panic!("is there") };
        let written = index.expect(name(0), &slot);
        assert!(!index.take_in(name(0), read, Some(files(1)), &slot));
        assert_eq!(index.remove_of(name(0), read), None);
        let doomed = index.settle(name(0), written, files(2)).expect("is current");
        assert_eq!((doomed.has_head, doomed.bodies), (false, vec![1]));
        assert!(index.has_body(name(0), 2) && !index.has_body(name(0), 1));
        let late = index.expect(name(0), &slot);
        assert_eq!(index.remove(name(0)).expect("is there").bodies, [2]);
        assert_eq!(index.settle(name(0), late, files(3)), None);
        assert!(matches!(index.look(name(0), false), Known::Nothing));
    }

    #[test]
    fn what_is_still_to_be_written_is_found_in_memory_and_weighs_nothing() {
        let mut index = Index::new(0);
        let slot = Arc::new(Slot::default());
        index.expect(name(0), &slot);
        assert_eq!((index.make_room(1), index.bytes()), (vec![], 0));
        assert!(matches!(index.look(name(0), false), Known::Memory(..)));
        drop(slot);
        assert!(matches!(index.look(name(0), false), Known::Disk(_)));
    }

    #[test]
    fn before_everything_was_found_anything_may_be_there() {
        let mut index = Index::new(1 << 20);
        let Known::Disk(ticket) = index.look(name(0), true) else { panic!("may be there") };
        // Found meanwhile, and removed.
        index.found(name(0), files(1));
        assert!(index.is_current(name(0), ticket));
        index.remove(name(0));
        assert!(!index.take_in(name(0), ticket, Some(files(1)), &Arc::new(Slot::default())));
    }

    #[test]
    fn the_line_does_not_grow_with_what_is_gone() {
        let mut index = Index::new(1 << 20);
        for number in 0..10_000 {
            index.found(name(number), files(1));
            index.remove(name(number));
        }
        assert!(index.line.len() <= 1026);
    }

    #[test]
    fn what_was_written_counts_until_its_address_is_forgotten() {
        let mut index = Index::new(1 << 20);
        let slot = Arc::new(Slot::default());
        let (first, second) = (index.expect(name(0), &slot), index.expect(name(0), &slot));
        let one = 3 * 4096;
        // The second waits still, and may never be written: the first is what lies there.
        assert!(index.settle(name(0), first, files(1)).is_some_and(|old| old.bodies.is_empty()));
        assert_eq!((index.bytes(), index.has_body(name(0), 1)), (one, true));
        let old = index.settle(name(0), second, files(2)).expect("is there");
        assert_eq!((old.bodies, index.bytes()), (vec![1], one));
        // Forgotten and stored again, it is another: whoever began before writes for nobody.
        let before = index.expect(name(0), &slot);
        assert!(index.remove(name(0)).is_some());
        let after = index.expect(name(0), &slot);
        assert_eq!((index.settle(name(0), before, files(3)), index.bytes()), (None, 0));
        assert!(index.settle(name(0), after, files(4)).is_some());
    }
}
