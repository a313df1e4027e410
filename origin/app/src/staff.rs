//! The staff and the merchant's programs: who asks, and whether they may.

use api_types::admin::{StaffKey as WireKey, StaffKeys, StaffMe, StaffMember, StaffMembers};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::staff::{Permission, Role};
use domain::{ErrorKind, StaffKeyId, Timestamp, UserId};
use store::StaffKey;
use subtle::ConstantTimeEq;

use crate::{App, Caller, Error, Refusal, random, tokens};

/// How every staff key begins, so that one that was published is found by scanners.
pub const STAFF_KEY_PREFIX: &str = "vk_";

/// Somebody of the staff, or a program with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// Who.
    pub who: StaffId,
    /// With which roles.
    pub roles: Vec<Role>,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaffId {
    /// An account that is signed in.
    Account(UserId),
    /// A key.
    Key(StaffKeyId),
}

/// A key that was just made: the only time that its text is known.
pub struct NewStaffKey {
    /// What is stored.
    pub key: StaffKey,
    /// What its holder shows.
    pub text: String,
}

impl std::fmt::Debug for NewStaffKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewStaffKey({}, ***)", self.key.id)
    }
}

impl NewStaffKey {
    /// Makes a key: `vk_` and 48 bytes in base64url, its name and 32 random bytes.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn make(
        name: String,
        roles: Vec<Role>,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let id = StaffKeyId::v7(now, random()?);
        let secret: [u8; 32] = random()?;
        let text = format!(
            "{STAFF_KEY_PREFIX}{}",
            URL_SAFE_NO_PAD.encode([id.as_bytes().as_slice(), &secret].concat())
        );
        let key = StaffKey {
            id,
            digest: tokens::digest(&text),
            name,
            roles,
            created_at: now,
            expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        Ok(Self { key, text })
    }
}

/// Returns the name that a key carries; what proves it is its digest.
fn key_id(text: &str) -> Option<StaffKeyId> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(STAFF_KEY_PREFIX)?).ok()?;
    let (id, secret) = bytes.split_first_chunk::<16>()?;
    (secret.len() == 32).then(|| StaffKeyId::from_bytes(*id))
}

impl Staff {
    /// Tells whether any of the roles allows something.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.roles.iter().any(|role| role.allows(permission))
    }

    /// Returns who this is, as it is written beside what was done: an id, never an address.
    #[must_use]
    pub fn actor(&self) -> String {
        match self.who {
            StaffId::Account(user) => format!("account {user}"),
            StaffId::Key(key) => format!("key {key}"),
        }
    }

    /// Describes itself.
    #[must_use]
    pub fn me(&self) -> StaffMe {
        let (user_id, key_id) = match self.who {
            StaffId::Account(user) => (Some(user), None),
            StaffId::Key(key) => (None, Some(key)),
        };
        let allowed = Permission::ALL.into_iter().filter(|&permission| self.may(permission));
        StaffMe {
            user_id,
            key_id,
            roles: self.roles.iter().map(ToString::to_string).collect(),
            permissions: allowed.map(|permission| permission.to_string()).collect(),
        }
    }
}

impl App {
    /// Finds out who of the staff asks: by a key if one is shown, else by the account that is signed in.
    ///
    /// # Errors
    /// `unauthenticated` for nobody, `invalid-staff-key` for a key that is unknown, revoked or has ended, and
    /// `permission-required` for an account without any role.
    pub async fn staff(&self, caller: &Caller, bearer: Option<&str>) -> Result<Staff, Error> {
        let key = bearer.filter(|token| token.starts_with(STAFF_KEY_PREFIX));
        if let Some(text) = key {
            return self.holder(text).await;
        }
        let (Some(user), Some(session)) = (caller.user, caller.session) else {
            return Err(Refusal::unauthenticated().into());
        };
        let roles = self.store.roles(user, session).await?;
        if roles.is_empty() {
            return Err(forbidden().into());
        }
        Ok(Staff { who: StaffId::Account(user), roles })
    }

    async fn holder(&self, text: &str) -> Result<Staff, Error> {
        let invalid = || {
            let title = "The staff key is not valid";
            Refusal::new(ErrorKind::Unauthenticated, "invalid-staff-key", title)
        };
        let id = key_id(text).ok_or_else(invalid)?;
        let now = self.clock.now();
        let key = self.store.staff_key(id).await?.ok_or_else(invalid)?;
        let is_genuine = bool::from(tokens::digest(text).ct_eq(&key.digest));
        if !is_genuine || !key.is_good(now) {
            tracing::warn!(staff_key.id = %id, is_genuine, "refused a staff key");
            return Err(invalid().into());
        }
        let noted_before =
            key.last_used_at.is_some_and(|at| now.since(at) < store::LAST_USE_NOTED_EVERY);
        // That the note cannot be taken is no reason to refuse who may ask.
        if !noted_before && let Err(error) = self.store.note_staff_key_use(id, now).await {
            tracing::warn!(staff_key.id = %id, error = %error, "could not note the use of a staff key");
        }
        Ok(Staff { who: StaffId::Key(id), roles: key.roles })
    }

    /// Lists the accounts with roles.
    ///
    /// # Errors
    /// As every read.
    pub async fn staff_members(&self) -> Result<StaffMembers, Error> {
        let member = |member: store::StaffMember| StaffMember {
            user_id: member.user,
            email: member.email,
            roles: member.roles.iter().map(ToString::to_string).collect(),
        };
        let items = self.store.staff_members().await?.into_iter().map(member).collect();
        Ok(StaffMembers { items })
    }

    /// Lists the keys, never their secrets.
    ///
    /// # Errors
    /// As every read.
    pub async fn staff_keys(&self) -> Result<StaffKeys, Error> {
        let key = |key: StaffKey| WireKey {
            id: key.id,
            name: key.name,
            roles: key.roles.iter().map(ToString::to_string).collect(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
        };
        Ok(StaffKeys { items: self.store.staff_keys().await?.into_iter().map(key).collect() })
    }

    /// Makes a key worthless for ever; one that is already is left as it is.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn revoke_staff_key(&self, id: StaffKeyId) -> Result<(), Error> {
        if !self.store.revoke_staff_key(id, self.clock.now()).await?
            && self.store.staff_key(id).await?.is_none()
        {
            return Err(Refusal::not_found().into());
        }
        Ok(())
    }

    /// Lets somebody of the staff do something, or not.
    ///
    /// # Errors
    /// `permission-required`.
    pub fn demand(&self, staff: &Staff, permission: Permission) -> Result<(), Error> {
        if staff.may(permission) {
            return Ok(());
        }
        tracing::warn!(staff = ?staff.who, %permission, "refused somebody of the staff");
        Err(forbidden().detail(format!("it takes the permission {permission}")).into())
    }
}

fn forbidden() -> Refusal {
    Refusal::new(ErrorKind::Forbidden, "permission-required", "Your roles do not allow this")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_795_348_800_000);

    #[test]
    fn a_key_tells_its_name_and_nothing_tells_its_secret() {
        let made = NewStaffKey::make("till".to_owned(), vec![Role::Orders], None, NOW).unwrap();
        assert_eq!(made.text.len(), 3 + 64);
        assert_eq!(key_id(&made.text), Some(made.key.id));
        assert_eq!(made.key.digest, tokens::digest(&made.text));
        for printed in [format!("{made:?}"), format!("{:?}", made.key)] {
            assert!(!printed.contains(&made.text[20..]) && printed.contains("***"), "{printed}");
        }
        for bad in ["", "vk_", "ot_AAAA", &made.text[..60], &format!("{}AAAA", made.text)] {
            assert_eq!(key_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_key_is_good_until_it_ends_or_is_revoked() {
        let ends = NOW.after(std::time::Duration::from_secs(60));
        let mut key = NewStaffKey::make(String::new(), Vec::new(), Some(ends), NOW).unwrap().key;
        assert!(key.is_good(NOW));
        assert!(!key.is_good(ends));
        key.revoked_at = Some(NOW);
        assert!(!key.is_good(NOW));
    }
}
