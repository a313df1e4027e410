//! Keys and ended sessions, from the copy of the catalogue: it is as near as any other store, and seconds old.

use ports::{Sessions, SigningKey, SqlError, sessions};

use crate::SpinPorts;

impl Sessions for SpinPorts {
    async fn signing_keys(&self) -> Result<Vec<SigningKey>, SqlError> {
        sessions::signing_keys(self).await
    }

    async fn is_revoked(&self, session: &str) -> Result<bool, SqlError> {
        sessions::is_revoked(self, session).await
    }
}
