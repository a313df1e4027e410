//! Who gets which pieces from where: all lines of an order at once, or a typed refusal of each that falls short.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    BackorderPolicy, Cause, InvalidMovement, InvalidPieces, Location, MAIN_LOCATION, Movement,
    MovementKind, Promise, PromiseKind, SkuStock,
};
use crate::{Country, LocationId, Quantity, Sku, Timestamp};

/// Most locations of one shop that take part: 100. Giving out is quadratic in them when parcels shall be few.
pub const LOCATIONS_MAX: usize = 100;

/// In which order locations are asked. Ties go to the lower priority number, then to the older location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The main location alone where it has everything for the whole order, else as [`Self::FewestParcels`].
    MainFirst,
    /// By the shop's own order.
    Priority,
    /// Those that stand in the destination first, then those that name it among the countries they serve.
    Nearest,
    /// Those with most pieces first, for each SKU anew: shelves empty evenly.
    MostStock,
    /// One location for the whole order where one has everything, else few: next is always who adds most pieces.
    #[default]
    FewestParcels,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 5] =
        [Self::MainFirst, Self::Priority, Self::Nearest, Self::MostStock, Self::FewestParcels];

    /// Returns the word on the wire and in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MainFirst => "main_first",
            Self::Priority => "priority",
            Self::Nearest => "nearest",
            Self::MostStock => "most_stock",
            Self::FewestParcels => "fewest_parcels",
        }
    }
}

/// One wanted line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The lines; several may ask for one SKU.
    pub lines: &'a [Wanted],
    /// Where it goes, once that is known.
    pub destination: Option<Country>,
    /// Whom to ask first.
    pub strategy: Strategy,
    /// Now.
    pub now: Timestamp,
}

/// Pieces to hold at a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Place of the line in the request, from 0.
    pub line: usize,
    /// Where.
    pub location: LocationId,
    /// How many; never 0.
    pub pieces: u32,
}

/// Pieces to promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backorder {
    /// Place of the line in the request, from 0.
    pub line: usize,
    /// Which location owes them.
    pub location: LocationId,
    /// How many; never 0.
    pub pieces: u32,
    /// By when, if a dated delivery covers them or the SKU comes out on a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_at: Option<Timestamp>,
}

/// Pieces given out: for every line its holds and promises add up to what it asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Allocation {
    /// Pieces to hold.
    pub holds: Vec<Hold>,
    /// Pieces to promise.
    pub backorders: Vec<Backorder>,
}

/// Why a line falls short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ShortageReason {
    /// Too few pieces, and none may be promised.
    OutOfStock,
    /// Too few pieces, and not as many may be promised.
    BackorderLimit,
    /// The order asks for more than one order may have.
    OrderLimit {
        /// Most pieces in one order.
        max: u32,
    },
    /// No location serves the destination.
    NotServed,
    /// No stock is kept of it.
    Unknown,
}

/// A line that asks for more than it can get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// Place of the line in the request, from 0.
    pub line: usize,
    /// What.
    pub sku: Sku,
    /// How many were asked for.
    pub wanted: u32,
    /// How many this line could get now, those that may be promised included.
    pub available: u32,
    /// Why.
    pub reason: ShortageReason,
}

impl Allocation {
    /// Returns what the stock ledger has to record. `lines` are those of the request; a line that it lacks is left out.
    ///
    /// # Errors
    /// [`InvalidPieces`] when a count is 0 or beyond the range, which [`allocate`] never returns.
    pub fn movements(
        &self,
        lines: &[Wanted],
        cause: Cause,
    ) -> Result<Vec<Movement>, InvalidPieces> {
        let holds = self
            .holds
            .iter()
            .map(|hold| (hold.line, hold.location, hold.pieces, MovementKind::Reserved));
        let promises = self.backorders.iter().map(|promise| {
            (promise.line, promise.location, promise.pieces, MovementKind::Backordered)
        });
        let mut movements = Vec::new();
        for (line, location, pieces, kind) in holds.chain(promises) {
            let Some(wanted) = lines.get(line) else { continue };
            let place = (&wanted.sku, location);
            movements.push(
                Movement::new(kind, None, place, pieces.try_into()?, cause)
                    .map_err(|_reason: InvalidMovement| InvalidPieces)?,
            );
        }
        Ok(movements)
    }

    /// Returns how many pieces a line gets, held and promised.
    #[must_use]
    pub fn pieces_of(&self, line: usize) -> u32 {
        let held = self.holds.iter().filter(|hold| hold.line == line).map(|hold| hold.pieces);
        let promised =
            self.backorders.iter().filter(|promise| promise.line == line).map(|own| own.pieces);
        held.chain(promised).fold(0, u32::saturating_add)
    }

    /// Returns what a line is promised by a SKU's policy; nothing where all its pieces are held. A day that has passed
    /// is none: what is late comes at no known day.
    #[must_use]
    pub fn promise_of(
        &self,
        line: usize,
        policy: BackorderPolicy,
        now: Timestamp,
    ) -> Option<Promise> {
        let own = || self.backorders.iter().filter(move |promise| promise.line == line);
        let pieces = own().map(|promise| promise.pieces).fold(0, u32::saturating_add);
        let days: Option<Vec<Timestamp>> =
            own().map(|promise| promise.expected_at.filter(|&at| now < at)).collect();
        let ships_at = days.and_then(|days| days.into_iter().max());
        (pieces > 0).then_some(Promise { kind: PromiseKind::of(policy), pieces, ships_at })
    }

    /// Returns how many locations send something: the least number of parcels.
    #[must_use]
    pub fn locations(&self) -> usize {
        let mut places: Vec<LocationId> = self.holds.iter().map(|hold| hold.location).collect();
        places.extend(self.backorders.iter().map(|promise| promise.location));
        places.sort();
        places.dedup();
        places.len()
    }
}

/// Gives out pieces for all lines, or says of every line that falls short why.
///
/// Decides only: nothing is held until [`Allocation::movements`] are applied, in the transaction that read `stocks`.
/// Locations beyond [`LOCATIONS_MAX`] are not asked.
///
/// # Errors
/// The [`Shortage`]s, in the order of the lines.
pub fn allocate(
    request: Request<'_>,
    locations: &[Location],
    stocks: &BTreeMap<Sku, SkuStock>,
) -> Result<Allocation, Vec<Shortage>> {
    let (draft, places) = drafted(request, locations, stocks);
    draft.finish(&places, request.now)
}

/// Says what each line would be promised now, in the order of the lines, as [`allocate`] would promise it. A line that
/// falls short is promised nothing, and takes no other line's promise away.
#[must_use]
pub fn promises(
    request: Request<'_>,
    locations: &[Location],
    stocks: &BTreeMap<Sku, SkuStock>,
) -> Vec<Option<Promise>> {
    let (draft, places) = drafted(request, locations, stocks);
    let promise = |(line, wanted): (usize, &Wanted)| {
        let policy = stocks.get(&wanted.sku)?.policy.backorder;
        match draft.shortage(line, wanted, &places, request.now) {
            Some(_shortage) => None,
            None => draft.result.promise_of(line, policy, request.now),
        }
    };
    request.lines.iter().enumerate().map(promise).collect()
}

/// Gives out what there is and promises what may be. Returns also who was asked, in that order.
fn drafted<'a>(
    request: Request<'a>,
    locations: &[Location],
    stocks: &'a BTreeMap<Sku, SkuStock>,
) -> (Draft<'a>, Vec<LocationId>) {
    let mut able: Vec<&Location> = locations
        .iter()
        .filter(|location| location.can_serve(request.destination))
        .take(LOCATIONS_MAX)
        .collect();
    able.sort_by_key(|location| {
        let distance = match request.strategy {
            Strategy::Priority | Strategy::MostStock => 0,
            Strategy::Nearest | Strategy::FewestParcels | Strategy::MainFirst => {
                location.distance(request.destination)
            }
        };
        (distance, location.priority, location.id)
    });
    let places: Vec<LocationId> = able.iter().map(|location| location.id).collect();
    let mut draft = Draft::new(request.lines, stocks);
    match request.strategy {
        Strategy::Priority | Strategy::Nearest => {
            places.iter().for_each(|&place| draft.take_all(place));
        }
        Strategy::MostStock => draft.take_from_fullest(&places),
        Strategy::MainFirst if draft.has_all(&places, MAIN_LOCATION) => {
            draft.take_all(MAIN_LOCATION);
        }
        Strategy::MainFirst | Strategy::FewestParcels => draft.take_in_few(&places),
    }
    draft.promise(&places, request.now);
    (draft, places)
}

/// Pieces given out so far, and what is left of everything.
struct Draft<'a> {
    lines: &'a [Wanted],
    stocks: &'a BTreeMap<Sku, SkuStock>,
    /// Pieces each line still lacks.
    open: Vec<u32>,
    /// Pieces left at each location that was asked.
    pool: BTreeMap<(&'a Sku, LocationId), u32>,
    /// Pieces promised in this draft.
    promised: BTreeMap<(&'a Sku, LocationId), u32>,
    result: Allocation,
}

impl<'a> Draft<'a> {
    fn new(lines: &'a [Wanted], stocks: &'a BTreeMap<Sku, SkuStock>) -> Self {
        let mut pool = BTreeMap::new();
        for line in lines {
            let Some(stock) = stocks.get(&line.sku) else { continue };
            for (&location, level) in &stock.at {
                let available = u32::try_from(level.available()).unwrap_or(u32::MAX);
                pool.insert((&line.sku, location), available);
            }
        }
        Self {
            lines,
            stocks,
            open: lines.iter().map(|line| line.quantity.get()).collect(),
            pool,
            promised: BTreeMap::new(),
            result: Allocation::default(),
        }
    }

    /// Takes what one location has for one line.
    fn take(&mut self, line: usize, location: LocationId) {
        let Some(wanted) = self.lines.get(line) else { return };
        let Some(open) = self.open.get_mut(line) else { return };
        let Some(left) = self.pool.get_mut(&(&wanted.sku, location)) else { return };
        let pieces = (*open).min(*left);
        if pieces > 0 {
            *open = open.saturating_sub(pieces);
            *left = left.saturating_sub(pieces);
            self.result.holds.push(Hold { line, location, pieces });
        }
    }

    fn take_all(&mut self, location: LocationId) {
        (0..self.lines.len()).for_each(|line| self.take(line, location));
    }

    fn take_from_fullest(&mut self, places: &[LocationId]) {
        for (line, wanted) in self.lines.iter().enumerate() {
            let mut fullest = places.to_vec();
            // Stable: equally full ones stay in the order of their priority.
            fullest.sort_by_key(|&place| {
                core::cmp::Reverse(self.pool.get(&(&wanted.sku, place)).copied().unwrap_or(0))
            });
            fullest.into_iter().for_each(|place| self.take(line, place));
        }
    }

    fn take_in_few(&mut self, places: &[LocationId]) {
        let mut rest = places.to_vec();
        while !rest.is_empty() {
            let gains: Vec<u32> = rest.iter().map(|&place| self.gain(place)).collect();
            let most = gains.iter().copied().max().unwrap_or(0);
            let best = gains.iter().position(|&gain| gain == most && gain > 0);
            let Some(best) = best else { return };
            self.take_all(rest.remove(best));
        }
    }

    /// Tells whether a location is asked and has every open piece.
    fn has_all(&self, places: &[LocationId], location: LocationId) -> bool {
        let wanted = self.open.iter().copied().fold(0, u32::saturating_add);
        places.contains(&location) && self.gain(location) == wanted
    }

    /// Returns how many of the open pieces a location has.
    fn gain(&self, location: LocationId) -> u32 {
        let mut lacking: BTreeMap<&Sku, u32> = BTreeMap::new();
        for (wanted, &open) in self.lines.iter().zip(&self.open) {
            let sum = lacking.entry(&wanted.sku).or_default();
            *sum = sum.saturating_add(open);
        }
        lacking
            .into_iter()
            .map(|(sku, open)| open.min(self.pool.get(&(sku, location)).copied().unwrap_or(0)))
            .fold(0, u32::saturating_add)
    }

    fn promised_of(&self, sku: &Sku) -> u32 {
        let own = self.promised.iter().filter(|((other, _), _)| *other == sku);
        own.map(|(_, &pieces)| pieces).fold(0, u32::saturating_add)
    }

    /// Returns how many more pieces of a SKU may be promised.
    fn promises_left(&self, sku: &Sku, now: Timestamp) -> u32 {
        self.stocks.get(sku).map_or(0, |stock| {
            let promised = stock.backordered().saturating_add(i64::from(self.promised_of(sku)));
            stock.policy.backorder.left(promised, now)
        })
    }

    /// Promises what is not there, where all of it may be promised.
    fn promise(&mut self, places: &[LocationId], now: Timestamp) {
        for (line, wanted) in self.lines.iter().enumerate() {
            let open = self.open.get(line).copied().unwrap_or(0);
            if open == 0 || open > self.promises_left(&wanted.sku, now) {
                continue;
            }
            let Some(stock) = self.stocks.get(&wanted.sku) else { continue };
            let covered = |&place: &LocationId| {
                let before = self.promised.get(&(&wanted.sku, place)).copied().unwrap_or(0);
                stock.at.get(&place)?.expected_for(before.saturating_add(open))
            };
            // Who has it first; where nobody knows, who is asked first.
            let soonest = places
                .iter()
                .filter_map(|place| covered(place).map(|at| (at, *place)))
                .min_by_key(|&(at, _)| at);
            let Some(location) =
                soonest.map(|(_, place)| place).or_else(|| places.first().copied())
            else {
                continue;
            };
            let expected_at = stock.policy.backorder.kept_at(soonest.map(|(at, _)| at));
            let sum = self.promised.entry((&wanted.sku, location)).or_default();
            *sum = sum.saturating_add(open);
            if let Some(slot) = self.open.get_mut(line) {
                *slot = 0;
            }
            self.result.backorders.push(Backorder { line, location, pieces: open, expected_at });
        }
    }

    fn finish(self, places: &[LocationId], now: Timestamp) -> Result<Allocation, Vec<Shortage>> {
        let lines = self.lines.iter().enumerate();
        let shortages: Vec<Shortage> =
            lines.filter_map(|(line, wanted)| self.shortage(line, wanted, places, now)).collect();
        if shortages.is_empty() { Ok(self.result) } else { Err(shortages) }
    }

    fn shortage(
        &self,
        line: usize,
        wanted: &Wanted,
        places: &[LocationId],
        now: Timestamp,
    ) -> Option<Shortage> {
        let asked = wanted.quantity.get();
        let short = |available, reason| {
            Some(Shortage { line, sku: wanted.sku.clone(), wanted: asked, available, reason })
        };
        let Some(stock) = self.stocks.get(&wanted.sku) else {
            return short(0, ShortageReason::Unknown);
        };
        let open = self.open.get(line).copied().unwrap_or(0);
        let left = self.promises_left(&wanted.sku, now);
        let got = asked.saturating_sub(open);
        let same = self.lines.iter().filter(|other| other.sku == wanted.sku);
        let in_order = same.map(|other| other.quantity.get()).fold(0, u32::saturating_add);
        if let Some(max) = stock.policy.per_order_max.filter(|&max| in_order > max) {
            let others = in_order.saturating_sub(asked);
            let could_get = got.saturating_add(if open == 0 { 0 } else { left });
            let available = could_get.min(max.saturating_sub(others));
            return short(available, ShortageReason::OrderLimit { max });
        }
        match (open, places.is_empty(), left) {
            (0, _, _) => None,
            (_, true, _) => short(0, ShortageReason::NotServed),
            (_, false, 0) if stock.policy.backorder.left(0, now) == 0 => {
                short(got, ShortageReason::OutOfStock)
            }
            (_, false, left) => short(got.saturating_add(left), ShortageReason::BackorderLimit),
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test's numbers are small")]
mod tests;
