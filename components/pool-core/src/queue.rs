//! Requests that wait for a place at an origin.

use std::collections::VecDeque;

use crate::time::Instant;

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaitId(u64);

#[derive(Debug, Clone, Copy)]
struct Waiting {
    id: WaitId,
    until: Instant,
    is_called: bool,
}

/// A bounded queue, first come first served.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    waiting: VecDeque<Waiting>,
    max: usize,
    next: u64,
}

impl Queue {
    /// Makes room for `max`.
    pub(crate) fn new(max: usize) -> Self {
        Self { waiting: VecDeque::new(), max, next: 0 }
    }

    /// Adds one who waits until `until`; refuses when it is full.
    pub(crate) fn push(&mut self, until: Instant) -> Option<WaitId> {
        if self.waiting.len() >= self.max {
            return None;
        }
        let id = WaitId(self.next);
        self.next = self.next.wrapping_add(1);
        self.waiting.push_back(Waiting { id, until, is_called: false });
        Some(id)
    }

    /// Takes one out, who was served or went away.
    pub(crate) fn remove(&mut self, id: WaitId) {
        self.waiting.retain(|waiting| waiting.id != id);
    }

    /// Drops those who were called and did not come within their time.
    pub(crate) fn purge(&mut self, now: Instant) {
        self.waiting.retain(|waiting| !waiting.is_called || now < waiting.until);
    }

    /// Calls the next one whose time is over, or, while fewer than `free` are called, the first who waits.
    pub(crate) fn call(&mut self, free: u32, now: Instant) -> Option<WaitId> {
        self.purge(now);
        let called = self.waiting.iter().filter(|waiting| waiting.is_called).count();
        let is_room = u32::try_from(called).is_ok_and(|called| called < free);
        let found = self
            .waiting
            .iter_mut()
            .find(|waiting| !waiting.is_called && (is_room || waiting.until <= now))?;
        found.is_called = true;
        Some(found.id)
    }

    /// Lets one who was called in vain wait on, in the old place. Returns whether it may; otherwise its time is over, and
    /// it is taken out.
    pub(crate) fn recall(&mut self, id: WaitId, now: Instant) -> bool {
        let found = self.waiting.iter_mut().find(|waiting| waiting.id == id);
        let Some(found) = found.filter(|waiting| now < waiting.until) else {
            self.remove(id);
            return false;
        };
        found.is_called = false;
        true
    }

    /// Returns how many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns when the next one's time is over.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().filter(|waiting| !waiting.is_called).map(|waiting| waiting.until).min()
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::new(Duration::from_millis(ms))
    }

    #[test]
    fn serves_in_order_as_many_as_there_is_room_for() {
        let mut queue = Queue::new(3);
        let ids = [at(100), at(50), at(100)].map(|until| queue.push(until).unwrap());
        assert_eq!(queue.push(at(100)), None);
        assert_eq!(queue.deadline(), Some(at(50)));
        assert_eq!(queue.call(0, at(0)), None);
        assert_eq!(queue.call(1, at(0)), Some(ids[0]));
        assert_eq!(queue.call(1, at(0)), None);
        assert_eq!(queue.call(1, at(50)), Some(ids[1]), "its time is over");
        assert!(!queue.recall(ids[1], at(50)));
        assert!(queue.recall(ids[0], at(50)));
        assert_eq!(queue.call(2, at(50)), Some(ids[0]), "in the old place");
        queue.remove(ids[0]);
        assert_eq!(queue.call(1, at(50)), Some(ids[2]));
        assert_eq!(queue.len(), 1);
        assert_eq!((queue.call(1, at(100)), queue.len()), (None, 0), "called in vain");
    }
}
