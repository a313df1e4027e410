//! A day of requests in small: objects of many sizes, some asked for often and most seldom, and what caches could make of
//! it at best.

use std::collections::BTreeMap;

use crate::random::Random;

/// Who is asked for how often: the object of rank `k` in proportion to `1 / k^exponent`.
#[derive(Debug)]
pub(crate) struct Zipf {
    /// Of each rank, the share of it and of all before it.
    shares: Vec<f64>,
}

impl Zipf {
    /// For so many objects.
    pub(crate) fn new(objects: usize, exponent: f64) -> Self {
        let mut shares = Vec::with_capacity(objects);
        let mut sum = 0.0;
        for rank in 1..=objects {
            sum += (rank as f64).powf(-exponent);
            shares.push(sum);
        }
        shares.iter_mut().for_each(|share| *share /= sum);
        Self { shares }
    }

    /// The rank of the next request, from 0.
    pub(crate) fn next(&self, random: &mut Random) -> usize {
        let fraction = random.fraction();
        let rank = self.shares.partition_point(|share| *share <= fraction);
        rank.min(self.shares.len().saturating_sub(1))
    }
}

/// Objects and the order in which they are asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Trace {
    /// Bytes of each object.
    pub(crate) sizes: Vec<u64>,
    /// Objects by number.
    pub(crate) requests: Vec<usize>,
}

/// What a trace is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) objects: usize,
    pub(crate) requests: usize,
    pub(crate) exponent: f64,
    pub(crate) bytes_min: u64,
    pub(crate) bytes_max: u64,
}

impl Trace {
    /// Every octave of sizes is as frequent as any other, whatever the rank.
    pub(crate) fn seeded(seed: u64, shape: Shape) -> Self {
        let mut random = Random::seeded(seed);
        let (least, most) = (shape.bytes_min as f64, shape.bytes_max as f64);
        let size = |random: &mut Random| (least * (most / least).powf(random.fraction())) as u64;
        let sizes = (0..shape.objects).map(|_| size(&mut random)).collect();
        let zipf = Zipf::new(shape.objects, shape.exponent);
        let requests = (0..shape.requests).map(|_| zipf.next(&mut random)).collect();
        Self { sizes, requests }
    }

    /// Bytes of all objects that are asked for.
    pub(crate) fn bytes(&self) -> u64 {
        let asked: std::collections::BTreeSet<_> = self.requests.iter().copied().collect();
        asked.into_iter().map(|object| self.size(object)).sum()
    }

    fn size(&self, object: usize) -> u64 {
        self.sizes.get(object).copied().unwrap_or(0)
    }

    /// Hits of a cache that drops what was not asked for the longest, and of which every byte is used for bodies.
    pub(crate) fn lru_hits(&self, capacity: u64) -> usize {
        let (mut hits, mut held) = (0, 0);
        // When an object was last asked for, and the same the other way round.
        let mut last: BTreeMap<usize, usize> = BTreeMap::new();
        let mut by_age: BTreeMap<usize, usize> = BTreeMap::new();
        for (now, object) in self.requests.iter().copied().enumerate() {
            match last.insert(object, now) {
                Some(before) => {
                    by_age.remove(&before);
                    hits += 1;
                }
                None => held += self.size(object),
            }
            by_age.insert(now, object);
            while held > capacity {
                let Some((_, oldest)) = by_age.pop_first() else { break };
                last.remove(&oldest);
                held = held.saturating_sub(self.size(oldest));
            }
        }
        hits
    }

    /// More hits than this no cache can have, not even one that knows what comes.
    ///
    /// Whoever is to hit must have lain there since it was asked for before: bytes times requests. Of such rectangles as
    /// many as possible, the smallest first, are laid into the cache as if they could be cut (Berger, Beckmann and
    /// Harchol-Balter's PFOO-L); with whole ones no more fit.
    pub(crate) fn hits_max(&self, capacity: u64) -> usize {
        let mut last: BTreeMap<usize, usize> = BTreeMap::new();
        let mut needs = Vec::new();
        for (now, object) in self.requests.iter().copied().enumerate() {
            if let Some(before) = last.insert(object, now) {
                needs.push(u128::from(self.size(object)) * (now - before) as u128);
            }
        }
        needs.sort_unstable();
        let mut room = u128::from(capacity) * self.requests.len() as u128;
        let mut hits = 0;
        for need in needs {
            let Some(left) = room.checked_sub(need) else { break };
            (room, hits) = (left, hits + 1);
        }
        hits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(sizes: &[u64], requests: &[usize]) -> Trace {
        Trace { sizes: sizes.to_vec(), requests: requests.to_vec() }
    }

    #[test]
    fn ranks_come_as_often_as_they_should() {
        let (zipf, mut random) = (Zipf::new(1000, 0.9), Random::seeded(7));
        let mut counts = vec![0_u32; 1000];
        for _ in 0..200_000 {
            counts[zipf.next(&mut random)] += 1;
        }
        let ratio = f64::from(counts[0]) / f64::from(counts[9]);
        // 10^0.9 is 7.94.
        assert!((7.0..9.0).contains(&ratio), "{ratio}");
        assert!(counts[0] > counts[1] && counts[1] > counts[3], "{:?}", &counts[..4]);
    }

    #[test]
    fn a_seed_gives_the_same_trace_and_sizes_within_their_bounds() {
        let shape = Shape {
            objects: 500,
            requests: 1000,
            exponent: 0.9,
            bytes_min: 1024,
            bytes_max: 262_144,
        };
        let one = Trace::seeded(1, shape);
        assert_eq!(one, Trace::seeded(1, shape));
        assert_ne!(one, Trace::seeded(2, shape));
        assert!(one.sizes.iter().all(|bytes| (1024..=262_144).contains(bytes)));
        // The middle octave is 16 KiB.
        let below = one.sizes.iter().filter(|bytes| **bytes < 16_384).count();
        assert!((200..300).contains(&below), "{below}");
        assert!(one.bytes() <= one.sizes.iter().sum());
    }

    #[test]
    fn what_was_not_asked_for_the_longest_goes_first() {
        // Two of three fit: 0 is asked for between, so that 1 goes for 2, and 0 stays.
        assert_eq!(trace(&[1, 1, 1], &[0, 1, 0, 2, 0, 1]).lru_hits(2), 2);
        // One that never fits drives everything out and is not kept itself.
        assert_eq!(trace(&[1, 5], &[0, 1, 0, 1]).lru_hits(2), 0);
        assert_eq!(trace(&[1, 1], &[0, 1, 0, 1]).lru_hits(2), 2);
    }

    #[test]
    fn no_cache_has_more_hits_than_the_bound() {
        // Going round through three with room for two: an LRU has none, one that knows what comes every second.
        let round = trace(&[1, 1, 1], &[0, 1, 2, 0, 1, 2, 0, 1, 2]);
        assert_eq!(round.lru_hits(2), 0);
        assert!((3..=6).contains(&round.hits_max(2)), "{}", round.hits_max(2));
        assert_eq!(round.hits_max(0), 0);
        for seed in 0..20 {
            let shape =
                Shape { objects: 50, requests: 400, exponent: 0.9, bytes_min: 10, bytes_max: 1000 };
            let trace = Trace::seeded(seed, shape);
            assert!(trace.lru_hits(2000) <= trace.hits_max(2000), "seed {seed}");
            let all = trace.sizes.iter().sum();
            let objects = trace.requests.iter().collect::<std::collections::BTreeSet<_>>().len();
            assert_eq!(trace.lru_hits(all), 400 - objects);
            assert_eq!(trace.hits_max(all), 400 - objects);
        }
    }
}
