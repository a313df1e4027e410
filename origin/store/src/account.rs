//! Accounts and their sessions.

use std::convert::Infallible;
use std::time::Duration;

use domain::{Email, SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::{Claim, Once, Store, StoreError, sql};

/// Makes an account and opens its first session.
#[derive(Debug, Clone)]
pub struct CreateAccount {
    /// Its name.
    pub user: UserId,
    /// Its address.
    pub email: Email,
    /// PHC string of the password.
    pub password_hash: String,
    /// Its first session.
    pub session: OpenSession,
}

/// Opens a session. Its first refresh token has generation 1.
#[derive(Debug, Clone)]
pub struct OpenSession {
    /// Its name.
    pub id: SessionId,
    /// Digest of its first refresh token.
    pub refresh_hash: [u8; 32],
    /// When that token ends.
    pub refresh_expires_at: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// Exchanges a refresh token for the next one.
#[derive(Debug, Clone)]
pub struct Rotate {
    /// Session of the token.
    pub session: SessionId,
    /// Generation of the token.
    pub generation: u32,
    /// Digest of the token.
    pub hash: [u8; 32],
    /// Digest of the next token.
    pub next_hash: [u8; 32],
    /// When the next token ends.
    pub next_expires_at: Timestamp,
    /// How long an access token may outlive the session: the life of the revocation.
    pub revocation_kept: Duration,
    /// Now.
    pub now: Timestamp,
}

/// What a session may be told to its owner; tokens are made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionGrant {
    /// Whose.
    pub user: UserId,
    /// Address of the account.
    pub email: String,
    /// The session.
    pub session: SessionId,
    /// Generation of the refresh token to hand out.
    pub generation: u32,
    /// When it was granted: a replay hands out the same tokens.
    pub granted_at: Timestamp,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub id: UserId,
    /// Its address.
    pub email: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The address has an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailTaken;

/// Why a refresh token was not exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshRefused {
    /// Unknown, ended, or of a session that was revoked.
    Invalid,
    /// Used before: somebody has a copy. The session is revoked now.
    Reused,
}

/// What a login finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginStart {
    /// Too many failures: wait so long.
    Wait(Duration),
    /// Compare the password with this hash; `None`: no such account (compare with a decoy).
    Compare(Option<(UserId, String)>),
}

impl Store {
    /// Makes an account.
    ///
    /// # Errors
    /// As every write.
    pub async fn create_account(
        &self,
        command: CreateAccount,
        claim: Option<Claim>,
    ) -> Result<Result<Once<SessionGrant>, EmailTaken>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::account::create(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.session.now, work))
        })
        .await
    }

    /// Starts a login: counts it as failed until [`Store::open_session`] says otherwise, so that guesses made at once
    /// count too.
    ///
    /// # Errors
    /// As every write.
    pub async fn start_login(
        &self,
        email: Email,
        now: Timestamp,
    ) -> Result<LoginStart, StoreError> {
        self.write((email, now), |tx, (email, now)| {
            Box::pin(sql::account::start_login(tx, email, *now))
        })
        .await
    }

    /// Ends a login whose password was right: forgets the failures and opens a session.
    ///
    /// # Errors
    /// As every write.
    pub async fn open_session(
        &self,
        user: UserId,
        session: OpenSession,
        claim: Option<Claim>,
    ) -> Result<Once<SessionGrant>, StoreError> {
        self.write((user, session, claim), |tx, (user, session, claim)| {
            Box::pin(async move {
                let work = async {
                    let opened = sql::account::open_session(tx, *user, session).await?;
                    Ok(Ok::<_, Infallible>(opened))
                };
                match sql::idempotency::once(tx, claim.as_ref(), session.now, work).await? {
                    Ok(once) => Ok(once),
                    Err(never) => match never {},
                }
            })
        })
        .await
    }

    /// Exchanges a refresh token.
    ///
    /// # Errors
    /// As every write.
    pub async fn rotate_refresh(
        &self,
        command: Rotate,
        claim: Option<Claim>,
    ) -> Result<Result<Once<SessionGrant>, RefreshRefused>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::account::rotate(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Ends a session: its refresh tokens at once, its access tokens as soon as the edges have heard.
    ///
    /// # Errors
    /// As every write.
    pub async fn revoke_session(
        &self,
        session: SessionId,
        kept: Duration,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write((session, now.after(kept), now), |tx, (session, until, now)| {
            Box::pin(sql::account::revoke(tx, *session, *until, *now))
        })
        .await
    }

    /// Reads the account of a session that has not been revoked.
    ///
    /// # Errors
    /// As every read.
    pub async fn account(
        &self,
        user: UserId,
        session: SessionId,
    ) -> Result<Option<Account>, StoreError> {
        self.read((user, session), |tx, (user, session)| {
            Box::pin(sql::account::find(tx, *user, *session))
        })
        .await
    }
}
