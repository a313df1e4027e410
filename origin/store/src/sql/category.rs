//! Statements of categories.

use domain::{Handle, Timestamp};

use super::import::Refused;
use super::{catalogue, feed, outbox};
use crate::StoreError;
use crate::catalogue::CategoryRow;
use crate::import::CategoryEdit;
use crate::tx::{Tx, values};

/// Categories above one another: 32. More is a mistake, and would make every cart look them all up.
pub(crate) const DEPTH_MAX: usize = 32;

/// Makes a category, or writes over what is named of one. Says what is wrong with it.
pub(crate) async fn put(
    tx: &Tx<'_>,
    edit: &CategoryEdit,
    now: Timestamp,
) -> Result<Refused, StoreError> {
    let refused = check(tx, edit).await?;
    if refused.is_some() {
        return Ok(refused);
    }
    let handle = &edit.handle;
    // By primary key.
    let found = tx
        .query_opt(
            "SELECT description, position, image_url FROM categories WHERE handle = ?1",
            values![handle.as_str()],
        )
        .await?;
    let kind = if found.is_some() { "category.updated" } else { "category.created" };
    let (description, position, image_url) = match found {
        Some(row) => (row.get(0)?, row.get(1)?, row.get(2)?),
        None => (String::new(), 0, String::new()),
    };
    let row = CategoryRow {
        handle: handle.clone(),
        title: edit.title.clone(),
        description: edit.description.clone().unwrap_or(description),
        position: edit.position.unwrap_or(position),
        image_url: edit.image_url.clone().unwrap_or(image_url),
        parent: edit.parent.clone().flatten(),
    };
    catalogue::upsert_category(tx, &row).await?;
    if edit.parent == Some(None) {
        let sql = "UPDATE categories SET parent = NULL WHERE handle = ?1";
        tx.execute(sql, values![handle.as_str()]).await?;
    }
    feed::publish(tx, &[feed::row("categories", [handle.as_str()])], now).await?;
    let words = serde_json::json!({ "category": handle, "type": kind, "at": now }).to_string();
    outbox::append_about(tx, ("category", handle.as_str()), kind, &words, now).await?;
    Ok(None)
}

/// Says what is wrong with a category beside the others.
pub(crate) async fn check(tx: &Tx<'_>, edit: &CategoryEdit) -> Result<Refused, StoreError> {
    let Some(Some(parent)) = &edit.parent else { return Ok(None) };
    let mut above = Some(parent.clone());
    for _ in 0..DEPTH_MAX {
        let Some(handle) = above else { return Ok(None) };
        if handle == edit.handle {
            let detail = "must not lie below itself".to_owned();
            return Ok(Some(("parent", "cycle", detail)));
        }
        // By primary key.
        let row = tx
            .query_opt("SELECT parent FROM categories WHERE handle = ?1", values![handle.as_str()])
            .await?;
        let Some(row) = row else {
            // What lies above the one that is named was never checked, and is not this row's fault.
            let is_named = handle == *parent;
            let detail =
                "must be the handle of a category of this shop, or of a row before".to_owned();
            return Ok(is_named.then_some(("parent", "unknown", detail)));
        };
        above = row
            .get::<Option<String>>(0)?
            .map(|text| text.parse::<Handle>())
            .transpose()
            .map_err(|_invalid| StoreError::Corrupt("category"))?;
    }
    let detail = format!("must lie below at most {DEPTH_MAX} others");
    Ok(above.map(|_more| ("parent", "too-deep", detail)))
}
