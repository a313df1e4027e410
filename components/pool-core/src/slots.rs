//! Sets of places in a list of at most 64.

/// A set of places from 0 to 63; others are never in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Slots(u64);

impl Slots {
    /// Most places: 64, the bits of a word.
    pub(crate) const MAX: usize = 64;

    /// Adds a place.
    pub(crate) fn insert(&mut self, slot: u8) {
        self.0 |= bit(slot);
    }

    /// Takes a place away.
    pub(crate) fn remove(&mut self, slot: u8) {
        self.0 &= !bit(slot);
    }

    /// Returns whether nothing is in it.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns how many are in it.
    pub(crate) const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Returns whether a place is in it.
    pub(crate) fn contains(self, slot: u8) -> bool {
        self.0 & bit(slot) != 0
    }

    /// Returns what is in it, in order.
    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let slot = u8::try_from(rest.trailing_zeros()).ok().filter(|slot| *slot < 64)?;
            rest &= rest.wrapping_sub(1);
            Some(slot)
        })
    }
}

impl FromIterator<u8> for Slots {
    fn from_iter<I: IntoIterator<Item = u8>>(slots: I) -> Self {
        let mut set = Self::default();
        slots.into_iter().for_each(|slot| set.insert(slot));
        set
    }
}

fn bit(slot: u8) -> u64 {
    1_u64.checked_shl(u32::from(slot)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_places_in_order() {
        let mut set: Slots = [63, 0, 5, 64, 255].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 5, 63]);
        set.remove(5);
        set.remove(200);
        assert_eq!((set.count(), set.is_empty()), (2, false));
        assert_eq!(Slots::default().iter().count(), 0);
        assert!(set.contains(63) && !set.contains(5) && !set.contains(64));
    }
}
