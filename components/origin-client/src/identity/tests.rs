//! What signs, what does not, and every way to tamper.

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW: Timestamp = Timestamp::from_unix_ms(1_795_348_800_123);

fn identity() -> Identity {
    Identity {
        user: Some(UserId::from_bytes([7; 16])),
        session: Some(SessionId::from_bytes([9; 16])),
        client: "2001:db8::1".parse().unwrap(),
    }
}

fn request() -> SignedRequest<'static> {
    SignedRequest { method: &Method::POST, path_and_query: "/v1/carts?x=1", body: b"{}" }
}

#[test]
fn what_is_signed_verifies_and_gives_everything_back() {
    for (user, session, client) in [
        (None, None, "127.0.0.1"),
        (identity().user, None, "::1"),
        (identity().user, identity().session, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ] {
        let identity = Identity { user, session, client: client.parse().unwrap() };
        let value = sign(SECRET, &request(), &identity, NOW, [0xab; 16]);
        assert!(value.len() <= 260, "{}", value.len());
        let verified = verify(SECRET, &value, &request(), NOW).unwrap();
        assert_eq!(verified.identity, identity);
        assert_eq!(verified.nonce, [0xab; 16]);
        assert_eq!(verified.signed_at.unix_s(), NOW.unix_s());
    }
}

/// A fixed value, so that an edge and an origin of different releases stay able to talk.
#[test]
fn the_format_is_stable() {
    assert_eq!(
        sign(SECRET, &request(), &identity(), NOW, [1; 16]),
        "v1;kid=edge;t=1795348800;n=01010101010101010101010101010101;\
         sub=07070707-0707-0707-0707-070707070707;sid=09090909-0909-0909-0909-090909090909;\
         client=2001:db8::1;sig=lM8L4ixLnWvGMkrTBQOh9kPSNNSxqfFljNgNvE2h7lY"
    );
}

#[test]
fn another_request_or_secret_is_refused() {
    let value = sign(SECRET, &request(), &identity(), NOW, [1; 16]);
    let check = |secret: &[u8], request: SignedRequest<'_>| {
        assert_eq!(verify(secret, &value, &request, NOW), Err(IdentityError::BadSignature));
    };
    check(b"another", request());
    check(b"", request());
    check(SECRET, SignedRequest { method: &Method::PUT, ..request() });
    check(SECRET, SignedRequest { path_and_query: "/v1/carts?x=2", ..request() });
    check(SECRET, SignedRequest { path_and_query: "/v1/carts", ..request() });
    check(SECRET, SignedRequest { body: b"{ }", ..request() });
    check(SECRET, SignedRequest { body: b"", ..request() });
}

#[test]
fn the_window_is_sixty_seconds_on_both_sides() {
    let value = sign(SECRET, &request(), &identity(), NOW, [1; 16]);
    for (offset_ms, fits) in
        [(0, true), (60_000, true), (-60_000, true), (61_000, false), (-61_000, false)]
    {
        let then = Timestamp::from_unix_ms(NOW.unix_ms() + offset_ms);
        let verified = verify(SECRET, &value, &request(), then);
        assert_eq!(verified.is_ok(), fits, "{offset_ms}");
        assert!(fits || verified == Err(IdentityError::OutsideWindow), "{offset_ms}");
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let value = sign(SECRET, &request(), &identity(), NOW, [1; 16]);
    for at in 0..value.len() {
        for byte in [b'0', b'f', b'-', b';', b'A', b' '] {
            let mut changed = value.clone().into_bytes();
            if changed[at] == byte {
                continue;
            }
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            assert!(verify(SECRET, &changed, &request(), NOW).is_err(), "{changed}");
        }
    }
}

#[test]
fn other_shapes_are_malformed() {
    let good = sign(SECRET, &request(), &identity(), NOW, [1; 16]);
    for bad in [
        String::new(),
        "v1".to_owned(),
        good.replace("v1;", "v2;"),
        good.replace("kid=edge", "kid=other"),
        good.replace("t=1795348800", "t=now"),
        good.replace("n=01", "n=0"),
        good.replace("n=01", "n=0A"),
        good.replace("client=2001:db8::1", "client=localhost"),
        good.replace("sub=0", "sub=x"),
        format!("{good};more=1"),
        format!("{good}="),
        format!(" {good}"),
        good.repeat(3),
    ] {
        assert_eq!(verify(SECRET, &bad, &request(), NOW), Err(IdentityError::Malformed), "{bad}");
    }
}
