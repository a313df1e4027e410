//! Accounts: register, log in, stay logged in, log out.

use api_types::auth::{AccessClaims, Credentials, Me, RefreshToken, Tokens};
use domain::account::{PASSWORD_CHARS_MIN, is_password_acceptable};
use domain::{Email, ErrorKind, SessionId, UserId};
use store::{Claim, CreateAccount, LoginStart, OpenSession, RefreshRefused, Rotate, SessionGrant};

use crate::error::answered;
use crate::{Answered, App, Caller, Error, Refusal, random, tokens};

impl App {
    /// Makes an account and signs it in.
    ///
    /// # Errors
    /// `invalid-input`, `email-taken`, and what a key may refuse.
    pub async fn register(
        &self,
        request: Credentials,
        claim: Option<Claim>,
    ) -> Result<Answered<Tokens>, Error> {
        let mut refusal = Refusal::invalid();
        let email = request.email.parse::<Email>();
        if email.is_err() {
            refusal = refusal.field("/email", "invalid", "must be an e-mail address");
        }
        if !is_password_acceptable(&request.password) {
            let detail = format!("must have at least {PASSWORD_CHARS_MIN} characters");
            refusal = refusal.field("/password", "too-short", detail);
        }
        let (Ok(email), true) = (email, refusal.fields.is_empty()) else {
            return Err(refusal.into());
        };
        let password_hash = self.passwords.hash(request.password).await?;
        let session = self.new_session()?;
        let user = UserId::v7(session.now, random()?);
        let command = CreateAccount { user, email, password_hash, session };
        let Ok(once) = self.store.create_account(command, claim).await? else {
            let taken = Refusal::new(
                ErrorKind::Conflict,
                "email-taken",
                "This address has an account already",
            );
            return Err(taken.into());
        };
        self.tokens(answered(once)?)
    }

    /// Signs in.
    ///
    /// # Errors
    /// `invalid-credentials` for every wrong pair alike, `login-throttled` after too many.
    pub async fn login(
        &self,
        request: Credentials,
        claim: Option<Claim>,
    ) -> Result<Answered<Tokens>, Error> {
        let wrong = || {
            Refusal::new(
                ErrorKind::Unauthenticated,
                "invalid-credentials",
                "Address or password is wrong",
            )
        };
        let Ok(email) = request.email.parse::<Email>() else {
            return Err(Refusal::invalid()
                .field("/email", "invalid", "must be an e-mail address")
                .into());
        };
        let found = match self.store.start_login(email, self.clock.now()).await? {
            LoginStart::Wait(wait) => {
                let refusal = Refusal::new(
                    ErrorKind::RateLimited,
                    "login-throttled",
                    "Too many failed logins",
                );
                return Err(refusal.retry_after(wait).into());
            }
            LoginStart::Compare(found) => found,
        };
        let (user, hash) = found.unzip();
        let matches = self.passwords.matches(request.password, hash).await?;
        let (Some(user), true) = (user, matches) else {
            return Err(wrong().into());
        };
        let once = self.store.open_session(user, self.new_session()?, claim).await?;
        self.tokens(answered(once)?)
    }

    /// Exchanges a refresh token for new tokens.
    ///
    /// # Errors
    /// `invalid-refresh-token`; `refresh-token-reused` ends the session.
    pub async fn refresh(
        &self,
        request: &RefreshToken,
        claim: Option<Claim>,
    ) -> Result<Answered<Tokens>, Error> {
        let invalid =
            || Refusal::new(ErrorKind::Unauthenticated, "invalid-refresh-token", "Sign in again");
        let token = &request.refresh_token;
        let Some(parts) = self.secret.read_refresh_token(token) else {
            return Err(invalid().into());
        };
        let now = self.clock.now();
        let next = self.secret.refresh_token(parts.session, parts.generation.saturating_add(1));
        let command = Rotate {
            session: parts.session,
            generation: parts.generation,
            hash: tokens::digest(token),
            next_hash: tokens::digest(&next),
            next_expires_at: now.after(self.settings.refresh_life),
            revocation_kept: self.revocation_kept(),
            now,
        };
        match self.store.rotate_refresh(command, claim).await? {
            Ok(once) => self.tokens(answered(once)?),
            Err(RefreshRefused::Invalid) => Err(invalid().into()),
            Err(RefreshRefused::Reused) => {
                tracing::warn!(session.id = %parts.session, "a refresh token came twice: revoked its session");
                let code = "refresh-token-reused";
                Err(Refusal::new(ErrorKind::Unauthenticated, code, "Sign in again").into())
            }
        }
    }

    /// Ends the session of a refresh token, or the caller's own.
    ///
    /// # Errors
    /// As every write. A token that is none of ours ends nothing, which is no error.
    pub async fn logout(&self, caller: &Caller, request: &RefreshToken) -> Result<(), Error> {
        let by_token =
            self.secret.read_refresh_token(&request.refresh_token).map(|parts| parts.session);
        let mut sessions: Vec<SessionId> = by_token.into_iter().chain(caller.session).collect();
        sessions.dedup();
        for session in sessions {
            self.store.revoke_session(session, self.revocation_kept(), self.clock.now()).await?;
        }
        Ok(())
    }

    /// Reads the caller's account.
    ///
    /// # Errors
    /// `unauthenticated`, also when the session was revoked and the edge does not know yet.
    pub async fn me(&self, caller: &Caller) -> Result<Me, Error> {
        let (Some(user), Some(session)) = (caller.user, caller.session) else {
            return Err(Refusal::unauthenticated().into());
        };
        let account =
            self.store.account(user, session).await?.ok_or_else(Refusal::unauthenticated)?;
        Ok(Me { id: account.id, email: account.email, created_at: account.created_at })
    }

    fn new_session(&self) -> Result<OpenSession, Error> {
        let now = self.clock.now();
        let id = SessionId::v7(now, random()?);
        let refresh_hash = tokens::digest(&self.secret.refresh_token(id, 1));
        Ok(OpenSession {
            id,
            refresh_hash,
            refresh_expires_at: now.after(self.settings.refresh_life),
            now,
        })
    }

    /// A revocation is kept until every access token of the session has ended, with a minute for clocks that differ.
    fn revocation_kept(&self) -> std::time::Duration {
        self.settings.access_life + std::time::Duration::from_mins(1)
    }

    fn tokens(&self, answered: Answered<SessionGrant>) -> Result<Answered<Tokens>, Error> {
        let Answered { value: grant, is_replay } = answered;
        let (life, vitrine) = (self.settings.access_life, || "vitrine".to_owned());
        let claims = AccessClaims {
            iss: vitrine(),
            aud: vitrine(),
            sub: grant.user,
            sid: grant.session,
            iat: grant.granted_at.unix_s(),
            exp: grant.granted_at.after(life).unix_s(),
            email: grant.email,
        };
        let value = Tokens {
            access_token: self.sign_token(&claims)?,
            refresh_token: self.secret.refresh_token(grant.session, grant.generation),
            token_type: "Bearer".to_owned(),
            expires_in: u32::try_from(life.as_secs()).unwrap_or(u32::MAX),
        };
        Ok(Answered { value, is_replay })
    }
}
