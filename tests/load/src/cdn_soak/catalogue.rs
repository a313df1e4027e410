//! What clients ask for.

use crate::origin::{Plan, Rule};
use crate::random::Random;

/// Paths of each rule.
const NAMES: u64 = 40;
/// Sizes of bodies. An origin writes each at once, so that its death cuts none: what has begun can be saved by nobody.
const SIZES: [usize; 4] = [200, 3000, 16_000, 32_000];
/// The model: 1 MB.
const MODEL_BYTES: usize = 1_000_000;
const MODELS: u64 = 4;
/// Longest part that is asked for.
const PART_BYTES_MAX: u64 = 100_000;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) path: String,
    pub(crate) plan: Plan,
    /// First byte and length, where a part is asked for.
    pub(crate) part: Option<(usize, usize)>,
}

impl Wish {
    /// The next one: of a hundred, thirty of each rule that is cached for a moment, twenty of what lasts, ten of what is
    /// never kept, five that nobody has asked for yet, and five parts of models.
    pub(crate) fn next(random: &mut Random) -> Self {
        let rule = match random.below(100) {
            0..30 => Rule::Strict,
            30..60 => Rule::Lenient,
            60..80 => Rule::Fixed,
            80..90 => Rule::Private,
            90..95 => return Self::of(Rule::Fixed, 1000, &format!("new-{}", random.next())),
            _ => return Self::model(random),
        };
        let name = random.below(NAMES);
        let bytes = usize::try_from(name).ok().and_then(|at| SIZES.get(at % SIZES.len()));
        Self::of(rule, bytes.copied().unwrap_or(200), &name.to_string())
    }

    fn of(rule: Rule, bytes: usize, name: &str) -> Self {
        let plan = Plan::plain(bytes, rule);
        Self { path: format!("/{bytes}/{}/{name}", plan.tag()), plan, part: None }
    }

    fn model(random: &mut Random) -> Self {
        let name = format!("model-{}.glb", random.below(MODELS));
        let length = 1 + random.below(PART_BYTES_MAX);
        let start = random.below(MODEL_BYTES as u64 - length);
        let number = |number: u64| usize::try_from(number).unwrap_or(0);
        let part = Some((number(start), number(length)));
        Self { part, ..Self::of(Rule::Fixed, MODEL_BYTES, &name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_paths_that_origins_know_and_parts_are_within() {
        let mut random = Random::seeded(3);
        let mut parts = 0;
        for _ in 0..2000 {
            let wish = Wish::next(&mut random);
            assert_eq!(Plan::read(&wish.path), Some(wish.plan), "{}", wish.path);
            if let Some((start, length)) = wish.part {
                parts += 1;
                assert!(length > 0 && start + length <= wish.plan.bytes);
            }
        }
        assert!((50..200).contains(&parts), "{parts}");
    }
}
