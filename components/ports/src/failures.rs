//! What a failing host means to who asks. One mapping, so that every core says the same.

use api_types::problem::{Failure, Problem};
use domain::ErrorKind;

use crate::{SqlError, VariableError};

/// A copy that is not there yet is worth waiting for: 1 s, a fresh node needs no longer.
const READY_AFTER_S: u32 = 1;

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::NotReady => {
                Problem::of(ErrorKind::Unavailable).retry_after(READY_AFTER_S).into()
            }
            SqlError::Denied | SqlError::TooManyRows | SqlError::Failed(_) => Self::fault(error),
        }
    }
}

impl From<VariableError> for Failure {
    fn from(error: VariableError) -> Self {
        Self::fault(error)
    }
}
