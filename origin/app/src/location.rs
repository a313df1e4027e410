//! Places where stock lies.

use std::collections::BTreeSet;

use api_types::stock::{
    Location as Wire, LocationChange as WireChange, Locations, NewLocation as WireNew,
    StockStrategy,
};
use domain::inventory::{LOCATIONS_MAX, Location, MAIN_LOCATION, Strategy};
use domain::{Country, ErrorKind, LocationId};
use store::{ChangeLocation, Claim, LocationChange, LocationRefused, LocationRow, NewLocation};

use crate::cart::Precondition;
use crate::error::answered;
use crate::{Answered, App, Error, Refusal, random};

/// Longest name: 100 bytes.
const NAME_BYTES_MAX: usize = 100;
/// SKUs whose levels are compared in one commit after a location was changed: 200.
const LEVELS_AT_ONCE: u32 = 200;

impl App {
    /// Reads every location.
    ///
    /// # Errors
    /// As every read.
    pub async fn locations(&self) -> Result<Locations, Error> {
        Ok(Locations { items: self.store.locations().await?.into_iter().map(wire).collect() })
    }

    /// Reads a location.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn location(&self, id: LocationId) -> Result<Wire, Error> {
        Ok(wire(self.store.location(id).await?.ok_or_else(Refusal::not_found)?))
    }

    /// Reads how stock is given out.
    ///
    /// # Errors
    /// As every read.
    pub async fn stock_strategy(&self) -> Result<StockStrategy, Error> {
        Ok(StockStrategy { strategy: self.store.stock_strategy().await?.as_str().to_owned() })
    }

    /// Says how stock is given out from now on.
    ///
    /// # Errors
    /// `invalid-input`.
    pub async fn set_stock_strategy(
        &self,
        request: &StockStrategy,
    ) -> Result<StockStrategy, Error> {
        let strategy =
            Strategy::ALL.into_iter().find(|strategy| strategy.as_str() == request.strategy);
        let Some(strategy) = strategy else {
            let words = Strategy::ALL.map(Strategy::as_str).join(", ");
            let detail = format!("must be one of {words}");
            return Err(Refusal::invalid().field("/strategy", "invalid", detail).into());
        };
        self.store.set_stock_strategy(strategy, self.clock.now()).await?;
        self.stock_strategy().await
    }

    /// Makes a location.
    ///
    /// # Errors
    /// `invalid-input`, `too-many-locations`, and what a key may refuse.
    pub async fn create_location(
        &self,
        request: WireNew,
        claim: Option<Claim>,
    ) -> Result<Answered<Wire>, Error> {
        let mut refusal = check_name(Refusal::invalid(), &request.name);
        let country = read_country(&mut refusal, "/country", &request.country);
        let serves = read_countries(&mut refusal, &request.serves);
        let Some(country) = country.filter(|_| refusal.fields.is_empty()) else {
            return Err(refusal.into());
        };
        let now = self.clock.now();
        let location = Location {
            id: LocationId::v7(now, random()?),
            name: request.name,
            priority: request.priority,
            country,
            serves,
            is_active: request.active.unwrap_or(true),
        };
        let made = self.store.create_location(NewLocation { location, now }, claim).await?;
        let Answered { value: id, is_replay } = answered(made.map_err(refuse)?)?;
        Ok(Answered { value: self.location(id).await?, is_replay })
    }

    /// Changes a location, and tells the edges what that means for the levels of what lies there.
    ///
    /// Levels follow some at a time after the change itself. Should the process die between, the edges read old ones
    /// until each changes again; what a checkout decides is never old.
    ///
    /// # Errors
    /// `not-found`, `invalid-input`, `precondition-failed`.
    pub async fn change_location(
        &self,
        id: LocationId,
        request: WireChange,
        version: Precondition,
    ) -> Result<Wire, Error> {
        let mut refusal = Refusal::invalid();
        if let Some(name) = &request.name {
            refusal = check_name(refusal, name);
        }
        let country = request
            .country
            .as_deref()
            .and_then(|text| read_country(&mut refusal, "/country", text));
        let serves = request.serves.as_deref().map(|texts| read_countries(&mut refusal, texts));
        if !refusal.fields.is_empty() {
            return Err(refusal.into());
        }
        let (priority, is_active) = (request.priority, request.active);
        let change = LocationChange { name: request.name, priority, country, serves, is_active };
        let command = ChangeLocation { id, change, version, now: self.clock.now() };
        self.store.change_location(command).await?.map_err(refuse)?;
        if is_active.is_some() {
            let mut after = None;
            loop {
                let now = self.clock.now();
                after = self.store.publish_levels(id, after, LEVELS_AT_ONCE, now).await?;
                if after.is_none() {
                    break;
                }
            }
        }
        self.location(id).await
    }
}

fn wire(row: LocationRow) -> Wire {
    let Location { id, name, priority, country, serves, is_active } = row.location;
    Wire {
        id,
        name,
        priority,
        country,
        serves,
        active: is_active,
        main: id == MAIN_LOCATION,
        version: row.version,
        created_at: row.created_at,
    }
}

fn refuse(refused: LocationRefused) -> Refusal {
    match refused {
        LocationRefused::TooMany => {
            let title = "There are as many locations as there may be";
            Refusal::new(ErrorKind::Conflict, "too-many-locations", title)
                .detail(format!("the limit is {LOCATIONS_MAX}"))
        }
        LocationRefused::NotFound => Refusal::not_found(),
        LocationRefused::Stale(version) => stale(version),
    }
}

/// Somebody changed it meanwhile.
pub(crate) fn stale(version: i64) -> Refusal {
    Refusal::new(ErrorKind::PreconditionFailed, "precondition-failed", "The version is stale")
        .detail(format!("it is at version {version}"))
}

fn check_name(refusal: Refusal, name: &str) -> Refusal {
    if (1..=NAME_BYTES_MAX).contains(&name.trim().len()) && !name.contains(char::is_control) {
        return refusal;
    }
    let detail = format!("must have 1 to {NAME_BYTES_MAX} bytes and no control characters");
    refusal.field("/name", "invalid", detail)
}

fn read_country(refusal: &mut Refusal, pointer: &str, text: &str) -> Option<Country> {
    match text.parse() {
        Ok(country) => Some(country),
        Err(invalid) => {
            let invalid: domain::InvalidCountry = invalid;
            *refusal = refusal.clone().field(pointer, "invalid", invalid.to_string());
            None
        }
    }
}

fn read_countries(refusal: &mut Refusal, texts: &[String]) -> BTreeSet<Country> {
    let texts = texts.iter().enumerate();
    texts
        .filter_map(|(index, text)| read_country(refusal, &format!("/serves/{index}"), text))
        .collect()
}
