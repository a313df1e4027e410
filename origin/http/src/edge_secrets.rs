//! What edges sign with: the operator's secret, and for development the one that everybody knows.

use std::fmt;

use api_types::feed::{DEVELOPMENT_SECRET, bearer};
use domain::Timestamp;
use origin_client::identity::{IdentityError, SignedRequest, Verified, verify};
use subtle::{Choice, ConstantTimeEq};

/// The secrets that are believed. Never empty; prints as `***`.
#[derive(Clone)]
pub struct EdgeSecrets {
    operators: EdgeSecret,
    development: Option<EdgeSecret>,
}

#[derive(Clone)]
struct EdgeSecret {
    key: Vec<u8>,
    feed_token: String,
}

impl EdgeSecret {
    fn new(key: Vec<u8>) -> Self {
        Self { feed_token: bearer(&key), key }
    }
}

impl EdgeSecrets {
    /// Believes the operator's secret alone.
    #[must_use]
    pub fn new(secret: Vec<u8>) -> Self {
        Self { operators: EdgeSecret::new(secret), development: None }
    }

    /// Also believes [`DEVELOPMENT_SECRET`]. Only for an origin that nobody but this machine reaches.
    #[must_use]
    pub fn with_development(self) -> Self {
        Self { development: Some(EdgeSecret::new(DEVELOPMENT_SECRET.into())), ..self }
    }

    /// Checks an identity against every secret; the error is that of the operator's.
    pub(crate) fn verify(
        &self,
        value: &str,
        request: &SignedRequest<'_>,
        now: Timestamp,
    ) -> Result<Verified, IdentityError> {
        let verified = verify(&self.operators.key, value, request, now);
        match (&self.development, verified) {
            (Some(development), Err(error)) => {
                verify(&development.key, value, request, now).map_err(|_same| error)
            }
            (_, verified) => verified,
        }
    }

    /// Says whether this is the feed's token of one of the secrets, in a time that depends on the length alone.
    pub(crate) fn knows_feed_token(&self, token: &str) -> bool {
        let is_of = |secret: &EdgeSecret| secret.feed_token.as_bytes().ct_eq(token.as_bytes());
        let is_developments = self.development.as_ref().map_or_else(|| Choice::from(0), is_of);
        (is_of(&self.operators) | is_developments).into()
    }
}

impl fmt::Debug for EdgeSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EdgeSecrets(***)")
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use http::Method;
    use origin_client::identity::{Identity, sign};

    use super::*;

    const OWN: &[u8] = b"0123456789abcdef";
    const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

    #[test]
    fn the_development_secret_counts_beside_the_own_one_and_only_when_allowed() {
        let own = EdgeSecrets::new(OWN.to_vec());
        let both = own.clone().with_development();
        let request =
            SignedRequest { method: &Method::GET, path_and_query: "/v1/orders", body: b"" };
        let identity =
            Identity { user: None, session: None, client: IpAddr::V4(Ipv4Addr::LOCALHOST) };
        for (secret, by_own, by_both) in [
            (OWN, true, true),
            (DEVELOPMENT_SECRET.as_bytes(), false, true),
            (b"", false, false),
            (b"another", false, false),
        ] {
            let value = sign(secret, &request, &identity, NOW, [7; 16]);
            let token = bearer(secret);
            for (secrets, expected) in [(&own, by_own), (&both, by_both)] {
                assert_eq!(secrets.verify(&value, &request, NOW).is_ok(), expected, "{value}");
                assert_eq!(secrets.knows_feed_token(&token), expected, "{token}");
                assert!(!secrets.knows_feed_token(""));
            }
        }
    }

    #[test]
    fn no_secret_is_ever_printed() {
        let both = EdgeSecrets::new(OWN.to_vec()).with_development();
        assert_eq!(format!("{both:?}"), "EdgeSecrets(***)");
    }

    #[test]
    fn an_old_signature_is_refused_with_every_secret() {
        let both = EdgeSecrets::new(OWN.to_vec()).with_development();
        let request = SignedRequest { method: &Method::GET, path_and_query: "/", body: b"" };
        let identity =
            Identity { user: None, session: None, client: IpAddr::V4(Ipv4Addr::LOCALHOST) };
        for (secret, error) in [
            (OWN, IdentityError::OutsideWindow),
            (DEVELOPMENT_SECRET.as_bytes(), IdentityError::BadSignature),
        ] {
            let value = sign(secret, &request, &identity, NOW, [7; 16]);
            let later = NOW.after(std::time::Duration::from_secs(120));
            assert_eq!(both.verify(&value, &request, later), Err(error));
        }
    }
}
