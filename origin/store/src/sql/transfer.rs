//! Statements of transfers.

use domain::inventory::{Transfer, TransferLine, TransferStatus};
use domain::{LocationId, Timestamp, TransferId};

use super::{location, outbox, stock, stocktaking};
use crate::StoreError;
use crate::stock::StockRefused;
use crate::transfer::{ListTransfers, NewTransfer, StepTransfer, TransferRow};
use crate::tx::{Row, Tx, values};

const COLUMNS: &str =
    "id, from_id, to_id, status, lines_json, version, created_at_ms, updated_at_ms";

pub(crate) async fn create(
    tx: &Tx<'_>,
    command: &NewTransfer,
) -> Result<Result<TransferId, StockRefused>, StoreError> {
    let transfer = match Transfer::draft(command.id, command.from, command.to, &command.lines) {
        Ok(transfer) => transfer,
        Err(refused) => return Ok(Err(StockRefused::Transfer(refused))),
    };
    for id in [command.from, command.to] {
        if location::find(tx, id).await?.is_none() {
            return Ok(Err(StockRefused::UnknownLocation));
        }
    }
    if let Some(refused) = unknown(tx, &transfer).await? {
        return Ok(Err(refused));
    }
    tx.execute(
        "INSERT INTO transfers (id, from_id, to_id, status, lines_json, version, created_at_ms, updated_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6)",
        values![
            command.id.as_bytes(),
            command.from.as_bytes(),
            command.to.as_bytes(),
            transfer.status.as_str(),
            lines_json(&transfer)?,
            command.now.unix_ms()
        ],
    )
    .await?;
    tell(tx, &transfer, command.now).await?;
    Ok(Ok(command.id))
}

/// Says whether a line names no SKU of the shop.
async fn unknown(tx: &Tx<'_>, transfer: &Transfer) -> Result<Option<StockRefused>, StoreError> {
    for line in &transfer.lines {
        if stock::main(tx, &line.sku).await?.is_none() {
            return Ok(Some(StockRefused::UnknownSku));
        }
    }
    Ok(None)
}

fn lines_json(transfer: &Transfer) -> Result<String, StoreError> {
    serde_json::to_string(&transfer.lines)
        .map_err(|_unwritable| StoreError::Corrupt("lines of a transfer"))
}

pub(crate) async fn find(tx: &Tx<'_>, id: TransferId) -> Result<Option<TransferRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM transfers WHERE id = ?1");
    tx.query_opt(&sql, values![id.as_bytes()]).await?.as_ref().map(read).transpose()
}

pub(crate) async fn list(
    tx: &Tx<'_>,
    query: &ListTransfers,
) -> Result<Vec<TransferRow>, StoreError> {
    let before = query.before.unwrap_or(TransferId::from_bytes([0xff; 16]));
    // By primary key, or by index transfers_status; both backwards.
    let rows = match query.status {
        None => {
            let sql =
                format!("SELECT {COLUMNS} FROM transfers WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
            tx.query(&sql, values![before.as_bytes(), query.limit]).await?
        }
        Some(status) => {
            let sql = format!(
                "SELECT {COLUMNS} FROM transfers WHERE status = ?3 AND id < ?1 ORDER BY id DESC LIMIT ?2"
            );
            tx.query(&sql, values![before.as_bytes(), query.limit, status.as_str()]).await?
        }
    };
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<TransferRow, StoreError> {
    let corrupt = StoreError::Corrupt;
    let (status, lines): (String, String) = (row.get(3)?, row.get(4)?);
    let lines: Vec<TransferLine> =
        serde_json::from_str(&lines).map_err(|_unreadable| corrupt("lines of a transfer"))?;
    Ok(TransferRow {
        transfer: Transfer {
            id: TransferId::from_bytes(row.get(0)?),
            from: LocationId::from_bytes(row.get(1)?),
            to: LocationId::from_bytes(row.get(2)?),
            status: TransferStatus::parse(&status)
                .ok_or_else(|| corrupt("status of a transfer"))?,
            lines,
        },
        version: row.get(5)?,
        created_at: Timestamp::from_unix_ms(row.get(6)?),
        updated_at: Timestamp::from_unix_ms(row.get(7)?),
    })
}

pub(crate) async fn step(
    tx: &Tx<'_>,
    command: &StepTransfer,
) -> Result<Result<TransferId, StockRefused>, StoreError> {
    let Some(found) = find(tx, command.id).await? else {
        return Ok(Err(StockRefused::NotFound));
    };
    if command.version.is_some_and(|version| version != found.version) {
        return Ok(Err(StockRefused::Stale(found.version)));
    }
    let (next, movements) = match found.transfer.apply(&command.command) {
        Ok(applied) => applied,
        Err(refused) => return Ok(Err(StockRefused::Transfer(refused))),
    };
    if let Some(refused) = unknown(tx, &next).await? {
        return Ok(Err(refused));
    }
    let done = stocktaking::carry_out(tx, &movements, &command.actor, command.now).await?;
    if let Err(refused) = done {
        return Ok(Err(refused));
    }
    tx.execute(
        "UPDATE transfers SET status = ?2, lines_json = ?3, version = version + 1, updated_at_ms = ?4 WHERE id = ?1",
        values![
            command.id.as_bytes(),
            next.status.as_str(),
            lines_json(&next)?,
            command.now.unix_ms()
        ],
    )
    .await?;
    tell(tx, &next, command.now).await?;
    Ok(Ok(command.id))
}

/// Tells merchants' programs where a transfer stands now.
async fn tell(tx: &Tx<'_>, transfer: &Transfer, now: Timestamp) -> Result<(), StoreError> {
    let kind = format!("transfer.{}", transfer.status.as_str());
    let words = serde_json::json!({ "transfer_id": transfer.id, "type": kind, "at": now });
    let id = transfer.id.to_string();
    outbox::append_about(tx, ("transfer", &id), &kind, &words.to_string(), now).await
}
