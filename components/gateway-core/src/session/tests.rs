//! Callers of every kind, and what is remembered of them.

use core::cell::Cell;

use futures::executor::block_on;
use http::HeaderValue;

use super::*;
use crate::token::tests::{HEADER, NOW_S, claims_json, good_claims, jwk, now, sign};

/// The replica's two tables, with a count of questions.
struct Tables {
    keys: RefCell<Vec<(String, String)>>,
    revoked: Cell<bool>,
    is_down: Cell<bool>,
    key_reads: Cell<u32>,
    revocation_reads: Cell<u32>,
}

impl Tables {
    fn new() -> Self {
        Self {
            keys: RefCell::new(vec![("k1".to_owned(), jwk(1, "k1"))]),
            revoked: Cell::new(false),
            is_down: Cell::new(false),
            key_reads: Cell::new(0),
            revocation_reads: Cell::new(0),
        }
    }
}

impl Sql for Tables {
    async fn query(&self, statement: &str, _: &[SqlValue]) -> Result<Rows, SqlError> {
        if self.is_down.get() {
            return Err(SqlError::NotReady);
        }
        let rows = if statement == KEYS_QUERY {
            self.key_reads.set(self.key_reads.get().saturating_add(1));
            let far = SqlValue::Integer(i64::MAX);
            let row = |(kid, jwk): &(String, String)| {
                vec![SqlValue::Text(kid.clone()), SqlValue::Text(jwk.clone()), far.clone()]
            };
            self.keys.borrow().iter().map(row).collect()
        } else {
            assert_eq!(statement, REVOKED_QUERY);
            self.revocation_reads.set(self.revocation_reads.get().saturating_add(1));
            if self.revoked.get() { vec![vec![SqlValue::Integer(1)]] } else { Vec::new() }
        };
        Ok(Rows { columns: Vec::new(), rows })
    }
}

fn headers(authorization: &[&str]) -> HeaderMap {
    let values = authorization.iter().map(|text| HeaderValue::from_str(text).unwrap());
    values.map(|value| (header::AUTHORIZATION, value)).collect()
}

fn ask(
    tables: &Tables,
    memory: &RefCell<Memory>,
    authorization: &[&str],
    auth: Auth,
    after: Duration,
) -> Result<Caller, AuthError> {
    let headers = headers(authorization);
    block_on(authenticate(tables, memory, &headers, auth, now().after(after)))
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
        let caller = ask(&Tables::new(), &RefCell::default(), authorization, auth, Duration::ZERO);
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
    let (tables, memory) = (Tables::new(), RefCell::default());
    for ms in [0, 100, 999] {
        assert!(
            ask(&tables, &memory, &[&good()], Auth::Required, Duration::from_millis(ms)).is_ok()
        );
    }
    assert_eq!((tables.key_reads.get(), tables.revocation_reads.get()), (1, 1));
    let end = Duration::from_secs(900);
    assert_eq!(
        ask(&tables, &memory, &[&good()], Auth::Required, end),
        Err(AuthError::BadToken(TokenError::Expired))
    );
}

#[test]
fn a_revoked_session_ends_within_a_second() {
    let (tables, memory) = (Tables::new(), RefCell::default());
    let at = |ms| ask(&tables, &memory, &[&good()], Auth::Optional, Duration::from_millis(ms));
    assert!(at(0).is_ok());
    tables.revoked.set(true);
    assert!(at(999).is_ok());
    assert_eq!(at(1_000), Err(AuthError::Revoked));
    assert_eq!(at(1_001), Err(AuthError::Revoked));
}

#[test]
fn a_withdrawn_key_ends_its_tokens_within_a_minute() {
    let (tables, memory) = (Tables::new(), RefCell::default());
    let at = |s| ask(&tables, &memory, &[&good()], Auth::Optional, Duration::from_secs(s));
    assert!(at(0).is_ok());
    tables.keys.borrow_mut().clear();
    assert!(at(59).is_ok());
    assert_eq!(at(60), Err(AuthError::BadToken(TokenError::UnknownKey)));
}

#[test]
fn a_new_key_is_found_and_forged_names_cost_little() {
    let (tables, memory) = (Tables::new(), RefCell::default());
    let token =
        |kid: &str| format!("Bearer {}", sign(2, &HEADER.replace("k1", kid), &good_claims()));
    let at = |kid: &str, ms| {
        ask(&tables, &memory, &[&token(kid)], Auth::Optional, Duration::from_millis(ms)).is_ok()
    };
    for step in 0..100 {
        assert!(!at(&format!("forged{step}"), step));
    }
    assert_eq!(tables.key_reads.get(), 1);
    tables.keys.borrow_mut().push(("k2".to_owned(), jwk(2, "k2")));
    assert!(!at("k2", 4_999));
    assert!(at("k2", 5_000));
    assert_eq!(tables.key_reads.get(), 2);
}

#[test]
fn nobody_is_let_in_on_a_guess() {
    let (tables, memory) = (Tables::new(), RefCell::default());
    tables.is_down.set(true);
    let at = |ms| ask(&tables, &memory, &[&good()], Auth::Optional, Duration::from_millis(ms));
    assert_eq!(at(0), Err(AuthError::Unavailable(SqlError::NotReady)));
    let junk = ask(&tables, &memory, &["Bearer junk"], Auth::Optional, Duration::ZERO);
    assert_eq!(junk, Err(AuthError::BadToken(TokenError::Malformed)));
    tables.is_down.set(false);
    assert!(at(1).is_ok());
    tables.is_down.set(true);
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
