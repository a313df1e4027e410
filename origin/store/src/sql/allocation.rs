//! Giving out stock to an order: what is plain is decided by the main location alone, all else by all of them.

use std::collections::BTreeMap;

use api_types::cart::Line;
use domain::inventory::{
    self, Allocation, Hold, Location, MAIN_LOCATION, Promise, Request, SkuStock, Strategy, Wanted,
    allocate,
};
use domain::{Country, Sku, Timestamp};

use super::{location, order, stock};
use crate::StoreError;
use crate::order::Shortage;
use crate::stock::MainStock;
use crate::tx::{Row, Tx, values};

/// How the shop gives stock out, as [`rule_of`] reads it.
pub(crate) const READ_RULE: &str = "SELECT is_active, serves_json, (SELECT value FROM settings WHERE name = 'stock_strategy') FROM locations WHERE id = ?1";

/// How the shop gives stock out, as far as a plain order must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Whether the main location takes part and ships everywhere.
    pub(crate) is_main_open: bool,
    /// Whom to ask first.
    pub(crate) strategy: Strategy,
}

/// Reads a row of [`READ_RULE`].
pub(crate) fn rule_of(row: &Row) -> Result<Rule, StoreError> {
    let (is_active, serves): (bool, String) = (row.get(0)?, row.get(1)?);
    let strategy = match row.get::<Option<String>>(2)? {
        None => Strategy::MainFirst,
        Some(word) => Strategy::ALL
            .into_iter()
            .find(|strategy| strategy.as_str() == word)
            .ok_or(StoreError::Corrupt("way of giving stock out"))?,
    };
    Ok(Rule { is_main_open: is_active && serves == "[]", strategy })
}

/// Reads whom the shop asks first.
pub(crate) async fn strategy(tx: &Tx<'_>) -> Result<Strategy, StoreError> {
    let row = tx.query_one(READ_RULE, values![MAIN_LOCATION.as_bytes()]).await?;
    Ok(rule_of(&row)?.strategy)
}

/// Says whom the shop asks first from now on.
pub(crate) async fn set_strategy(
    tx: &Tx<'_>,
    strategy: Strategy,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO settings (name, value, is_public) VALUES ('stock_strategy', ?1, 0)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        values![strategy.as_str()],
    )
    .await?;
    location::tell(tx, MAIN_LOCATION, "location.strategy_changed", now).await
}

/// What the main location alone can say to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plain {
    /// It has everything.
    All,
    /// These fall short, wherever one looks.
    Short(Vec<Shortage>),
    /// Others must be asked, or something promised.
    Otherwise,
}

/// Asks the main location alone: what every order of a shop with one location comes to.
pub(crate) fn plain<'a>(
    lines: &[Line],
    stock: impl Fn(&Sku) -> Option<&'a MainStock>,
    rule: Rule,
    now: Timestamp,
) -> Result<Plain, StoreError> {
    if !rule.is_main_open {
        return Ok(Plain::Otherwise);
    }
    let mut is_short = false;
    for line in lines {
        let main = stock(&line.sku).ok_or(StoreError::Corrupt("stock of a variant"))?;
        if main.is_spread && rule.strategy != Strategy::MainFirst {
            return Ok(Plain::Otherwise);
        }
        let wanted = i64::from(line.quantity);
        if main.policy.per_order_max.is_some_and(|max| line.quantity > max) {
            is_short = true;
        } else if wanted > main.available() {
            let may_promise = main.policy.backorder.left(main.counters.backordered, now) > 0;
            if main.is_spread || may_promise {
                return Ok(Plain::Otherwise);
            }
            is_short = true;
        }
    }
    if !is_short {
        return Ok(Plain::All);
    }
    let mut stocks = BTreeMap::new();
    for line in lines {
        let main = stock(&line.sku).ok_or(StoreError::Corrupt("stock of a variant"))?;
        let at = BTreeMap::from([(MAIN_LOCATION, main.here())]);
        stocks.insert(line.sku.clone(), SkuStock { policy: main.policy, at });
    }
    let places = [location::main_alone()?];
    match decide((lines, None), rule, (&places, &stocks), now)? {
        Ok(_allocation) => Err(StoreError::Corrupt("stock counter")),
        Err(shortages) => Ok(Plain::Short(shortages)),
    }
}

/// Stock that was given out to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GivenOut {
    /// What it gets from where.
    pub(crate) allocation: Allocation,
    /// What each line is promised of it, in the order of the lines.
    pub(crate) promises: Vec<Option<Promise>>,
}

/// Gives the main location's pieces to every line.
fn all_from_main(lines: &[Line]) -> Allocation {
    let hold =
        |(line, own): (usize, &Line)| Hold { line, location: MAIN_LOCATION, pieces: own.quantity };
    Allocation { holds: lines.iter().enumerate().map(hold).collect(), backorders: Vec::new() }
}

/// Gives out stock for lines that go to a country, or says which fall short. Nothing is held yet.
pub(crate) async fn give_out(
    tx: &Tx<'_>,
    (lines, country): (&[Line], &str),
    now: Timestamp,
) -> Result<Result<GivenOut, Vec<Shortage>>, StoreError> {
    // By primary keys.
    let rule = rule_of(&tx.query_one(READ_RULE, values![MAIN_LOCATION.as_bytes()]).await?)?;
    let mut mains = BTreeMap::new();
    for line in lines {
        if let Some(main) = stock::main(tx, &line.sku).await? {
            mains.insert(&line.sku, main);
        }
    }
    match plain(lines, |sku| mains.get(sku), rule, now)? {
        Plain::All => {
            let (allocation, promises) = (all_from_main(lines), vec![None; lines.len()]);
            return Ok(Ok(GivenOut { allocation, promises }));
        }
        Plain::Short(shortages) => return Ok(Err(shortages)),
        Plain::Otherwise => {}
    }
    let locations = location::all(tx).await?;
    let locations: Vec<Location> = locations.into_iter().map(|row| row.location).collect();
    let mut stocks = BTreeMap::new();
    for line in lines {
        if let Some(stock) = stock::everywhere(tx, &line.sku).await? {
            stocks.insert(line.sku.clone(), stock);
        }
    }
    let decided = decide((lines, country.parse().ok()), rule, (&locations, &stocks), now)?;
    Ok(decided.map(|allocation| {
        let promise = |(place, line): (usize, &Line)| {
            allocation.promise_of(place, stocks.get(&line.sku)?.policy.backorder, now)
        };
        let promises = lines.iter().enumerate().map(promise).collect();
        GivenOut { allocation, promises }
    }))
}

/// Says what each line would be promised, as it would be given out.
pub(crate) fn promises(
    (lines, destination): (&[Line], Option<Country>),
    rule: Rule,
    (locations, stocks): (&[Location], &BTreeMap<Sku, SkuStock>),
    now: Timestamp,
) -> Result<Vec<Option<Promise>>, StoreError> {
    let wanted = wanted(lines)?;
    let request = Request { lines: &wanted, destination, strategy: rule.strategy, now };
    Ok(inventory::promises(request, locations, stocks))
}

fn wanted(lines: &[Line]) -> Result<Vec<Wanted>, StoreError> {
    lines
        .iter()
        .map(|line| Ok(Wanted { sku: line.sku.clone(), quantity: order::quantity(line)? }))
        .collect()
}

/// Lets the domain decide.
fn decide(
    (lines, destination): (&[Line], Option<Country>),
    rule: Rule,
    (locations, stocks): (&[Location], &BTreeMap<Sku, SkuStock>),
    now: Timestamp,
) -> Result<Result<Allocation, Vec<Shortage>>, StoreError> {
    let wanted = wanted(lines)?;
    let request = Request { lines: &wanted, destination, strategy: rule.strategy, now };
    Ok(allocate(request, locations, stocks).map_err(|shortages| {
        let shortage = |short: inventory::Shortage| Shortage {
            line: short.line,
            sku: short.sku,
            wanted: short.wanted,
            available: i64::from(short.available),
            reason: Some(short.reason),
        };
        shortages.into_iter().map(shortage).collect()
    }))
}
