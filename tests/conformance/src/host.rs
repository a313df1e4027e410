//! A host of the edge application, as the cases see it: requests in, answers out.

use std::sync::Arc;

use anyhow::Result;

use crate::case::Origin;
use crate::tap::Tap;
use crate::wire::{Answer, Request};
use crate::world::World;

/// What every host can do.
pub trait Driver {
    /// Answers one request.
    ///
    /// # Errors
    /// When no whole answer comes.
    fn send(&mut self, request: &Request) -> Result<Answer>;

    /// Returns what the host wrote into its log, for failures.
    fn log(&self) -> String;
}

/// The outcome of starting a host.
pub enum Start {
    /// It serves, with the whole catalogue.
    Runs(Box<dyn Driver>),
    /// It is not on this machine; why, and how to have it.
    LeftOut(String),
}

/// A way to run the application.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// Its name in tests, differences and documents.
    pub name: &'static str,
    /// Starts it, with its own tap to the origin.
    pub start: fn(&World, &Tap) -> Result<Start>,
}

/// A running host with its tap.
pub struct Running {
    /// Which one.
    pub host: Host,
    driver: Box<dyn Driver>,
    tap: Tap,
    // After the driver: processes end before the folders that they write into.
    world: Arc<World>,
}

impl std::fmt::Debug for Start {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Runs(_) => out.write_str("Runs"),
            Self::LeftOut(why) => out.debug_tuple("LeftOut").field(why).finish(),
        }
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Running").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Running {
    /// Starts a host, or says why it is left out.
    ///
    /// # Errors
    /// When it is there and does not start.
    pub fn start(host: Host) -> Result<Result<Self, String>> {
        let world = World::shared()?;
        let tap = world.tap()?;
        match (host.start)(&world, &tap)? {
            Start::Runs(driver) => Ok(Ok(Self { host, driver, tap, world })),
            Start::LeftOut(why) => Ok(Err(why)),
        }
    }

    /// Answers one request, with the origin in the given state.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub fn send(&mut self, origin: Origin, request: &Request) -> Result<Answer> {
        match origin {
            Origin::Up => self.tap.open()?,
            Origin::Down => self.tap.shut(),
        }
        self.driver.send(request)
    }

    /// Returns what it stands on.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Returns the host's log.
    #[must_use]
    pub fn log(&self) -> String {
        self.driver.log()
    }
}
