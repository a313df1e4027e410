//! Which process runs a job.

use std::time::Duration;

use store::{Lease, Leasing};

use crate::{App, Error};

/// How long a job stays with who has it without a sign of life: 15 s. A killed process's job is taken up after that.
pub const JOB_LEASE: Duration = Duration::from_secs(15);

impl App {
    /// Takes a job for [`JOB_LEASE`] from now, or goes on with it.
    ///
    /// # Errors
    /// As every write.
    pub async fn lease_job(&self, job: &'static str) -> Result<Leasing, Error> {
        Ok(self.store.lease_job(job, &self.process, JOB_LEASE, self.clock.now()).await?)
    }

    /// Gives a job back, so that another process takes it at once.
    ///
    /// # Errors
    /// As every write.
    pub async fn give_back_job(&self, lease: &Lease) -> Result<(), Error> {
        Ok(self.store.give_back_job(lease).await?)
    }
}
