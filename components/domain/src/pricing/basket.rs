//! What promotions take off lines: the running amounts of a cart while one promotion after the other is applied.
//!
//! A line is kept as cells: pieces that have been treated alike so far. At first each line is one cell; a
//! buy-and-get promotion splits off the pieces that it counts, so that no piece is counted by two of them.

use std::collections::BTreeMap;

use super::CartLine;
use super::amounts::AmountByCurrency;
use super::promotion::{Effect, Promotion, Target};
use crate::money::{BasisPoints, Currency, Money, MoneyError};

/// Pieces of one line that have been treated alike.
#[derive(Debug, Clone, Copy)]
struct Cell {
    line: usize,
    pieces: u32,
    /// What they still cost together.
    cost: Money,
    /// Whether a buy-and-get promotion has counted them, as bought or as got.
    is_counted: bool,
}

/// A cart's lines on their way through the promotions.
#[derive(Debug, Clone)]
pub(super) struct Basket<'a> {
    lines: &'a [CartLine],
    currency: Currency,
    cells: Vec<Cell>,
    /// What was taken off, by line and by the promotion's place in the order of application.
    taken: BTreeMap<(usize, usize), Money>,
}

/// How many repeats of a buy-and-get promotion a basket has, and what it lacks for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeats {
    pub(super) count: u32,
    /// Pieces that are missing for the first repeat; 0 when there is one.
    pub(super) missing: u32,
    /// Of the pieces that could be both bought and got, how many may be got.
    shared_got_max: u32,
}

/// The numbers of a [`Effect::BuyGet`] with both targets.
#[derive(Debug, Clone, Copy)]
pub(super) struct BuyGet<'a> {
    pub(super) buy: u32,
    pub(super) get: u32,
    pub(super) off: BasisPoints,
    pub(super) repeats_max: u32,
    pub(super) bought: &'a Target,
    pub(super) got: &'a Target,
}

impl<'a> Basket<'a> {
    /// Takes lines with what each costs.
    pub(super) fn new(currency: Currency, lines: &'a [CartLine], subtotals: &[Money]) -> Self {
        let cells = lines
            .iter()
            .zip(subtotals)
            .enumerate()
            .map(|(line, (of, &cost))| Cell {
                line,
                pieces: of.quantity.get(),
                cost,
                is_counted: false,
            })
            .collect();
        Self { lines, currency, cells, taken: BTreeMap::new() }
    }

    /// Applies a promotion off lines as the `turn`-th. Returns what it took off.
    pub(super) fn apply(
        &mut self,
        promotion: &Promotion,
        turn: usize,
    ) -> Result<Money, MoneyError> {
        match &promotion.effect {
            Effect::Percent { off, cap } => {
                let pool = self.cost_of(&promotion.target)?;
                let amount = capped(pool.portion(*off)?, cap.as_ref());
                self.spread(amount, turn, |line, _| promotion.target.matches(line))
            }
            Effect::Amount { off } => {
                let pool = self.cost_of(&promotion.target)?;
                let off =
                    off.in_currency(self.currency).unwrap_or_else(|| Money::zero(self.currency));
                let amount = Money::new(off.minor.min(pool.minor), self.currency);
                self.spread(amount, turn, |line, _| promotion.target.matches(line))
            }
            Effect::BuyGet { .. } => match BuyGet::of(promotion) {
                Some(rule) => self.buy_and_get(rule, turn),
                None => Ok(Money::zero(self.currency)),
            },
            Effect::FreeShipping => Ok(Money::zero(self.currency)),
        }
    }

    /// Returns what was taken off a line, in order of application.
    pub(super) fn taken_of(&self, line: usize) -> impl Iterator<Item = (usize, Money)> {
        self.taken.range((line, 0)..=(line, usize::MAX)).map(|(&(_, turn), &off)| (turn, off))
    }

    /// Counts how often a buy-and-get promotion fits into the pieces not counted so far.
    pub(super) fn repeats(&self, rule: BuyGet<'_>) -> Repeats {
        let (mut bought_only, mut got_only, mut shared) = (0_u32, 0_u32, 0_u32);
        for cell in self.cells.iter().filter(|cell| !cell.is_counted) {
            let sum = match self.roles(cell, rule) {
                (true, true) => &mut shared,
                (true, false) => &mut bought_only,
                (false, true) => &mut got_only,
                (false, false) => continue,
            };
            *sum = sum.saturating_add(cell.pieces);
        }
        // Shared pieces fill both gaps: max(0, r·buy − bought_only) + max(0, r·get − got_only) ≤ shared, which is the
        // same as the three bounds below.
        let both = rule.buy.saturating_add(rule.get);
        let in_all = bought_only.saturating_add(got_only).saturating_add(shared);
        let bounds = [
            bought_only.saturating_add(shared).checked_div(rule.buy),
            got_only.saturating_add(shared).checked_div(rule.get),
            in_all.checked_div(both),
        ];
        let count = bounds.into_iter().flatten().min().unwrap_or(0).min(rule.repeats_max);
        let gaps = |count: u32| {
            let to_buy = count.saturating_mul(rule.buy).saturating_sub(bought_only);
            let to_get = count.saturating_mul(rule.get).saturating_sub(got_only);
            (to_buy, to_get)
        };
        let (to_buy, to_get) = gaps(1);
        let missing =
            if count > 0 { 0 } else { to_buy.saturating_add(to_get).saturating_sub(shared) };
        Repeats { count, missing, shared_got_max: shared.saturating_sub(gaps(count).0) }
    }

    fn roles(&self, cell: &Cell, rule: BuyGet<'_>) -> (bool, bool) {
        self.lines
            .get(cell.line)
            .map_or((false, false), |line| (rule.bought.matches(line), rule.got.matches(line)))
    }

    fn buy_and_get(&mut self, rule: BuyGet<'_>, turn: usize) -> Result<Money, MoneyError> {
        let repeats = self.repeats(rule);
        if repeats.count == 0 {
            return Ok(Money::zero(self.currency));
        }
        let first_got = self.cells.len();
        self.split_off_got(rule, repeats)?;
        let after_got = self.cells.len();
        self.count_bought(rule, repeats)?;
        let is_got = |at: usize| (first_got..after_got).contains(&at);
        let costs =
            self.cells.iter().enumerate().filter(|&(at, _)| is_got(at)).map(|(_, cell)| cell.cost);
        let amount = Money::sum(self.currency, costs)?.portion(rule.off)?;
        self.spread(amount, turn, |_, at| is_got(at))
    }

    /// Splits the cheapest pieces that can be got into cells of their own, at the end of the list.
    fn split_off_got(&mut self, rule: BuyGet<'_>, repeats: Repeats) -> Result<(), MoneyError> {
        // Within a cell, pieces cost the same but for remainders: `rest` of them cost one minor unit more.
        let mut runs = Vec::new();
        for (at, cell) in self.cells.iter().enumerate().filter(|(_, cell)| !cell.is_counted) {
            let (is_bought, true) = self.roles(cell, rule) else { continue };
            let (each, rest) = cell.each()?;
            runs.push((each, at, cell.pieces.saturating_sub(rest), is_bought));
            runs.push((each.saturating_add(1), at, rest, is_bought));
        }
        runs.sort_unstable();
        let mut wanted = repeats.count.saturating_mul(rule.get);
        let mut shared_left = repeats.shared_got_max;
        let mut picked = BTreeMap::<usize, u32>::new();
        for (_, at, pieces, is_shared) in runs {
            let most = if is_shared { pieces.min(shared_left) } else { pieces };
            let count = most.min(wanted);
            wanted = wanted.saturating_sub(count);
            if is_shared {
                shared_left = shared_left.saturating_sub(count);
            }
            let sum = picked.entry(at).or_default();
            *sum = sum.saturating_add(count);
        }
        for (at, pieces) in picked {
            self.split(at, pieces)?;
        }
        Ok(())
    }

    /// Marks the pieces bought as counted: first those that could not have been got, in the order of the lines.
    fn count_bought(&mut self, rule: BuyGet<'_>, repeats: Repeats) -> Result<(), MoneyError> {
        let mut wanted = repeats.count.saturating_mul(rule.buy);
        for also_got in [false, true] {
            for at in 0..self.cells.len() {
                let Some(&cell) = self.cells.get(at) else { continue };
                if cell.is_counted || self.roles(&cell, rule) != (true, also_got) {
                    continue;
                }
                let pieces = cell.pieces.min(wanted);
                wanted = wanted.saturating_sub(pieces);
                self.split(at, pieces)?;
            }
        }
        Ok(())
    }

    /// Moves the cheapest `pieces` of a cell into a new, counted cell at the end of the list.
    fn split(&mut self, at: usize, pieces: u32) -> Result<(), MoneyError> {
        let Some(cell) = self.cells.get_mut(at).filter(|_| pieces > 0) else { return Ok(()) };
        let (each, rest) = cell.each()?;
        let dearer = pieces.saturating_sub(cell.pieces.saturating_sub(rest));
        let cost = Money::new(each, self.currency)
            .checked_mul(pieces)?
            .checked_add(Money::new(i64::from(dearer), self.currency))?;
        cell.cost = cell.cost.checked_sub(cost)?;
        cell.pieces = cell.pieces.saturating_sub(pieces);
        let line = cell.line;
        self.cells.push(Cell { line, pieces, cost, is_counted: true });
        Ok(())
    }

    fn cost_of(&self, target: &Target) -> Result<Money, MoneyError> {
        let matching = self
            .cells
            .iter()
            .filter(|cell| self.lines.get(cell.line).is_some_and(|line| target.matches(line)));
        Money::sum(self.currency, matching.map(|cell| cell.cost))
    }

    /// Takes an amount off the cells that fit, in proportion to what they cost. It is not more than they cost together,
    /// so no cell falls below nothing: a share by largest remainder is at most its exact value rounded up.
    fn spread(
        &mut self,
        amount: Money,
        turn: usize,
        fits: impl Fn(&CartLine, usize) -> bool,
    ) -> Result<Money, MoneyError> {
        if amount.minor <= 0 {
            return Ok(Money::zero(self.currency));
        }
        let weights: Vec<u64> = self
            .cells
            .iter()
            .enumerate()
            .map(|(at, cell)| {
                let is_in = self.lines.get(cell.line).is_some_and(|line| fits(line, at));
                if is_in { u64::try_from(cell.cost.minor).unwrap_or(0) } else { 0 }
            })
            .collect();
        for (cell, share) in self.cells.iter_mut().zip(amount.allocate(&weights)?) {
            if share.minor > 0 {
                cell.cost = cell.cost.checked_sub(share)?;
                let sum = self
                    .taken
                    .entry((cell.line, turn))
                    .or_insert_with(|| Money::zero(share.currency));
                *sum = sum.checked_add(share)?;
            }
        }
        Ok(amount)
    }
}

impl Cell {
    /// Returns what each piece costs, rounded down, and how many cost one minor unit more.
    fn each(&self) -> Result<(i64, u32), MoneyError> {
        let pieces = i64::from(self.pieces.max(1));
        let rest = u32::try_from(self.cost.minor.rem_euclid(pieces));
        Ok((self.cost.minor.div_euclid(pieces), rest.map_err(|_| MoneyError::OutOfRange)?))
    }
}

impl<'a> BuyGet<'a> {
    /// Returns the numbers of a promotion of this kind.
    pub(super) fn of(promotion: &'a Promotion) -> Option<Self> {
        match &promotion.effect {
            Effect::BuyGet { buy, get, off, repeats_max, of } => Some(Self {
                buy: *buy,
                get: *get,
                off: *off,
                repeats_max: *repeats_max,
                bought: &promotion.target,
                got: of.as_ref().unwrap_or(&promotion.target),
            }),
            Effect::Percent { .. } | Effect::Amount { .. } | Effect::FreeShipping => None,
        }
    }
}

/// Returns the amount, or the cap of its currency where that is less.
pub(super) fn capped(amount: Money, cap: Option<&AmountByCurrency>) -> Money {
    match cap.and_then(|cap| cap.in_currency(amount.currency)) {
        Some(cap) if cap.minor < amount.minor => cap,
        _ => amount,
    }
}
