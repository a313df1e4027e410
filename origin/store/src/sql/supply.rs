//! Statements of deliveries from suppliers.

use domain::inventory::{Cause, Movement, MovementKind, Pieces};
use domain::{LocationId, SupplyId, Timestamp};

use super::{stock, stocktaking};
use crate::StoreError;
use crate::stock::StockRefused;
use crate::supply::{ListSupplies, NewSupply, StepSupply, Supply, SupplyStep};
use crate::tx::{Row, Tx, values};

const COLUMNS: &str = "id, sku, location_id, pieces, arrived, cancelled, expected_at_ms, created_at_ms, updated_at_ms";

pub(crate) async fn create(
    tx: &Tx<'_>,
    command: &NewSupply,
) -> Result<Result<SupplyId, StockRefused>, StoreError> {
    if let Some(refused) = stocktaking::missing(tx, &command.sku, &[command.location]).await? {
        return Ok(Err(refused));
    }
    tx.execute(
        "INSERT INTO supplies (id, sku, location_id, pieces, expected_at_ms, created_at_ms, updated_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
        values![
            command.id.as_bytes(),
            command.sku.as_str(),
            command.location.as_bytes(),
            command.pieces.get(),
            command.expected_at.map(Timestamp::unix_ms),
            command.now.unix_ms()
        ],
    )
    .await?;
    let place = (&command.sku, command.location);
    let expected =
        Movement::new(MovementKind::IncomingExpected, None, place, command.pieces, Cause::Staff);
    let expected = match expected {
        Ok(expected) => expected,
        Err(invalid) => return Ok(Err(StockRefused::Movement(invalid))),
    };
    let done = stocktaking::carry_out(tx, &[expected], &command.actor, command.now).await?;
    Ok(done.map(|_counters| command.id))
}

pub(crate) async fn find(tx: &Tx<'_>, id: SupplyId) -> Result<Option<Supply>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM supplies WHERE id = ?1");
    tx.query_opt(&sql, values![id.as_bytes()]).await?.as_ref().map(read).transpose()
}

pub(crate) async fn list(tx: &Tx<'_>, query: &ListSupplies) -> Result<Vec<Supply>, StoreError> {
    // By primary key, backwards; or by index supplies_open where one SKU's open ones are asked for.
    let sql = format!(
        "SELECT {COLUMNS} FROM supplies WHERE id < ?1 {} {} ORDER BY id DESC LIMIT ?2",
        if query.is_open { "AND pieces > arrived + cancelled" } else { "" },
        if query.sku.is_some() { "AND sku = ?3" } else { "" },
    );
    let before = query.before.unwrap_or(SupplyId::from_bytes([0xff; 16]));
    let rows = match &query.sku {
        Some(sku) => tx.query(&sql, values![before.as_bytes(), query.limit, sku.as_str()]).await?,
        None => tx.query(&sql, values![before.as_bytes(), query.limit]).await?,
    };
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Supply, StoreError> {
    let corrupt = StoreError::Corrupt;
    let moment = |ms: i64| Timestamp::from_unix_ms(ms);
    Ok(Supply {
        id: SupplyId::from_bytes(row.get(0)?),
        sku: row.get::<String>(1)?.parse().map_err(|_invalid| corrupt("SKU of a supply"))?,
        location: LocationId::from_bytes(row.get(2)?),
        pieces: row.get::<u32>(3)?.try_into().map_err(|_out| corrupt("pieces of a supply"))?,
        arrived: row.get(4)?,
        cancelled: row.get(5)?,
        expected_at: row.get::<Option<i64>>(6)?.map(moment),
        created_at: moment(row.get(7)?),
        updated_at: moment(row.get(8)?),
    })
}

pub(crate) async fn step(
    tx: &Tx<'_>,
    command: &StepSupply,
) -> Result<Result<SupplyId, StockRefused>, StoreError> {
    let Some(found) = find(tx, command.id).await? else {
        return Ok(Err(StockRefused::NotFound));
    };
    let open = found.open();
    let refused = Ok(Err(StockRefused::SupplyOpen(open)));
    let (kind, column, pieces) = match command.step {
        SupplyStep::Redate(expected_at) => {
            tx.execute(
                "UPDATE supplies SET expected_at_ms = ?2, updated_at_ms = ?3 WHERE id = ?1",
                values![
                    command.id.as_bytes(),
                    expected_at.map(Timestamp::unix_ms),
                    command.now.unix_ms()
                ],
            )
            .await?;
            // Edges tell shoppers the day.
            stock::publish(tx, [&found.sku], command.now).await?;
            return Ok(Ok(command.id));
        }
        SupplyStep::Arrive(pieces) => (MovementKind::IncomingArrived, "arrived", pieces),
        SupplyStep::Cancel(pieces) => {
            let Some(pieces) = pieces.or_else(|| Pieces::try_from(open).ok()) else {
                return refused;
            };
            (MovementKind::IncomingCancelled, "cancelled", pieces)
        }
    };
    if pieces.get() > open {
        return refused;
    }
    let place = (&found.sku, found.location);
    let movement = match Movement::new(kind, None, place, pieces, Cause::Staff) {
        Ok(movement) => movement,
        Err(invalid) => return Ok(Err(StockRefused::Movement(invalid))),
    };
    let done = stocktaking::carry_out(tx, &[movement], &command.actor, command.now).await?;
    if let Err(refused) = done {
        return Ok(Err(refused));
    }
    tx.execute(
        &format!("UPDATE supplies SET {column} = {column} + ?2, updated_at_ms = ?3 WHERE id = ?1"),
        values![command.id.as_bytes(), pieces.get(), command.now.unix_ms()],
    )
    .await?;
    // Once more: what is awaited now dates the next promise.
    stock::publish(tx, [&found.sku], command.now).await?;
    Ok(Ok(command.id))
}
