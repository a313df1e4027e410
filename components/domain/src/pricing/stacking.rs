//! Which sets of promotions may apply together.

use super::promotion::Promotion;

/// A set of promotions by their positions in a list of at most 32.
type Positions = u32;

/// Returns all largest sets of promotions in which each pair combines, as ascending positions.
///
/// All promotions that go together apply: one more takes more off, so smaller sets need not be looked at. (The exception
/// are buy-and-get promotions, which compete for pieces: there priority decides who counts them.) Bron and
/// Kerbosch's algorithm; with n promotions there are at most 3^(n/3) such sets (Moon and Moser), 350 for 16.
pub(super) fn largest_sets(promotions: &[&Promotion]) -> Vec<Vec<usize>> {
    debug_assert!(promotions.len() <= super::PROMOTIONS_TRIED_MAX, "the caller cuts the list");
    let friends: Vec<Positions> = promotions
        .iter()
        .enumerate()
        .map(|(at, one)| {
            (0..)
                .zip(promotions)
                .filter(|&(other_at, other)| at != other_at && one.combines(other))
                .fold(0, |set, (other_at, _)| set | bit(other_at))
        })
        .collect();
    let all = (0..promotions.len()).fold(0, |set, at| set | bit(at));
    let mut found = Vec::new();
    extend(&friends, &mut Vec::new(), all, 0, &mut found);
    found
}

fn bit(at: usize) -> Positions {
    u32::try_from(at).ok().and_then(|at| 1_u32.checked_shl(at)).unwrap_or(0)
}

/// Extends `chosen` by every promotion of `open`; `done` are those whose sets have been found already.
fn extend(
    friends: &[Positions],
    chosen: &mut Vec<usize>,
    mut open: Positions,
    mut done: Positions,
    found: &mut Vec<Vec<usize>>,
) {
    if open == 0 && done == 0 {
        let mut set = chosen.clone();
        set.sort_unstable();
        found.push(set);
        return;
    }
    // The pivot: its friends are reached through it, so only the others start a branch. Keeps the work near the result.
    let pivot_friends = friends
        .iter()
        .enumerate()
        .filter(|&(at, _)| (open | done) & bit(at) != 0)
        .map(|(_, set)| *set)
        .max_by_key(|set| (set & open).count_ones())
        .unwrap_or(0);
    for (at, set) in friends.iter().enumerate() {
        if open & bit(at) & !pivot_friends == 0 {
            continue;
        }
        chosen.push(at);
        extend(friends, chosen, open & set, done & set, found);
        chosen.pop();
        open &= !bit(at);
        done |= bit(at);
    }
}
