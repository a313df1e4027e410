//! Reading the JSON inside access tokens and published keys, strictly.

use serde::Deserialize;

use crate::auth::{AccessClaims, Jwk};

/// Header of an access token. Any further member is refused: that covers `jku`, `jwk`, `x5u`, `x5c` and `crit`, by
/// which a token would bring its own key or rules (RFC 8725, sections 2.1 and 3.10).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenHeader {
    /// The algorithm that the token claims.
    pub alg: String,
    /// The kind of token: `at+jwt` (RFC 9068).
    pub typ: String,
    /// Name of the key.
    pub kid: String,
}

/// Reads a token's header; `None` for anything but exactly its three members, each once.
#[must_use]
pub fn header(json: &[u8]) -> Option<TokenHeader> {
    serde_json::from_slice(json).ok()
}

/// Reads a token's claims. Unknown claims are ignored, repeated ones refused.
#[must_use]
pub fn claims(json: &[u8]) -> Option<AccessClaims> {
    serde_json::from_slice(json).ok()
}

/// Reads a published key as the table `signing_keys` holds it.
#[must_use]
pub fn jwk(json: &str) -> Option<Jwk> {
    serde_json::from_str(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_three_members_and_no_more() {
        assert!(header(br#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"}"#).is_some());
        for bad in [
            r#"{"alg":"EdDSA","typ":"at+jwt"}"#,
            r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k","jku":"https://evil.example"}"#,
            r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k","crit":["x"]}"#,
            r#"{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":"k"}"#,
            r#"{"alg":"EdDSA","typ":"at+jwt","kid":1}"#,
            r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"} "x""#,
            "",
        ] {
            assert_eq!(header(bad.as_bytes()), None, "{bad}");
        }
    }
}
