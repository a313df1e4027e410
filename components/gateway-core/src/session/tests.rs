//! Callers of every kind, and what is remembered of them.

use futures::executor::block_on;
use http::HeaderValue;
use ports::fakes::FakeSessions;

use super::*;
use crate::token::tests::{HEADER, NOW_S, claims_json, good_claims, jwk, now, sign};

fn key(kid: &str, seed: u8) -> SigningKey {
    let expires_at = Timestamp::from_unix_ms(i64::MAX);
    SigningKey { kid: kid.to_owned(), jwk_json: jwk(seed, kid), expires_at }
}

/// One published key, nobody logged out.
fn sessions() -> FakeSessions {
    let sessions = FakeSessions::default();
    sessions.keys.borrow_mut().push(key("k1", 1));
    sessions
}

fn revoke(within: &FakeSessions) {
    let caller = ask(&sessions(), &RefCell::default(), &[&good()], Auth::Required, Duration::ZERO);
    let Ok(Caller::Account { session, .. }) = caller else { panic!("{caller:?}") };
    within.revoked.borrow_mut().insert(session.to_string());
}

fn headers(authorization: &[&str]) -> HeaderMap {
    let values = authorization.iter().map(|text| HeaderValue::from_str(text).unwrap());
    values.map(|value| (header::AUTHORIZATION, value)).collect()
}

fn ask(
    sessions: &FakeSessions,
    memory: &RefCell<Memory>,
    authorization: &[&str],
    auth: Auth,
    after: Duration,
) -> Result<Caller, AuthError> {
    let headers = headers(authorization);
    block_on(authenticate(sessions, memory, &headers, auth, now().after(after)))
}

fn good() -> String {
    format!("Bearer {}", sign(1, HEADER, &good_claims()))
}

#[test]
fn every_kind_of_caller_is_told_apart() {
    use Auth::{None as Open, Optional, Required};
    let (good, capability) = (good(), format!("Bearer ot_{}", "A".repeat(43)));
    let unknown = format!("Bearer {}", sign(1, &HEADER.replace("k1", "k9"), &good_claims()));
    let forged = format!("Bearer {}", sign(2, HEADER, &good_claims()));
    let over = format!("Bearer {}", sign(1, HEADER, &claims_json(0, NOW_S)));
    let account = Ok("account");
    for (authorization, auth, expected) in [
        (&[][..], Open, Ok("guest")),
        (&[][..], Optional, Ok("guest")),
        (&[][..], Required, Err("no token")),
        (&[good.as_str()], Optional, account),
        (&[good.as_str()], Required, account),
        (&[good.as_str()], Open, Ok("guest")),
        (&["Bearer junk"], Open, Ok("guest")),
        (&[good.replace("Bearer", "bearer").as_str()], Required, account),
        (&[good.replace("Bearer ", "Bearer   ").as_str()], Required, account),
        (&[capability.as_str()], Optional, Ok("capability")),
        (&[capability.as_str()], Required, Err("no token")),
        (&["Bearer ot_short"], Optional, Err("refused token")),
        (&["Bearer junk"], Optional, Err("refused token")),
        (&["Bearer"], Optional, Err("unusable authorization header")),
        (&["Bearer "], Optional, Err("unusable authorization header")),
        (&["Basic YTpi"], Optional, Err("unusable authorization header")),
        (&[""], Optional, Err("unusable authorization header")),
        (&[good.as_str(), good.as_str()], Optional, Err("unusable authorization header")),
        (&[unknown.as_str()], Optional, Err("refused token")),
        (&[forged.as_str()], Optional, Err("refused token")),
        (&[over.as_str()], Optional, Err("refused token")),
    ] {
        let caller = ask(&sessions(), &RefCell::default(), authorization, auth, Duration::ZERO);
        let found = caller.map(|caller| match caller {
            Caller::Guest => "guest",
            Caller::Capability => "capability",
            Caller::Account { .. } => "account",
        });
        assert_eq!(
            found.map_err(|e| e.to_string()),
            expected.map_err(str::to_owned),
            "{authorization:?}"
        );
    }
}

#[test]
fn a_verified_token_is_remembered_until_it_ends() {
    let (sessions, memory) = (sessions(), RefCell::default());
    for ms in [0, 100, 999] {
        assert!(
            ask(&sessions, &memory, &[&good()], Auth::Required, Duration::from_millis(ms)).is_ok()
        );
    }
    assert_eq!((sessions.key_reads.get(), sessions.revocation_reads.get()), (1, 1));
    let end = Duration::from_secs(900);
    assert_eq!(
        ask(&sessions, &memory, &[&good()], Auth::Required, end),
        Err(AuthError::BadToken(TokenError::Expired))
    );
}

#[test]
fn a_revoked_session_ends_within_a_second() {
    let (sessions, memory) = (sessions(), RefCell::default());
    let at = |ms| ask(&sessions, &memory, &[&good()], Auth::Optional, Duration::from_millis(ms));
    assert!(at(0).is_ok());
    revoke(&sessions);
    assert!(at(999).is_ok());
    assert_eq!(at(1_000), Err(AuthError::Revoked));
    assert_eq!(at(1_001), Err(AuthError::Revoked));
}

#[test]
fn a_withdrawn_key_ends_its_tokens_within_a_minute() {
    let (sessions, memory) = (sessions(), RefCell::default());
    let at = |s| ask(&sessions, &memory, &[&good()], Auth::Optional, Duration::from_secs(s));
    assert!(at(0).is_ok());
    sessions.keys.borrow_mut().clear();
    assert!(at(59).is_ok());
    assert_eq!(at(60), Err(AuthError::BadToken(TokenError::UnknownKey)));
}

#[test]
fn a_new_key_is_found_and_forged_names_cost_little() {
    let (sessions, memory) = (sessions(), RefCell::default());
    let token =
        |kid: &str| format!("Bearer {}", sign(2, &HEADER.replace("k1", kid), &good_claims()));
    let at = |kid: &str, ms| {
        ask(&sessions, &memory, &[&token(kid)], Auth::Optional, Duration::from_millis(ms)).is_ok()
    };
    for step in 0..100 {
        assert!(!at(&format!("forged{step}"), step));
    }
    assert_eq!(sessions.key_reads.get(), 1);
    sessions.keys.borrow_mut().push(key("k2", 2));
    assert!(!at("k2", 4_999));
    assert!(at("k2", 5_000));
    assert_eq!(sessions.key_reads.get(), 2);
}

#[test]
fn nobody_is_let_in_on_a_guess() {
    let (sessions, memory) = (sessions(), RefCell::default());
    sessions.is_down.set(true);
    let at = |ms| ask(&sessions, &memory, &[&good()], Auth::Optional, Duration::from_millis(ms));
    assert_eq!(at(0), Err(AuthError::Unavailable(SqlError::NotReady)));
    let junk = ask(&sessions, &memory, &["Bearer junk"], Auth::Optional, Duration::ZERO);
    assert_eq!(junk, Err(AuthError::BadToken(TokenError::Malformed)));
    sessions.is_down.set(false);
    assert!(at(1).is_ok());
    sessions.is_down.set(true);
    assert!(at(2).is_ok());
    assert_eq!(at(2_000), Err(AuthError::Unavailable(SqlError::NotReady)));
}

#[test]
fn memory_is_bounded_and_drops_what_ends_first() {
    let mut memory = Memory::default();
    let (user, session) = (UserId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
    for index in 0..3_000_u32 {
        let ends_at_s = NOW_S.saturating_add(1).saturating_add(i64::from(index));
        let (kid, unrevoked_at) = ("k1".to_owned(), now());
        let proven = Proven { user, session, kid, ends_at_s, unrevoked_at };
        memory.remember(Sha256::digest(index.to_be_bytes()).into(), proven, now());
        assert!(memory.tokens.len() <= TOKENS_MAX);
    }
    let earliest = memory.tokens.values().map(|known| known.ends_at_s).min();
    assert_eq!(earliest, Some(NOW_S.saturating_add(3_000 - 1_023)));
}
