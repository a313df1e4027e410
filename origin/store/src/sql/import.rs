//! Statements of imports.

use std::collections::BTreeSet;
use std::convert::Infallible;

use domain::inventory::{Counters, MAIN_LOCATION, PIECES_MAX};
use domain::{ImportId, LocationId, Money, Sku, Timestamp};

use super::{catalogue, category, feed, location, outbox, product, stock, stocktaking};
use crate::StoreError;
use crate::import::{
    AddPart, IMPORT_ERRORS_MAX, Import, ImportChunk, ImportFormat, ImportKind, ImportRefusal,
    ImportRow, ImportStatus, ImportStep, NewImport, RowError, over,
};
use crate::product::{ChangeProduct, CreateProduct, ProductRefusal, PutVariant, SetPrices};
use crate::stock::{MoveStock, SetStockRules, StaffMove};
use crate::tx::{Row, Tx, values};

/// Columns of an import, as [`read`] takes them.
const COLUMNS: &str =
    "id, kind, format, is_dry_run, status, columns_json, bytes_total, bytes_done, rows_done,
  rows_failed, failure, created_at_ms, updated_at_ms";

pub(crate) async fn create(
    tx: &Tx<'_>,
    command: &NewImport,
) -> Result<Result<ImportId, Infallible>, StoreError> {
    tx.execute(
        "INSERT INTO imports (id, kind, format, is_dry_run, status, bytes_total, bytes_done, rows_done, rows_failed,
           created_at_ms, updated_at_ms) VALUES (?1, ?2, ?3, ?4, 'uploading', 0, 0, 0, 0, ?5, ?5)",
        values![
            command.id.as_bytes(),
            command.kind.as_str(),
            command.format.as_str(),
            command.is_dry_run,
            command.now.unix_ms()
        ],
    )
    .await?;
    Ok(Ok(command.id))
}

pub(crate) async fn find(tx: &Tx<'_>, id: ImportId) -> Result<Option<Import>, StoreError> {
    // By primary key.
    let sql = format!("SELECT {COLUMNS} FROM imports WHERE id = ?1");
    tx.query_opt(&sql, values![id.as_bytes()]).await?.map(|row| read(&row)).transpose()
}

pub(crate) async fn next(tx: &Tx<'_>) -> Result<Option<Import>, StoreError> {
    // By index imports_running.
    let sql = format!("SELECT {COLUMNS} FROM imports WHERE status = 'running' ORDER BY id LIMIT 1");
    tx.query_opt(&sql, &[]).await?.map(|row| read(&row)).transpose()
}

pub(crate) async fn list(
    tx: &Tx<'_>,
    before: Option<ImportId>,
    limit: u32,
) -> Result<Vec<Import>, StoreError> {
    // By primary key: names begin with the moment.
    let before = before.unwrap_or(ImportId::from_bytes([0xff; 16]));
    let sql = format!("SELECT {COLUMNS} FROM imports WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    tx.query(&sql, values![before.as_bytes(), limit]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Import, StoreError> {
    let corrupt = || StoreError::Corrupt("import");
    let text = |index| row.get::<String>(index);
    let columns = row.get::<Option<String>>(5)?;
    let columns = columns.map(|json| serde_json::from_str(&json)).transpose();
    Ok(Import {
        id: ImportId::from_bytes(row.get(0)?),
        kind: ImportKind::parse(&text(1)?).ok_or_else(corrupt)?,
        format: ImportFormat::parse(&text(2)?).ok_or_else(corrupt)?,
        is_dry_run: row.get(3)?,
        status: ImportStatus::parse(&text(4)?).ok_or_else(corrupt)?,
        columns: columns.map_err(|_unreadable| corrupt())?,
        bytes_total: feed::unsigned(row.get(6)?),
        bytes_done: feed::unsigned(row.get(7)?),
        rows_done: feed::unsigned(row.get(8)?),
        rows_failed: feed::unsigned(row.get(9)?),
        failure: row.get(10)?,
        created_at: Timestamp::from_unix_ms(row.get(11)?),
        updated_at: Timestamp::from_unix_ms(row.get(12)?),
    })
}

pub(crate) async fn add_part(
    tx: &Tx<'_>,
    command: &AddPart,
) -> Result<Result<(), ImportRefusal>, StoreError> {
    let Some(import) = find(tx, command.import).await? else {
        return Ok(Err(ImportRefusal::NotFound));
    };
    if import.status != ImportStatus::Uploading {
        return Ok(Err(ImportRefusal::Status(import.status)));
    }
    // By primary key.
    let known = tx
        .query_opt(
            "SELECT body = ?3 FROM import_parts WHERE import_id = ?1 AND number = ?2",
            values![command.import.as_bytes(), command.number, &command.body],
        )
        .await?;
    if let Some(row) = known {
        return Ok(if row.get(0)? { Ok(()) } else { Err(ImportRefusal::OtherPart) });
    }
    let last = "SELECT coalesce(max(number), 0) FROM import_parts WHERE import_id = ?1";
    let last: u32 = tx.query_one(last, values![command.import.as_bytes()]).await?.get(0)?;
    let expected = last.saturating_add(1);
    if command.number != expected {
        return Ok(Err(ImportRefusal::Place { expected }));
    }
    let bytes = u64::try_from(command.body.len()).unwrap_or(u64::MAX);
    let total = import.bytes_total.saturating_add(bytes);
    if total > command.bytes_max {
        return Ok(Err(ImportRefusal::TooLarge));
    }
    tx.execute(
        "INSERT INTO import_parts (import_id, number, starts_at, body) VALUES (?1, ?2, ?3, ?4)",
        values![
            command.import.as_bytes(),
            command.number,
            signed(import.bytes_total),
            &command.body
        ],
    )
    .await?;
    tx.execute(
        "UPDATE imports SET bytes_total = ?2, updated_at_ms = ?3 WHERE id = ?1",
        values![command.import.as_bytes(), signed(total), command.now.unix_ms()],
    )
    .await?;
    Ok(Ok(()))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) async fn step(
    tx: &Tx<'_>,
    id: ImportId,
    step: &ImportStep,
    now: Timestamp,
) -> Result<Result<(), ImportRefusal>, StoreError> {
    let Some(import) = find(tx, id).await? else { return Ok(Err(ImportRefusal::NotFound)) };
    let (next, failure) = match (step, import.status) {
        (ImportStep::Start, ImportStatus::Uploading) if import.bytes_total == 0 => {
            return Ok(Err(ImportRefusal::Empty));
        }
        (ImportStep::Start, ImportStatus::Uploading) => (ImportStatus::Running, None),
        (ImportStep::Cancel, ImportStatus::Uploading | ImportStatus::Running) => {
            (ImportStatus::Cancelled, None)
        }
        (ImportStep::Fail(why), ImportStatus::Running) => (ImportStatus::Failed, Some(why)),
        (ImportStep::Start, ImportStatus::Running | ImportStatus::Done)
        | (ImportStep::Cancel, ImportStatus::Cancelled) => return Ok(Ok(())),
        (_, status) => return Ok(Err(ImportRefusal::Status(status))),
    };
    tx.execute(
        "UPDATE imports SET status = ?2, failure = ?3, updated_at_ms = ?4 WHERE id = ?1",
        values![id.as_bytes(), next.as_str(), failure, now.unix_ms()],
    )
    .await?;
    if next != ImportStatus::Running {
        drop_parts(tx, id).await?;
    }
    tell(tx, id, next, now).await?;
    Ok(Ok(()))
}

async fn drop_parts(tx: &Tx<'_>, id: ImportId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM import_parts WHERE import_id = ?1", values![id.as_bytes()]).await?;
    Ok(())
}

async fn tell(
    tx: &Tx<'_>,
    id: ImportId,
    status: ImportStatus,
    now: Timestamp,
) -> Result<(), StoreError> {
    let kind = format!("import.{}", status.as_str());
    let words = serde_json::json!({ "import_id": id, "type": kind, "at": now }).to_string();
    outbox::append_about(tx, ("import", &id.to_string()), &kind, &words, now).await
}

pub(crate) async fn bytes(
    tx: &Tx<'_>,
    id: ImportId,
    from: u64,
    bytes_min: u64,
) -> Result<Vec<u8>, StoreError> {
    // By primary key; the pieces before are looked at and not read.
    let rows = tx
        .query(
            "SELECT starts_at, body FROM import_parts
             WHERE import_id = ?1 AND starts_at + length(body) > ?2 AND starts_at < ?3 ORDER BY number",
            values![id.as_bytes(), signed(from), signed(from.saturating_add(bytes_min))],
        )
        .await?;
    let mut bytes = Vec::new();
    for row in rows {
        let (starts_at, body): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let skipped = from.saturating_sub(feed::unsigned(starts_at));
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).min(body.len());
        bytes.extend(body.into_iter().skip(skipped));
    }
    Ok(bytes)
}

pub(crate) async fn errors(
    tx: &Tx<'_>,
    id: ImportId,
    after: u64,
    limit: u32,
) -> Result<Vec<RowError>, StoreError> {
    // By primary key.
    let rows = tx
        .query(
            "SELECT row_number, field, code, detail FROM import_errors
             WHERE import_id = ?1 AND row_number > ?2 ORDER BY row_number, place LIMIT ?3",
            values![id.as_bytes(), signed(after), limit],
        )
        .await?;
    let error = |row: &Row| {
        Ok(RowError {
            row: feed::unsigned(row.get(0)?),
            field: row.get(1)?,
            code: row.get(2)?,
            detail: row.get(3)?,
        })
    };
    rows.iter().map(error).collect()
}

pub(crate) async fn chunk(tx: &Tx<'_>, command: &ImportChunk) -> Result<bool, StoreError> {
    let Some(import) = find(tx, command.import).await? else { return Ok(false) };
    if import.status != ImportStatus::Running || import.bytes_done != command.from {
        return Ok(false);
    }
    let mut errors = command.errors.clone();
    let (mut done, mut failed) = (0_u64, command.wrong);
    for (number, row) in &command.rows {
        let refused = if import.is_dry_run {
            check(tx, row).await?
        } else {
            carry_out(tx, row, command.now).await?
        };
        match refused {
            None => done = done.saturating_add(1),
            Some((field, code, detail)) => {
                failed = failed.saturating_add(1);
                let (field, code) = (field.to_owned(), code.to_owned());
                errors.push(RowError { row: *number, field, code, detail });
            }
        }
    }
    write_errors(tx, &import, &errors).await?;
    let status = if command.is_last { ImportStatus::Done } else { ImportStatus::Running };
    let columns = command.columns.as_ref().map(feed::json).transpose()?;
    tx.execute(
        "UPDATE imports SET status = ?2, bytes_done = ?3, rows_done = rows_done + ?4, rows_failed = rows_failed + ?5,
           columns_json = coalesce(?6, columns_json), updated_at_ms = ?7 WHERE id = ?1",
        values![
            command.import.as_bytes(),
            status.as_str(),
            signed(command.to),
            signed(done),
            signed(failed),
            columns,
            command.now.unix_ms()
        ],
    )
    .await?;
    if command.is_last {
        drop_parts(tx, command.import).await?;
        tell(tx, command.import, status, command.now).await?;
    }
    Ok(true)
}

/// Writes what is wrong, as long as an import tells of it. A row has as many places as it has wrong fields.
async fn write_errors(tx: &Tx<'_>, import: &Import, errors: &[RowError]) -> Result<(), StoreError> {
    if import.rows_failed >= u64::from(IMPORT_ERRORS_MAX) {
        return Ok(());
    }
    let mut rows = BTreeSet::new();
    for (place, error) in (0_i64..).zip(errors) {
        rows.insert(error.row);
        let told = u64::try_from(rows.len()).unwrap_or(u64::MAX).saturating_add(import.rows_failed);
        if told > u64::from(IMPORT_ERRORS_MAX) {
            break;
        }
        tx.execute(
            "INSERT INTO import_errors (import_id, row_number, place, field, code, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            values![
                import.id.as_bytes(),
                signed(error.row),
                place,
                error.field,
                error.code,
                error.detail
            ],
        )
        .await?;
    }
    Ok(())
}

/// Forgets imports that were made before a moment. Returns how many went.
pub(crate) async fn forget(tx: &Tx<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    // By index imports_age.
    let old = tx
        .query(
            "SELECT id FROM imports WHERE created_at_ms <= ?1 LIMIT ?2",
            values![before.unix_ms(), limit],
        )
        .await?;
    for row in &old {
        let id: [u8; 16] = row.get(0)?;
        for sql in [
            "DELETE FROM import_parts WHERE import_id = ?1",
            "DELETE FROM import_errors WHERE import_id = ?1",
            "DELETE FROM imports WHERE id = ?1",
        ] {
            tx.execute(sql, values![&id]).await?;
        }
    }
    Ok(u64::try_from(old.len()).unwrap_or(u64::MAX))
}

/// Why a row is not carried out: its column, a code, and what it must be.
type Wrong = (&'static str, &'static str, String);
/// Nothing where a row is right.
pub(super) type Refused = Option<Wrong>;

fn unknown(sku: &Sku) -> Wrong {
    ("sku", "unknown", format!("{sku} is not a SKU of this shop"))
}

/// Looks whether a row could be carried out, and changes nothing.
async fn check(tx: &Tx<'_>, row: &ImportRow) -> Result<Refused, StoreError> {
    match row {
        ImportRow::Category(edit) => category::check(tx, edit).await,
        ImportRow::Product { product, .. } => {
            let known = product::id_of(tx, &product.handle).await?;
            for variant in &product.variants {
                let owner = catalogue::product_of(tx, &variant.sku).await?;
                if owner.is_some() && owner != known {
                    return Ok(refused(ProductRefusal::SkuTaken(variant.sku.clone())));
                }
            }
            let has_category = product::has_category(tx, &product.category).await?;
            Ok(if has_category { None } else { refused(ProductRefusal::UnknownCategory) })
        }
        ImportRow::Prices { sku, .. } => {
            let is_known = catalogue::product_of(tx, sku).await?.is_some();
            Ok(if is_known { None } else { Some(unknown(sku)) })
        }
        ImportRow::Stock { sku, location, counted, .. } => {
            Ok(match countable(tx, sku, *location).await? {
                Ok(counters) => too_few(counters, *counted),
                Err(refused) => Some(refused),
            })
        }
    }
}

/// Reads the counters of what was counted somewhere, or says which of the two is not known.
async fn countable(
    tx: &Tx<'_>,
    sku: &Sku,
    at: LocationId,
) -> Result<Result<Counters, Wrong>, StoreError> {
    if at != MAIN_LOCATION && location::find(tx, at).await?.is_none() {
        let detail = "must be the id of a location of this shop".to_owned();
        return Ok(Err(("location", "unknown", detail)));
    }
    Ok(stock::counters(tx, sku, at).await?.ok_or_else(|| unknown(sku)))
}

fn too_few(counters: Counters, counted: u32) -> Refused {
    let held = counters.reserved;
    (i64::from(counted) < held)
        .then(|| ("counted", "too-few", format!("{held} are held for orders")))
}

async fn carry_out(tx: &Tx<'_>, row: &ImportRow, now: Timestamp) -> Result<Refused, StoreError> {
    match row {
        ImportRow::Category(edit) => category::put(tx, edit, now).await,
        ImportRow::Product { product, edit, variant } => {
            let Some(known) = product::load(tx, &product.handle).await? else {
                let command = CreateProduct { product: (**product).clone(), now };
                return Ok(product::create(tx, &command).await?.err().and_then(refused));
            };
            let handle = &product.handle;
            if !product::has_category(tx, &product.category).await? {
                return Ok(refused(ProductRefusal::UnknownCategory));
            }
            for new in &product.variants {
                // What is there keeps what the row does not name, for instance its models.
                let stored = known.variants.iter().find(|old| old.variant.sku == new.sku);
                let mut row = stored.map_or_else(|| new.clone(), |old| old.variant.clone());
                if stored.is_some() {
                    variant.apply(&mut row);
                }
                let put = PutVariant { handle: handle.clone(), version: None, variant: row, now };
                if let Err(refusal) = product::put_variant(tx, &put).await? {
                    return Ok(refused(refusal));
                }
            }
            let edit = (**edit).clone();
            let change = ChangeProduct { handle: handle.clone(), version: None, edit, now };
            Ok(product::change(tx, &change).await?.err().and_then(refused))
        }
        ImportRow::Prices { sku, prices } => {
            let before: Vec<Money> = product::prices(tx, sku)
                .await?
                .into_iter()
                .map(|(currency, minor)| Money::new(minor, currency))
                .collect();
            let command = SetPrices { sku: sku.clone(), prices: over(&before, prices), now };
            Ok(product::set_prices(tx, &command).await?.err().and_then(refused))
        }
        ImportRow::Stock { sku, location, counted, safety } => {
            let place = (sku, *location);
            let counted = count(tx, place, *counted, now).await?;
            match safety {
                Some(pieces) if counted.is_none() => keep_back(tx, place, *pieces, now).await,
                _ => Ok(counted),
            }
        }
    }
}

/// Writes down how many pieces are in the house.
async fn count(
    tx: &Tx<'_>,
    (sku, location): (&Sku, LocationId),
    counted: u32,
    now: Timestamp,
) -> Result<Refused, StoreError> {
    let counters = match countable(tx, sku, location).await? {
        Ok(counters) => counters,
        Err(refused) => return Ok(Some(refused)),
    };
    let wrong = too_few(counters, counted);
    if wrong.is_some() {
        return Ok(wrong);
    }
    let command = MoveStock {
        sku: sku.clone(),
        location,
        change: StaffMove::Counted(counted),
        actor: "import".to_owned(),
        now,
    };
    Ok(stocktaking::move_by_hand(tx, &command).await?.err().map(|_too_far| {
        let text = format!("differs by more than {PIECES_MAX} pieces from what is known");
        ("counted", "too-large", text)
    }))
}

/// Writes down how many pieces of a place are never sold, if that is news.
async fn keep_back(
    tx: &Tx<'_>,
    (sku, location): (&Sku, LocationId),
    pieces: u32,
    now: Timestamp,
) -> Result<Refused, StoreError> {
    let known = stock::everywhere(tx, sku).await?;
    let kept = known.and_then(|known| known.at.get(&location).map(|here| here.safety));
    if kept.unwrap_or(0) == i64::from(pieces) {
        return Ok(None);
    }
    let command = SetStockRules {
        sku: sku.clone(),
        backorder: None,
        per_order_max: None,
        safety: [(location, pieces)].into(),
        actor: "import".to_owned(),
        now,
    };
    let refused = stocktaking::set_rules(tx, &command).await?.err();
    Ok(refused.map(|_gone| ("sku", "unknown", "is gone meanwhile".to_owned())))
}

fn refused(refusal: ProductRefusal) -> Refused {
    Some(match refusal {
        ProductRefusal::NotFound => ("sku", "unknown", "must be a SKU of this shop".to_owned()),
        ProductRefusal::SkuTaken(sku) => {
            ("sku", "sku-taken", format!("{sku} belongs to another product"))
        }
        ProductRefusal::UnknownCategory => {
            ("category", "unknown", "must be the handle of a category of this shop".to_owned())
        }
        // Another command was faster; the row may come again.
        ProductRefusal::Stale { .. } | ProductRefusal::HandleTaken => {
            ("handle", "handle-taken", "was changed by another meanwhile".to_owned())
        }
    })
}
