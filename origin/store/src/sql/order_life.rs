//! Orders as they are read with all that happened to them, and notes on them.

use domain::order::{Happening, Note, TimelineEntry};
use domain::{NoteId, OrderId, Timestamp, UserId};

use super::order_state::{Known, Turn, known, open, record, told_entries};
use super::{invoice, operation, order, reservation};
use crate::order_state::{
    AddNote, NOTES_MAX, OrderLife, StatedOrder, StepRefused, StepTaken, TIMELINE_MAX, tell,
};
use crate::tx::{Row, Tx, values};
use crate::{OrderRecord, StoreError};

pub(crate) async fn stated(tx: &Tx<'_>, id: OrderId) -> Result<Option<StatedOrder>, StoreError> {
    match order::load(tx, id).await? {
        Some(order) => with_state(tx, order).await.map(Some),
        None => Ok(None),
    }
}

async fn with_state(tx: &Tx<'_>, order: OrderRecord) -> Result<StatedOrder, StoreError> {
    let (state, version) = match known(tx, &order).await {
        Ok(Known { state, version, .. }) => (Some(state), version),
        // Said where it was found; the order can be read all the same.
        Err(StoreError::Corrupt(_)) => (None, order.state_version),
        Err(error) => return Err(error),
    };
    let invoice = invoice::find(tx, order.id).await?;
    Ok(StatedOrder { order, state, version, invoice })
}

pub(crate) async fn of_user(
    tx: &Tx<'_>,
    user: UserId,
    limit: u32,
) -> Result<Vec<StatedOrder>, StoreError> {
    let mut stated = Vec::new();
    for order in order::of_user(tx, user, limit).await? {
        stated.push(with_state(tx, order).await?);
    }
    Ok(stated)
}

pub(crate) async fn life(tx: &Tx<'_>, id: OrderId) -> Result<Option<OrderLife>, StoreError> {
    let Some(order) = order::load(tx, id).await? else {
        return Ok(None);
    };
    let parts = reservation::parts(tx, id).await?;
    let mut timeline = match tell(&order, &parts) {
        Ok(told) if order.state_version == 0 => told_entries(tx, &order, &told.happenings).await?,
        _ => Vec::new(),
    };
    timeline.extend(entries(tx, id).await?);
    // A note may be older than the moment at which the story before it was written down.
    timeline.sort_by_key(|entry| entry.at);
    let notes = notes(tx, id).await?;
    let operations = operation::of_order(tx, id).await?;
    let stated = with_state(tx, order).await?;
    Ok(Some(OrderLife { stated, timeline, notes, operations }))
}

async fn entries(tx: &Tx<'_>, order: OrderId) -> Result<Vec<TimelineEntry>, StoreError> {
    // By primary key, backwards.
    let rows = tx
        .query(
            "SELECT entry_json FROM order_timeline WHERE order_id = ?1 ORDER BY sequence DESC LIMIT ?2",
            values![order.as_bytes(), TIMELINE_MAX],
        )
        .await?;
    let entry = |row: &Row| {
        serde_json::from_str(&row.get::<String>(0)?)
            .map_err(|_unreadable| StoreError::Corrupt("entry of a timeline"))
    };
    rows.iter().rev().map(entry).collect()
}

async fn notes(tx: &Tx<'_>, order: OrderId) -> Result<Vec<Note>, StoreError> {
    // By primary key.
    let rows = tx
        .query(
            "SELECT id, at_ms, author_json, audience, body FROM order_notes WHERE order_id = ?1 ORDER BY id LIMIT ?2",
            values![order.as_bytes(), NOTES_MAX],
        )
        .await?;
    rows.iter().map(read_note).collect()
}

fn read_note(row: &Row) -> Result<Note, StoreError> {
    let corrupt = || StoreError::Corrupt("note");
    let audience = serde_json::Value::String(row.get(3)?);
    Ok(Note {
        id: NoteId::from_bytes(row.get(0)?),
        at: Timestamp::from_unix_ms(row.get(1)?),
        author: serde_json::from_str(&row.get::<String>(2)?).map_err(|_unreadable| corrupt())?,
        audience: serde_json::from_value(audience).map_err(|_unknown| corrupt())?,
        text: row.get::<String>(4)?.try_into().map_err(|_invalid| corrupt())?,
    })
}

pub(crate) async fn add_note(
    tx: &Tx<'_>,
    command: &AddNote,
) -> Result<Result<StepTaken, StepRefused>, StoreError> {
    let AddNote { order: id, note } = command;
    let (order, known) = match open(tx, *id, None).await? {
        Ok(opened) => opened,
        Err(refused) => return Ok(Err(refused)),
    };
    if u32::try_from(notes(tx, *id).await?.len()).is_ok_and(|count| count >= NOTES_MAX) {
        return Ok(Err(StepRefused::TooMany { max: NOTES_MAX }));
    }
    let word = |value: Result<serde_json::Value, serde_json::Error>| {
        value.map_err(|_unwritable| StoreError::Corrupt("note"))
    };
    let author = word(serde_json::to_value(note.author))?.to_string();
    let audience = word(serde_json::to_value(note.audience))?;
    tx.execute(
        "INSERT INTO order_notes (order_id, id, at_ms, author_json, audience, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![
            id.as_bytes(),
            note.id.as_bytes(),
            note.at.unix_ms(),
            author,
            audience.as_str().unwrap_or_default(),
            note.text.as_str()
        ],
    )
    .await?;
    let turn = Turn { order: &order, actor: note.author, now: note.at };
    record(tx, &turn, Happening::NoteAdded { note: note.id }).await?;
    Ok(Ok(StepTaken { version: known.version, made: Some(note.id.to_string()) }))
}
