//! Statements of accounts and sessions.

use domain::account::LoginFailures;
use domain::{Email, SessionId, Timestamp, UserId};

use super::feed;
use crate::StoreError;
use crate::account::{
    Account, CreateAccount, EmailTaken, LoginStart, OpenSession, RefreshRefused, Rotate,
    SessionGrant,
};
use crate::tx::{Tx, values};

pub(crate) async fn create(
    tx: &Tx<'_>,
    command: &CreateAccount,
) -> Result<Result<SessionGrant, EmailTaken>, StoreError> {
    let now = command.session.now;
    let inserted = tx
        .execute(
            "INSERT INTO users (id, email, password_hash, created_at_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (email) DO NOTHING",
            values![
                command.user.as_bytes(),
                command.email.as_str(),
                command.password_hash,
                now.unix_ms()
            ],
        )
        .await?;
    if inserted == 0 {
        return Ok(Err(EmailTaken));
    }
    open_session(tx, command.user, &command.session).await.map(Ok)
}

pub(crate) async fn start_login(
    tx: &Tx<'_>,
    email: &Email,
    now: Timestamp,
) -> Result<LoginStart, StoreError> {
    let known = tx
        .query_opt(
            "SELECT failures, since_ms FROM login_attempts WHERE email = ?1",
            values![email.as_str()],
        )
        .await?;
    let failures = match known {
        None => LoginFailures { count: 0, since: now },
        Some(row) => {
            LoginFailures { count: row.get(0)?, since: Timestamp::from_unix_ms(row.get(1)?) }
        }
    };
    if let Some(wait) = failures.wait(now) {
        return Ok(LoginStart::Wait(wait));
    }
    let failures = failures.failed(now);
    tx.execute("INSERT INTO login_attempts (email, failures, since_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT (email) DO UPDATE SET failures = excluded.failures, since_ms = excluded.since_ms", values![email.as_str(), failures.count, failures.since.unix_ms()]).await?;
    let user = tx
        .query_opt("SELECT id, password_hash FROM users WHERE email = ?1", values![email.as_str()])
        .await?
        .map(|row| Ok::<_, StoreError>((UserId::from_bytes(row.get(0)?), row.get(1)?)))
        .transpose()?;
    Ok(LoginStart::Compare(user))
}

pub(crate) async fn open_session(
    tx: &Tx<'_>,
    user: UserId,
    session: &OpenSession,
) -> Result<SessionGrant, StoreError> {
    let email: String = tx
        .query_one("SELECT email FROM users WHERE id = ?1", values![user.as_bytes()])
        .await?
        .get(0)?;
    tx.execute("DELETE FROM login_attempts WHERE email = ?1", values![&email]).await?;
    tx.execute(
        "INSERT INTO sessions (id, user_id, created_at_ms) VALUES (?1, ?2, ?3)",
        values![session.id.as_bytes(), user.as_bytes(), session.now.unix_ms()],
    )
    .await?;
    insert_token(tx, session.id, 1, session.refresh_hash, session.refresh_expires_at).await?;
    Ok(SessionGrant { user, email, session: session.id, generation: 1, granted_at: session.now })
}

async fn insert_token(
    tx: &Tx<'_>,
    session: SessionId,
    generation: u32,
    hash: [u8; 32],
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute("INSERT INTO refresh_tokens (hash, session_id, generation, expires_at_ms) VALUES (?1, ?2, ?3, ?4)", values![hash, session.as_bytes(), generation, expires_at.unix_ms()]).await?;
    Ok(())
}

pub(crate) async fn rotate(
    tx: &Tx<'_>,
    command: &Rotate,
) -> Result<Result<SessionGrant, RefreshRefused>, StoreError> {
    // By primary key.
    let row = tx
        .query_opt(
            "SELECT t.expires_at_ms, t.used_at_ms IS NOT NULL, s.revoked_at_ms IS NOT NULL, u.id, u.email
             FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id
             WHERE t.hash = ?1 AND t.session_id = ?2 AND t.generation = ?3",
            values![&command.hash, command.session.as_bytes(), command.generation],
        )
        .await?;
    let Some(row) = row else {
        return Ok(Err(RefreshRefused::Invalid));
    };
    let (is_used, is_revoked): (bool, bool) = (row.get(1)?, row.get(2)?);
    let (user, email) = (UserId::from_bytes(row.get(3)?), row.get(4)?);
    let expires_at = Timestamp::from_unix_ms(row.get(0)?);
    if is_revoked || expires_at <= command.now {
        return Ok(Err(RefreshRefused::Invalid));
    }
    if is_used {
        // Two holders of one token: the thief and the owner cannot be told apart, so both lose.
        let until = command.now.after(command.revocation_kept);
        revoke(tx, command.session, until, command.now).await?;
        return Ok(Err(RefreshRefused::Reused));
    }
    tx.execute(
        "UPDATE refresh_tokens SET used_at_ms = ?2 WHERE hash = ?1",
        values![command.hash, command.now.unix_ms()],
    )
    .await?;
    let generation = command.generation.saturating_add(1);
    insert_token(tx, command.session, generation, command.next_hash, command.next_expires_at)
        .await?;
    Ok(Ok(SessionGrant {
        user,
        email,
        session: command.session,
        generation,
        granted_at: command.now,
    }))
}

pub(crate) async fn revoke(
    tx: &Tx<'_>,
    session: SessionId,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let revoked = tx
        .execute(
            "UPDATE sessions SET revoked_at_ms = ?2 WHERE id = ?1 AND revoked_at_ms IS NULL",
            values![session.as_bytes(), now.unix_ms()],
        )
        .await?;
    if revoked == 0 {
        return Ok(());
    }
    let name = session.to_string();
    tx.execute("INSERT INTO revocations (session_id, until_ms) VALUES (?1, ?2) ON CONFLICT (session_id) DO NOTHING", values![name, until.unix_ms()]).await?;
    feed::publish(tx, &[feed::row("revocations", [name.as_str()])], now).await
}

pub(crate) async fn find(
    tx: &Tx<'_>,
    user: UserId,
    session: SessionId,
) -> Result<Option<Account>, StoreError> {
    // By primary keys.
    let row = tx
        .query_opt(
            "SELECT u.email, u.created_at_ms FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.id = ?2 AND s.user_id = ?1 AND s.revoked_at_ms IS NULL",
            values![user.as_bytes(), session.as_bytes()],
        )
        .await?;
    row.map(|row| {
        Ok(Account {
            id: user,
            email: row.get(0)?,
            created_at: Timestamp::from_unix_ms(row.get(1)?),
        })
    })
    .transpose()
}
