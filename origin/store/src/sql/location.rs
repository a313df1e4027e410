//! Statements of locations.

use std::collections::BTreeSet;

use domain::inventory::{LOCATIONS_MAX, Location, MAIN_LOCATION};
use domain::{Country, LocationId, Timestamp};

use super::outbox;
use crate::StoreError;
use crate::location::{ChangeLocation, LocationRefused, LocationRow, NewLocation};
use crate::tx::{Row, Tx, values};

const COLUMNS: &str = "id, name, priority, country, serves_json, is_active, version, created_at_ms";

/// Reads every location, oldest first; [`LOCATIONS_MAX`] at most.
pub(crate) async fn all(tx: &Tx<'_>) -> Result<Vec<LocationRow>, StoreError> {
    // By primary key, in its order.
    let sql = format!("SELECT {COLUMNS} FROM locations WHERE id >= ?1 ORDER BY id");
    tx.query(&sql, values![[0_u8; 16]]).await?.iter().map(read).collect()
}

pub(crate) async fn find(tx: &Tx<'_>, id: LocationId) -> Result<Option<LocationRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM locations WHERE id = ?1");
    tx.query_opt(&sql, values![id.as_bytes()]).await?.as_ref().map(read).transpose()
}

/// Returns the main location of a shop that has said nothing about it.
pub(crate) fn main_alone() -> Result<Location, StoreError> {
    let country = "ZZ".parse().map_err(|_invalid| StoreError::Corrupt("country of a location"))?;
    Ok(Location {
        id: MAIN_LOCATION,
        name: String::new(),
        priority: 0,
        country,
        serves: BTreeSet::new(),
        is_active: true,
    })
}

fn read(row: &Row) -> Result<LocationRow, StoreError> {
    let corrupt = StoreError::Corrupt;
    let (country, serves): (String, String) = (row.get(3)?, row.get(4)?);
    let serves: BTreeSet<Country> =
        serde_json::from_str(&serves).map_err(|_unreadable| corrupt("countries of a location"))?;
    Ok(LocationRow {
        location: Location {
            id: LocationId::from_bytes(row.get(0)?),
            name: row.get(1)?,
            priority: row.get(2)?,
            country: country.parse().map_err(|_invalid| corrupt("country of a location"))?,
            serves,
            is_active: row.get(5)?,
        },
        version: row.get(6)?,
        created_at: Timestamp::from_unix_ms(row.get(7)?),
    })
}

fn serves_json(serves: &BTreeSet<Country>) -> Result<String, StoreError> {
    serde_json::to_string(serves)
        .map_err(|_unwritable| StoreError::Corrupt("countries of a location"))
}

pub(crate) async fn create(
    tx: &Tx<'_>,
    command: &NewLocation,
) -> Result<Result<LocationId, LocationRefused>, StoreError> {
    if all(tx).await?.len() >= LOCATIONS_MAX {
        return Ok(Err(LocationRefused::TooMany));
    }
    let Location { id, name, priority, country, serves, is_active } = &command.location;
    tx.execute(
        "INSERT INTO locations (id, name, priority, country, serves_json, is_active, version, created_at_ms, updated_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?7)",
        values![
            id.as_bytes(),
            name,
            *priority,
            country.as_str(),
            serves_json(serves)?,
            *is_active,
            command.now.unix_ms()
        ],
    )
    .await?;
    tell(tx, *id, "location.created", command.now).await?;
    Ok(Ok(*id))
}

pub(crate) async fn change(
    tx: &Tx<'_>,
    command: &ChangeLocation,
) -> Result<Result<(), LocationRefused>, StoreError> {
    let Some(found) = find(tx, command.id).await? else {
        return Ok(Err(LocationRefused::NotFound));
    };
    if command.version.is_some_and(|version| version != found.version) {
        return Ok(Err(LocationRefused::Stale(found.version)));
    }
    let Location { name, priority, country, serves, is_active, .. } =
        command.change.clone().of(found.location);
    tx.execute(
        "UPDATE locations SET name = ?2, priority = ?3, country = ?4, serves_json = ?5, is_active = ?6,
           version = version + 1, updated_at_ms = ?7 WHERE id = ?1",
        values![
            command.id.as_bytes(),
            name,
            priority,
            country.as_str(),
            serves_json(&serves)?,
            is_active,
            command.now.unix_ms()
        ],
    )
    .await?;
    tell(tx, command.id, "location.changed", command.now).await?;
    Ok(Ok(()))
}

/// Tells merchants' programs about a location.
pub(crate) async fn tell(
    tx: &Tx<'_>,
    id: LocationId,
    kind: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let words = serde_json::json!({ "location_id": id, "type": kind, "at": now }).to_string();
    outbox::append_about(tx, ("location", &id.to_string()), kind, &words, now).await
}
