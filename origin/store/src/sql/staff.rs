//! Statements of roles and keys of the staff. By primary keys, but for the lists.

use domain::staff::Role;
use domain::{Email, SessionId, StaffKeyId, Timestamp, UserId};

use crate::StoreError;
use crate::staff::{Granting, LAST_USE_NOTED_EVERY, STAFF_KEYS_MAX, StaffKey, StaffMember};
use crate::tx::{Row, Tx, values};

pub(crate) async fn create_key(tx: &Tx<'_>, key: &StaffKey) -> Result<bool, StoreError> {
    let known: i64 =
        tx.query_one("SELECT CAST(count(*) AS BIGINT) FROM staff_keys", &[]).await?.get(0)?;
    if known >= i64::from(STAFF_KEYS_MAX) {
        return Ok(false);
    }
    let roles: Vec<&str> = key.roles.iter().map(|role| role.as_str()).collect();
    tx.execute(
        "INSERT INTO staff_keys (id, digest, name, roles, created_at_ms, expires_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![
            key.id.as_bytes(),
            key.digest,
            key.name,
            roles.join(" "),
            key.created_at.unix_ms(),
            key.expires_at.map(Timestamp::unix_ms)
        ],
    )
    .await?;
    Ok(true)
}

const COLUMNS: &str =
    "id, digest, name, roles, created_at_ms, expires_at_ms, revoked_at_ms, last_used_at_ms";

pub(crate) async fn find_key(tx: &Tx<'_>, id: StaffKeyId) -> Result<Option<StaffKey>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM staff_keys WHERE id = ?1");
    tx.query_opt(&sql, values![id.as_bytes()]).await?.as_ref().map(read_key).transpose()
}

pub(crate) async fn keys(tx: &Tx<'_>) -> Result<Vec<StaffKey>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM staff_keys ORDER BY id LIMIT ?1");
    tx.query(&sql, values![STAFF_KEYS_MAX]).await?.iter().map(read_key).collect()
}

fn read_key(row: &Row) -> Result<StaffKey, StoreError> {
    let moment = |index| {
        row.get::<Option<i64>>(index).map(|ms: Option<i64>| ms.map(Timestamp::from_unix_ms))
    };
    let roles: String = row.get(3)?;
    Ok(StaffKey {
        id: StaffKeyId::from_bytes(row.get(0)?),
        digest: row.get(1)?,
        name: row.get(2)?,
        // A word that this program does not know allows nothing.
        roles: roles.split(' ').filter_map(|word| word.parse().ok()).collect(),
        created_at: Timestamp::from_unix_ms(row.get(4)?),
        expires_at: moment(5)?,
        revoked_at: moment(6)?,
        last_used_at: moment(7)?,
    })
}

pub(crate) async fn revoke_key(
    tx: &Tx<'_>,
    id: StaffKeyId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let revoked = tx
        .execute(
            "UPDATE staff_keys SET revoked_at_ms = ?2 WHERE id = ?1 AND revoked_at_ms IS NULL",
            values![id.as_bytes(), now.unix_ms()],
        )
        .await?;
    Ok(revoked == 1)
}

pub(crate) async fn note_use(
    tx: &Tx<'_>,
    id: StaffKeyId,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE staff_keys SET last_used_at_ms = ?2 WHERE id = ?1 AND coalesce(last_used_at_ms, 0) <= ?3",
        values![id.as_bytes(), now.unix_ms(), now.before(LAST_USE_NOTED_EVERY).unix_ms()],
    )
    .await?;
    Ok(())
}

async fn user_of(tx: &Tx<'_>, email: &Email) -> Result<Option<[u8; 16]>, StoreError> {
    tx.query_opt("SELECT id FROM users WHERE email = ?1", values![email.as_str()])
        .await?
        .map(|row| row.get(0))
        .transpose()
}

pub(crate) async fn grant(
    tx: &Tx<'_>,
    email: &Email,
    role: Role,
    now: Timestamp,
) -> Result<Granting, StoreError> {
    let Some(user) = user_of(tx, email).await? else {
        return Ok(Granting::NoAccount);
    };
    let granted = tx
        .execute(
            "INSERT INTO staff_roles (user_id, role, granted_at_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT (user_id, role) DO NOTHING",
            values![user, role.as_str(), now.unix_ms()],
        )
        .await?;
    Ok(if granted == 1 { Granting::Done } else { Granting::AsBefore })
}

pub(crate) async fn revoke(
    tx: &Tx<'_>,
    email: &Email,
    role: Option<Role>,
) -> Result<Granting, StoreError> {
    let Some(user) = user_of(tx, email).await? else {
        return Ok(Granting::NoAccount);
    };
    let gone = match role {
        Some(role) => {
            tx.execute(
                "DELETE FROM staff_roles WHERE user_id = ?1 AND role = ?2",
                values![user, role.as_str()],
            )
            .await?
        }
        None => tx.execute("DELETE FROM staff_roles WHERE user_id = ?1", values![user]).await?,
    };
    Ok(if gone > 0 { Granting::Done } else { Granting::AsBefore })
}

pub(crate) async fn roles(
    tx: &Tx<'_>,
    user: UserId,
    session: SessionId,
) -> Result<Vec<Role>, StoreError> {
    let rows = tx
        .query(
            "SELECT r.role FROM sessions s JOIN staff_roles r ON r.user_id = s.user_id
             WHERE s.id = ?2 AND s.user_id = ?1 AND s.revoked_at_ms IS NULL",
            values![user.as_bytes(), session.as_bytes()],
        )
        .await?;
    let words = rows.iter().map(|row| row.get::<String>(0)).collect::<Result<Vec<_>, _>>()?;
    Ok(words.iter().filter_map(|word| word.parse().ok()).collect())
}

pub(crate) async fn members(tx: &Tx<'_>) -> Result<Vec<StaffMember>, StoreError> {
    let rows = tx
        .query(
            "SELECT r.user_id, u.email, r.role FROM staff_roles r JOIN users u ON u.id = r.user_id
             ORDER BY r.user_id, r.role LIMIT ?1",
            values![STAFF_KEYS_MAX],
        )
        .await?;
    let mut members: Vec<StaffMember> = Vec::new();
    for row in &rows {
        let (user, word) = (UserId::from_bytes(row.get(0)?), row.get::<String>(2)?);
        let role = word.parse().ok();
        match members.last_mut().filter(|member| member.user == user) {
            Some(member) => member.roles.extend(role),
            None => members.push(StaffMember {
                user,
                email: row.get(1)?,
                roles: role.into_iter().collect(),
            }),
        }
    }
    Ok(members)
}
