//! Tokens: signed access tokens, refresh tokens and order tokens.
//!
//! Refresh and order tokens are computed from the shop's secret, not drawn: a replayed answer can repeat them without
//! any of them being stored. The store keeps only their digests.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{OrderId, SessionId};
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Secret;

const ORDER_PREFIX: &str = "ot_";
const REFRESH_PREFIX: &str = "rt_";

/// A refresh token taken apart. It is genuine; whether it may still be used, the store knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefreshParts {
    pub(crate) session: SessionId,
    pub(crate) generation: u32,
}

pub(crate) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Secret {
    pub(crate) fn order_token(&self, order: OrderId) -> String {
        let mac = self.mac("order token", &[order.as_bytes()]);
        format!("{ORDER_PREFIX}{}", URL_SAFE_NO_PAD.encode(mac))
    }

    pub(crate) fn refresh_token(&self, session: SessionId, generation: u32) -> String {
        let mut bytes = [0_u8; 52];
        let (head, mac) = bytes.split_at_mut(20);
        let (id, number) = head.split_at_mut(16);
        id.copy_from_slice(session.as_bytes());
        number.copy_from_slice(&generation.to_be_bytes());
        mac.copy_from_slice(
            &self.mac("refresh token", &[session.as_bytes(), &generation.to_be_bytes()]),
        );
        format!("{REFRESH_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Takes a refresh token apart; `None` when it is none of ours.
    pub(crate) fn read_refresh_token(&self, token: &str) -> Option<RefreshParts> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(REFRESH_PREFIX)?).ok()?;
        let (session, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, _mac) = rest.split_first_chunk::<4>()?;
        let parts = RefreshParts {
            session: SessionId::from_bytes(*session),
            generation: u32::from_be_bytes(*generation),
        };
        let genuine = self.refresh_token(parts.session, parts.generation);
        bool::from(genuine.as_bytes().ct_eq(token.as_bytes())).then_some(parts)
    }
}

/// Compares a presented token with a stored digest, in constant time.
pub(crate) fn matches(token: &str, stored: &[u8; 32]) -> bool {
    token.starts_with(ORDER_PREFIX) && bool::from(digest(token).ct_eq(stored))
}

/// Writes `header.payload` of a token, ready to be signed.
pub(crate) fn signing_input(
    kid: &str,
    claims: &impl Serialize,
) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Header<'a> {
        alg: &'static str,
        typ: &'static str,
        kid: &'a str,
    }
    let header = serde_json::to_vec(&Header { alg: "EdDSA", typ: "at+jwt", kid })?;
    let claims = serde_json::to_vec(claims)?;
    Ok(format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refresh_tokens_come_apart_again_and_forgeries_do_not() {
        let (ours, other) = (Secret([1; 32]), Secret([2; 32]));
        let session = SessionId::v4([9; 16]);
        let token = ours.refresh_token(session, 7);
        assert_eq!(ours.read_refresh_token(&token), Some(RefreshParts { session, generation: 7 }));
        assert_eq!(other.read_refresh_token(&token), None);
        let mut changed = token.clone();
        changed.replace_range(10..11, if token[10..11] == *"A" { "B" } else { "A" });
        for bad in ["", "rt_", "rt_AAAA", &changed, &token[..40], &format!("{token}A")] {
            assert_eq!(ours.read_refresh_token(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_order_token_opens_its_order_alone() {
        let secret = Secret([1; 32]);
        let (mine, other) = (OrderId::v4([1; 16]), OrderId::v4([2; 16]));
        let token = secret.order_token(mine);
        assert_eq!(token.len(), 3 + 43);
        assert!(matches(&token, &digest(&token)));
        assert!(!matches(&token, &digest(&secret.order_token(other))));
    }
}
