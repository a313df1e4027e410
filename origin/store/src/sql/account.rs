//! Statements of accounts and sessions.

use domain::account::LoginFailures;
use domain::{Email, SessionId, Timestamp, UserId};
use rusqlite::{Connection, OptionalExtension, params};

use super::feed;
use crate::StoreError;
use crate::account::{
    Account, CreateAccount, EmailTaken, LoginStart, OpenSession, RefreshRefused, Rotate,
    SessionGrant,
};

pub(crate) fn create(
    connection: &Connection,
    command: &CreateAccount,
) -> Result<Result<SessionGrant, EmailTaken>, StoreError> {
    let now = command.session.now;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO users (id, email, password_hash, created_at_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (email) DO NOTHING",
        )?
        .execute(params![
            command.user.as_bytes(),
            command.email.as_str(),
            command.password_hash,
            now.unix_ms()
        ])?;
    if inserted == 0 {
        return Ok(Err(EmailTaken));
    }
    open_session(connection, command.user, &command.session).map(Ok)
}

pub(crate) fn start_login(
    connection: &Connection,
    email: &Email,
    now: Timestamp,
) -> Result<LoginStart, StoreError> {
    let failures = connection
        .prepare_cached("SELECT failures, since_ms FROM login_attempts WHERE email = ?1")?
        .query_row([email.as_str()], |row| {
            Ok(LoginFailures { count: row.get(0)?, since: Timestamp::from_unix_ms(row.get(1)?) })
        })
        .optional()?
        .unwrap_or(LoginFailures { count: 0, since: now });
    if let Some(wait) = failures.wait(now) {
        return Ok(LoginStart::Wait(wait));
    }
    let failures = failures.failed(now);
    connection
        .prepare_cached(
            "INSERT INTO login_attempts (email, failures, since_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT (email) DO UPDATE SET failures = excluded.failures, since_ms = excluded.since_ms",
        )?
        .execute(params![email.as_str(), failures.count, failures.since.unix_ms()])?;
    let user = connection
        .prepare_cached("SELECT id, password_hash FROM users WHERE email = ?1")?
        .query_row([email.as_str()], |row| Ok((UserId::from_bytes(row.get(0)?), row.get(1)?)))
        .optional()?;
    Ok(LoginStart::Compare(user))
}

pub(crate) fn open_session(
    connection: &Connection,
    user: UserId,
    session: &OpenSession,
) -> Result<SessionGrant, StoreError> {
    let email: String = connection
        .prepare_cached("SELECT email FROM users WHERE id = ?1")?
        .query_row([user.as_bytes()], |row| row.get(0))?;
    connection.prepare_cached("DELETE FROM login_attempts WHERE email = ?1")?.execute([&email])?;
    connection
        .prepare_cached("INSERT INTO sessions (id, user_id, created_at_ms) VALUES (?1, ?2, ?3)")?
        .execute(params![session.id.as_bytes(), user.as_bytes(), session.now.unix_ms()])?;
    insert_token(connection, session.id, 1, session.refresh_hash, session.refresh_expires_at)?;
    Ok(SessionGrant { user, email, session: session.id, generation: 1, granted_at: session.now })
}

fn insert_token(
    connection: &Connection,
    session: SessionId,
    generation: u32,
    hash: [u8; 32],
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO refresh_tokens (hash, session_id, generation, expires_at_ms) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![hash, session.as_bytes(), generation, expires_at.unix_ms()])?;
    Ok(())
}

pub(crate) fn rotate(
    connection: &Connection,
    command: &Rotate,
) -> Result<Result<SessionGrant, RefreshRefused>, StoreError> {
    // By primary key.
    let row = connection
        .prepare_cached(
            "SELECT t.expires_at_ms, t.used_at_ms IS NOT NULL, s.revoked_at_ms IS NOT NULL, u.id, u.email
             FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id
             WHERE t.hash = ?1 AND t.session_id = ?2 AND t.generation = ?3",
        )?
        .query_row(params![command.hash, command.session.as_bytes(), command.generation], |row| {
            let (expires_at_ms, is_used, is_revoked): (i64, bool, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let user = UserId::from_bytes(row.get(3)?);
            Ok((Timestamp::from_unix_ms(expires_at_ms), is_used, is_revoked, user, row.get(4)?))
        })
        .optional()?;
    let Some((expires_at, is_used, is_revoked, user, email)) = row else {
        return Ok(Err(RefreshRefused::Invalid));
    };
    if is_revoked || expires_at <= command.now {
        return Ok(Err(RefreshRefused::Invalid));
    }
    if is_used {
        // Two holders of one token: the thief and the owner cannot be told apart, so both lose.
        revoke(
            connection,
            command.session,
            command.now.after(command.revocation_kept),
            command.now,
        )?;
        return Ok(Err(RefreshRefused::Reused));
    }
    connection
        .prepare_cached("UPDATE refresh_tokens SET used_at_ms = ?2 WHERE hash = ?1")?
        .execute(params![command.hash, command.now.unix_ms()])?;
    let generation = command.generation.saturating_add(1);
    insert_token(
        connection,
        command.session,
        generation,
        command.next_hash,
        command.next_expires_at,
    )?;
    Ok(Ok(SessionGrant {
        user,
        email,
        session: command.session,
        generation,
        granted_at: command.now,
    }))
}

pub(crate) fn revoke(
    connection: &Connection,
    session: SessionId,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let revoked = connection
        .prepare_cached(
            "UPDATE sessions SET revoked_at_ms = ?2 WHERE id = ?1 AND revoked_at_ms IS NULL",
        )?
        .execute(params![session.as_bytes(), now.unix_ms()])?;
    if revoked == 0 {
        return Ok(());
    }
    let name = session.to_string();
    connection
        .prepare_cached(
            "INSERT INTO revocations (session_id, until_ms) VALUES (?1, ?2) ON CONFLICT (session_id) DO NOTHING",
        )?
        .execute(params![name, until.unix_ms()])?;
    feed::publish(connection, &[feed::row("revocations", [name.as_str()])], now)
}

pub(crate) fn find(
    connection: &Connection,
    user: UserId,
    session: SessionId,
) -> Result<Option<Account>, StoreError> {
    // By primary keys.
    let account = connection
        .prepare_cached(
            "SELECT u.email, u.created_at_ms FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.id = ?2 AND s.user_id = ?1 AND s.revoked_at_ms IS NULL",
        )?
        .query_row(params![user.as_bytes(), session.as_bytes()], |row| {
            Ok(Account {
                id: user,
                email: row.get(0)?,
                created_at: Timestamp::from_unix_ms(row.get(1)?),
            })
        })
        .optional()?;
    Ok(account)
}
