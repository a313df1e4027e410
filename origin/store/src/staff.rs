//! Roles of accounts, and keys of programs.

use std::fmt;
use std::time::Duration;

use domain::staff::Role;
use domain::{Email, SessionId, StaffKeyId, Timestamp, UserId};

use crate::{Store, StoreError, sql};

/// Least time between two notes of a key's last use: 1 minute, so that a busy key does not write all the time.
pub const LAST_USE_NOTED_EVERY: Duration = Duration::from_mins(1);
/// Keys of one shop, revoked ones included: 1 000.
pub const STAFF_KEYS_MAX: u32 = 1_000;

/// A key as it is stored: nobody can tell its secret of this.
#[derive(Clone, PartialEq, Eq)]
pub struct StaffKey {
    /// Its name to us.
    pub id: StaffKeyId,
    /// SHA-256 of the whole key.
    pub digest: [u8; 32],
    /// Its name to people.
    pub name: String,
    /// What it may be used for.
    pub roles: Vec<Role>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is worth nothing; absent: never by itself.
    pub expires_at: Option<Timestamp>,
    /// Since when it is worth nothing because somebody said so.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl fmt::Debug for StaffKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaffKey({}, {:?}, ***)", self.id, self.name)
    }
}

impl StaffKey {
    /// Tells whether the key is good at a moment.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// An account with roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffMember {
    /// The account.
    pub user: UserId,
    /// Its address.
    pub email: String,
    /// Its roles.
    pub roles: Vec<Role>,
}

/// What became of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granting {
    /// It is as was asked now.
    Done,
    /// It was so before.
    AsBefore,
    /// No account has that address.
    NoAccount,
}

impl Store {
    /// Keeps a new key. `false` when there are [`STAFF_KEYS_MAX`] already.
    ///
    /// # Errors
    /// As every write.
    pub async fn create_staff_key(&self, key: StaffKey) -> Result<bool, StoreError> {
        self.write(key, |tx, key| Box::pin(sql::staff::create_key(tx, key))).await
    }

    /// Reads a key.
    ///
    /// # Errors
    /// As every read.
    pub async fn staff_key(&self, id: StaffKeyId) -> Result<Option<StaffKey>, StoreError> {
        self.read(id, |tx, id| Box::pin(sql::staff::find_key(tx, *id))).await
    }

    /// Reads every key, oldest first.
    ///
    /// # Errors
    /// As every read.
    pub async fn staff_keys(&self) -> Result<Vec<StaffKey>, StoreError> {
        self.read((), |tx, ()| Box::pin(sql::staff::keys(tx))).await
    }

    /// Makes a key worthless for ever. `false` when there is none, or it was revoked before.
    ///
    /// # Errors
    /// As every write.
    pub async fn revoke_staff_key(
        &self,
        id: StaffKeyId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write((id, now), |tx, (id, now)| Box::pin(sql::staff::revoke_key(tx, *id, *now))).await
    }

    /// Notes that a key was used.
    ///
    /// # Errors
    /// As every write.
    pub async fn note_staff_key_use(
        &self,
        id: StaffKeyId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write((id, now), |tx, (id, now)| Box::pin(sql::staff::note_use(tx, *id, *now))).await
    }

    /// Gives a role to the account of an address.
    ///
    /// # Errors
    /// As every write.
    pub async fn grant_role(
        &self,
        email: Email,
        role: Role,
        now: Timestamp,
    ) -> Result<Granting, StoreError> {
        self.write((email, role, now), |tx, (email, role, now)| {
            Box::pin(sql::staff::grant(tx, email, *role, *now))
        })
        .await
    }

    /// Takes a role from the account of an address, or all of them.
    ///
    /// # Errors
    /// As every write.
    pub async fn revoke_role(
        &self,
        email: Email,
        role: Option<Role>,
    ) -> Result<Granting, StoreError> {
        self.write((email, role), |tx, (email, role)| {
            Box::pin(sql::staff::revoke(tx, email, *role))
        })
        .await
    }

    /// Reads the roles of a session's account; none where the session was revoked.
    ///
    /// # Errors
    /// As every read.
    pub async fn roles(&self, user: UserId, session: SessionId) -> Result<Vec<Role>, StoreError> {
        self.read((user, session), |tx, (user, session)| {
            Box::pin(sql::staff::roles(tx, *user, *session))
        })
        .await
    }

    /// Reads every account that has a role.
    ///
    /// # Errors
    /// As every read.
    pub async fn staff_members(&self) -> Result<Vec<StaffMember>, StoreError> {
        self.read((), |tx, ()| Box::pin(sql::staff::members(tx))).await
    }
}
