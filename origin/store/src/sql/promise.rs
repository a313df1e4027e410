//! What the lines of a cart would be promised now: the stock of all of them, in as many statements for fifty as for one.

use std::collections::BTreeMap;

use api_types::cart::{Cart, Line};
use domain::cart::CartStatus;
use domain::inventory::{Location, MAIN_LOCATION, Promise, SkuStock};
use domain::{CartId, Sku, Timestamp};

use super::allocation::{self, Plain};
use super::{location, stock};
use crate::StoreError;
use crate::stock::MainStock;
use crate::tx::{Row, Tx, values};

type Mains = BTreeMap<Sku, MainStock>;

/// Says what each line of a cart would be promised where the cart goes, or wherever, in the order of the lines.
pub(crate) async fn of(
    tx: &Tx<'_>,
    cart: &Cart,
    now: Timestamp,
) -> Result<Vec<Option<Promise>>, StoreError> {
    let lines = cart.lines.as_slice();
    let nothing = vec![None; lines.len()];
    if lines.is_empty() || cart.status == CartStatus::CheckedOut {
        return Ok(nothing);
    }
    // By primary key.
    let rule = tx.query_one(allocation::READ_RULE, values![MAIN_LOCATION.as_bytes()]).await?;
    let rule = allocation::rule_of(&rule)?;
    let mains = mains(tx, cart.id).await?;
    if lines.iter().any(|line| !mains.contains_key(&line.sku)) {
        // Somebody took a line out since this cart was read: it is not what will be bought.
        return Ok(nothing);
    }
    match allocation::plain(lines, |sku| mains.get(sku), rule, now)? {
        // What falls short plainly may not be promised either.
        Plain::All | Plain::Short(_) => return Ok(nothing),
        Plain::Otherwise => {}
    }
    let locations: Vec<Location> =
        location::all(tx).await?.into_iter().map(|row| row.location).collect();
    let stocks = everywhere(tx, cart.id, &mains).await?;
    let country = cart.destination.as_ref().map(|destination| destination.country);
    allocation::promises((lines, country), rule, (&locations, &stocks), now)
}

/// Writes on each line what it is promised; promises are in the order of the lines.
pub(crate) fn keep(lines: &mut [Line], promises: Vec<Option<Promise>>) {
    for (line, promise) in lines.iter_mut().zip(promises) {
        line.promise = promise;
    }
}

/// Reads the SKUs of a cart at the main location.
async fn mains(tx: &Tx<'_>, cart: CartId) -> Result<Mains, StoreError> {
    // By the unique index of a cart's SKUs, and primary keys.
    let sql = format!(
        "SELECT s.sku, {} FROM cart_lines l JOIN stock s ON s.sku = l.sku WHERE l.cart_id = ?1",
        stock::MAIN
    );
    let main = |row: &Row| Ok((sku_of(row)?, stock::main_of(row, 1)?));
    tx.query(&sql, values![cart.as_bytes()]).await?.iter().map(main).collect()
}

/// Reads everything known about the SKUs of a cart.
async fn everywhere(
    tx: &Tx<'_>,
    cart: CartId,
    mains: &Mains,
) -> Result<BTreeMap<Sku, SkuStock>, StoreError> {
    let known = |main: &MainStock| SkuStock {
        policy: main.policy,
        at: BTreeMap::from([(MAIN_LOCATION, main.here())]),
    };
    let mut stocks: BTreeMap<Sku, SkuStock> =
        mains.iter().map(|(sku, main)| (sku.clone(), known(main))).collect();
    // By the unique index of a cart's SKUs, and the primary key.
    let sql = format!(
        "SELECT a.sku, {} FROM cart_lines l JOIN stock_at a ON a.sku = l.sku WHERE l.cart_id = ?1",
        stock::ELSEWHERE
    );
    for row in tx.query(&sql, values![cart.as_bytes()]).await? {
        let (location, here) = stock::elsewhere(&row, 1)?;
        stocks.entry(sku_of(&row)?).or_default().at.insert(location, here);
    }
    // By the unique index of a cart's SKUs, and index supplies_open.
    let sql = format!(
        "SELECT u.sku, {} FROM supplies u JOIN cart_lines l ON l.sku = u.sku WHERE l.cart_id = ?1 AND {}",
        stock::AWAITED,
        stock::IS_AWAITED
    );
    for row in tx.query(&sql, values![cart.as_bytes()]).await? {
        let (location, expected) = stock::awaited(&row, 1)?;
        let stock = stocks.entry(sku_of(&row)?).or_default();
        stock.at.entry(location).or_default().expected.push(expected);
    }
    Ok(stocks)
}

fn sku_of(row: &Row) -> Result<Sku, StoreError> {
    row.get::<String>(0)?.parse().map_err(|_invalid| StoreError::Corrupt("SKU of a stock counter"))
}
