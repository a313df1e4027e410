//! Tokens of every bad kind. The signing half lives here: shipped code only verifies.

use ed25519_dalek::{Signer, SigningKey};

use super::*;

pub(crate) const NOW_S: i64 = 1_795_348_800;
pub(crate) const HEADER: &str = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}"#;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_ms(NOW_S.saturating_mul(1_000))
}

pub(crate) fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn jwk(seed: u8, kid: &str) -> String {
    let x = URL_SAFE_NO_PAD.encode(signing_key(seed).verifying_key().as_bytes());
    format!(r#"{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"{kid}","x":"{x}"}}"#)
}

pub(crate) fn claims_json(iat: i64, exp: i64) -> String {
    format!(
        r#"{{"iss":"vitrine","aud":"vitrine","sub":"07070707-0707-0707-0707-070707070707",
        "sid":"09090909-0909-0909-0909-090909090909","iat":{iat},"exp":{exp},"email":"a@example.org"}}"#
    )
}

pub(crate) fn good_claims() -> String {
    claims_json(NOW_S, NOW_S.saturating_add(900))
}

pub(crate) fn sign(seed: u8, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = signing_key(seed).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn check(token: &str) -> Result<AccessClaims, TokenError> {
    let key = read_key(&jwk(1, "k1")).unwrap();
    parse(token)?.prove(&key, now())
}

#[test]
fn a_good_token_gives_its_claims() {
    let claims = check(&sign(1, HEADER, &good_claims())).unwrap();
    assert_eq!(claims.email, "a@example.org");
    assert_eq!(claims.sub.to_string(), "07070707-0707-0707-0707-070707070707");
}

#[test]
fn headers_that_choose_their_own_rules_are_refused() {
    for header in [
        r#"{"alg":"none","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"None","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"RS256","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"eddsa","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"JWT","kid":"k1"}"#,
        r#"{"alg":"EdDSA","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":""}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","jku":"https://evil.example/jwks"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","jwk":{"kty":"OKP"}}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","x5u":"https://evil.example"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","crit":["exp"]}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","b64":false}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","zip":"DEF"}"#,
        r#"{"alg":"EdDSA","alg":"none","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":["k1"]}"#,
        "[]",
        "",
    ] {
        assert_eq!(
            check(&sign(1, header, &good_claims())),
            Err(TokenError::RefusedHeader),
            "{header}"
        );
    }
    let long = HEADER.replace("k1", &"k".repeat(65));
    assert_eq!(check(&sign(1, &long, &good_claims())), Err(TokenError::RefusedHeader));
}

#[test]
fn claims_are_checked_one_by_one() {
    use TokenError::{Expired, Malformed, NotYet, WrongParties};
    let at = |iat: i64, exp: i64| claims_json(NOW_S.saturating_add(iat), NOW_S.saturating_add(exp));
    for (claims, expected) in [
        (at(0, 900), None),
        (at(0, 1), None),
        (at(0, 0), Some(Expired)),
        (at(-900, -1), Some(Expired)),
        (at(30, 900), None),
        (at(31, 900), Some(NotYet)),
        (good_claims().replace(r#""iss":"vitrine""#, r#""iss":"other""#), Some(WrongParties)),
        (good_claims().replace(r#""aud":"vitrine""#, r#""aud":"admin""#), Some(WrongParties)),
        (good_claims().replace(r#""aud":"vitrine""#, r#""aud":["vitrine"]"#), Some(Malformed)),
        (good_claims().replace(r#""iss":"vitrine","#, ""), Some(Malformed)),
        (good_claims().replace("07070707-", "0707070-"), Some(Malformed)),
        (good_claims().replace(r#""email""#, r#""mail""#), Some(Malformed)),
        (claims_json(NOW_S, i64::MAX), None),
        (claims_json(i64::MAX, i64::MAX), Some(NotYet)),
        (good_claims().replace("}", r#","extra":1}"#), None),
        ("null".to_owned(), Some(Malformed)),
    ] {
        assert_eq!(check(&sign(1, HEADER, &claims)).err(), expected, "{claims}");
    }
}

#[test]
fn signatures_must_be_the_keys_own() {
    let good = sign(1, HEADER, &good_claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    assert_eq!(check(&sign(2, HEADER, &good_claims())), Err(TokenError::BadSignature));
    let other = sign(1, HEADER, &claims_json(0, i64::MAX));
    let (other_signed, _) = other.rsplit_once('.').unwrap();
    assert_eq!(check(&format!("{other_signed}.{signature}")), Err(TokenError::BadSignature));
    for bad in [
        format!("{signed}."),
        signed.to_owned(),
        format!("{signed}.AAAA"),
        format!("{good}="),
        format!("{good}A"),
        format!(" {good}"),
        format!("{good}.x"),
        String::new(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(3_000),
    ] {
        assert!(check(&bad).is_err(), "{bad}");
    }
}

#[test]
fn every_changed_character_is_noticed() {
    let good = sign(1, HEADER, &good_claims());
    for at in 0..good.len() {
        let mut changed = good.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(check(&String::from_utf8(changed).unwrap()).is_err(), "character {at}");
    }
}

#[test]
fn only_ed25519_signing_keys_are_read() {
    let good = jwk(1, "k1");
    assert!(read_key(&good).is_some());
    let weak = URL_SAFE_NO_PAD.encode([0_u8; 32]);
    let x = good.rsplit(r#""x":""#).next().unwrap().trim_end_matches("\"}");
    for bad in [
        good.replace("OKP", "EC"),
        good.replace("Ed25519", "X25519"),
        good.replace("EdDSA", "ES256"),
        good.replace("\"sig\"", "\"enc\""),
        good.replace(x, &weak),
        good.replace(x, "AAAA"),
        good.replace(x, "!"),
        "{}".to_owned(),
        String::new(),
    ] {
        assert!(read_key(&bad).is_none(), "{bad}");
    }
}

#[test]
fn capabilities_are_known_by_their_shape() {
    let secret = URL_SAFE_NO_PAD.encode([7_u8; 32]);
    assert!(is_capability(&format!("ot_{secret}")));
    let key = URL_SAFE_NO_PAD.encode([7_u8; 48]);
    assert!(is_capability(&format!("vk_{key}")));
    for bad in [
        format!("vk_{secret}"),
        format!("ot_{key}"),
        secret.clone(),
        "ot_".to_owned(),
        format!("ot_{secret}A"),
        format!("OT_{secret}"),
    ] {
        assert!(!is_capability(&bad), "{bad}");
    }
}
