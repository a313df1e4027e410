//! The harness's stack for threads that wait.

use std::time::Duration;

use anyhow::{Result, bail};
use harness::{EdgeOptions, Environment, Role, Stack, StackOptions};

use crate::RUNTIME;
use crate::client::Client;

const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running shop with its own data; all of it ends with the value.
///
/// `cargo xtask up` would start a killed process by itself; here it stays dead until the test says so.
#[derive(Debug)]
pub struct Shop(Stack);

impl Shop {
    /// Starts a seeded shop and waits until its edge has the catalogue.
    ///
    /// # Errors
    /// When something is not built or does not start.
    pub fn start() -> Result<Self> {
        // A crowd of guests on one machine has one address.
        let variables = vec![("rate_limit_scale".to_owned(), "10000".to_owned())];
        let edge = EdgeOptions { variables, ..EdgeOptions::default() };
        let options = StackOptions { edge, ..StackOptions::default() };
        let environment = Environment::from_env()?;
        RUNTIME.block_on(Stack::start_with(environment, options)).map(Self)
    }

    /// Asks the edge, as shoppers do.
    #[must_use]
    pub fn edge(&self) -> Client {
        Client::of(self.0.client())
    }

    /// Returns where a process listens.
    #[must_use]
    pub fn url(&self, role: Role) -> String {
        self.0.url(role)
    }

    /// Makes a key of the staff that may do everything.
    ///
    /// # Errors
    /// When the origin's program does not make one.
    pub fn staff_key(&self) -> Result<String> {
        self.0.staff_key("e2e")
    }

    /// Starts a process that was stopped or killed, on its old port and data.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self, role: Role) -> Result<()> {
        RUNTIME.block_on(self.0.restart(role))
    }

    /// Ends a process as a power cut does.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self, role: Role) -> Result<()> {
        RUNTIME.block_on(self.0.kill(role))
    }

    /// Ends a process as an operator does, and waits until it is gone.
    ///
    /// # Errors
    /// When it does not end in time, or not well.
    pub fn stop(&mut self, role: Role) -> Result<()> {
        let status = RUNTIME.block_on(self.0.process(role)?.terminate(STOP_LIMIT))?;
        if !status.success() {
            bail!("{role:?} ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        for role in [Role::Edge, Role::Origin, Role::Payments] {
            if std::thread::panicking()
                && let Ok(process) = self.0.process(role)
            {
                let log = format!("── log of {role:?}\n{}\n", process.log());
                let _ = std::io::Write::write_all(&mut std::io::stderr(), log.as_bytes());
            }
            // Inside the runtime, which alone may reap them.
            let _ = self.kill(role);
        }
    }
}
