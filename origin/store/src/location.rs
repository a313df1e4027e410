//! Places where stock lies.

use std::collections::BTreeSet;

use domain::inventory::{Location, Strategy};
use domain::{Country, LocationId, Timestamp};

use crate::{Claim, Once, Store, StoreError, sql};

/// A location as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationRow {
    /// The location.
    pub location: Location,
    /// How often it was written, from 1.
    pub version: i64,
    /// When it was made; the main location was always there.
    pub created_at: Timestamp,
}

/// Makes a location.
#[derive(Debug, Clone)]
pub struct NewLocation {
    /// The location, with its name to us.
    pub location: Location,
    /// Now.
    pub now: Timestamp,
}

/// What is said anew about a location; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct LocationChange {
    /// Its name among people.
    pub name: Option<String>,
    /// Its place among those that are asked.
    pub priority: Option<u32>,
    /// Where it stands.
    pub country: Option<Country>,
    /// Where it ships to.
    pub serves: Option<BTreeSet<Country>>,
    /// Whether it takes part.
    pub is_active: Option<bool>,
}

impl LocationChange {
    /// Returns the location as it is then.
    pub(crate) fn of(self, before: Location) -> Location {
        Location {
            id: before.id,
            name: self.name.unwrap_or(before.name),
            priority: self.priority.unwrap_or(before.priority),
            country: self.country.unwrap_or(before.country),
            serves: self.serves.unwrap_or(before.serves),
            is_active: self.is_active.unwrap_or(before.is_active),
        }
    }
}

/// Changes a location.
#[derive(Debug, Clone)]
pub struct ChangeLocation {
    /// Which.
    pub id: LocationId,
    /// What is said anew.
    pub change: LocationChange,
    /// The version that was looked at; `None`: any.
    pub version: Option<i64>,
    /// Now.
    pub now: Timestamp,
}

/// Why nothing was done to a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocationRefused {
    /// There are [`domain::inventory::LOCATIONS_MAX`] already.
    TooMany,
    /// There is none of that name.
    NotFound,
    /// Somebody changed it meanwhile; this is its version.
    Stale(i64),
}

impl Store {
    /// Reads every location, oldest first.
    ///
    /// # Errors
    /// As every read.
    pub async fn locations(&self) -> Result<Vec<LocationRow>, StoreError> {
        self.read((), |tx, ()| Box::pin(sql::location::all(tx))).await
    }

    /// Reads a location.
    ///
    /// # Errors
    /// As every read.
    pub async fn location(&self, id: LocationId) -> Result<Option<LocationRow>, StoreError> {
        self.read(id, |tx, id| Box::pin(sql::location::find(tx, *id))).await
    }

    /// Makes a location; once for each key.
    ///
    /// # Errors
    /// As every write.
    pub async fn create_location(
        &self,
        command: NewLocation,
        claim: Option<Claim>,
    ) -> Result<Result<Once<LocationId>, LocationRefused>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::location::create(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Reads how stock is given out.
    ///
    /// # Errors
    /// As every read.
    pub async fn stock_strategy(&self) -> Result<Strategy, StoreError> {
        self.read((), |tx, ()| Box::pin(sql::allocation::strategy(tx))).await
    }

    /// Says how stock is given out from now on.
    ///
    /// # Errors
    /// As every write.
    pub async fn set_stock_strategy(
        &self,
        strategy: Strategy,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write((strategy, now), |tx, (strategy, now)| {
            Box::pin(sql::allocation::set_strategy(tx, *strategy, *now))
        })
        .await
    }

    /// Changes a location.
    ///
    /// # Errors
    /// As every write.
    pub async fn change_location(
        &self,
        command: ChangeLocation,
    ) -> Result<Result<(), LocationRefused>, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::location::change(tx, command))).await
    }
}
