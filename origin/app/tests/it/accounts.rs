//! Sessions and signing keys over months.

use std::time::Duration;

use api_types::auth::{AccessClaims, Credentials, RefreshToken, Tokens};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use serde_json::Value;

use crate::world::{GUEST, World};
use engines::{Engine, on_every_engine};

const DAY: Duration = Duration::from_hours(24);
const MINUTE: Duration = Duration::from_mins(1);

fn ada() -> Credentials {
    let text = serde_json::json!({"email": "ada@example.org", "password": "correct horse"});
    serde_json::from_value(text).unwrap()
}

fn part(token: &str, index: usize) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()
}

/// Checks a token against the published keys; returns the name of the key that signed it.
fn signer(world: &World, token: &str) -> Option<String> {
    let header: Value = serde_json::from_slice(&part(token, 0)).unwrap();
    assert_eq!((&header["alg"], &header["typ"]), (&"EdDSA".into(), &"at+jwt".into()));
    let jwks = world.app.jwks().unwrap();
    let key = jwks.keys.iter().find(|key| header["kid"] == key.kid)?;
    let public = URL_SAFE_NO_PAD.decode(&key.x).unwrap().try_into().unwrap();
    let signature = Signature::from_slice(&part(token, 2)).unwrap();
    let (input, _) = token.rsplit_once('.').unwrap();
    let verifying = VerifyingKey::from_bytes(&public).unwrap();
    verifying.verify(input.as_bytes(), &signature).unwrap();
    Some(key.kid.clone())
}

fn published(world: &World) -> Vec<String> {
    world.app.jwks().unwrap().keys.into_iter().map(|key| key.kid).collect()
}

async fn refresh(world: &World, tokens: &Tokens) -> Result<Tokens, String> {
    let request = RefreshToken { refresh_token: tokens.refresh_token.clone() };
    let answer = world.app.refresh(&request, None).await;
    answer.map(|answer| answer.value).map_err(|error| error.to_string())
}

async fn a_session_lives_while_it_is_used_and_ends_thirty_days_after(engine: Engine) {
    let world = World::with_stock(engine, 1).await;
    let first = world.app.register(ada(), None).await.unwrap().value;
    world.clock.advance(30 * DAY - MINUTE);
    let second = refresh(&world, &first).await.unwrap();
    world.clock.advance(30 * DAY - MINUTE);
    let third = refresh(&world, &second).await.unwrap();
    let claims: AccessClaims = serde_json::from_slice(&part(&third.access_token, 1)).unwrap();
    assert_eq!(claims.exp - claims.iat, 900);
    world.clock.advance(30 * DAY + MINUTE);
    assert_eq!(refresh(&world, &third).await.unwrap_err(), "invalid-refresh-token");
    // Ended tokens are no sign of theft; they go, and with the last of them the session.
    assert_eq!(refresh(&world, &first).await.unwrap_err(), "invalid-refresh-token");
    let caller = app::Caller { user: Some(claims.sub), session: Some(claims.sid), ..GUEST };
    assert!(world.app.me(&caller).await.is_ok());
    world.app.forget_old().await.unwrap();
    assert_eq!(world.app.me(&caller).await.unwrap_err().to_string(), "unauthenticated");
}

async fn the_next_key_is_published_before_it_signs_and_the_last_until_its_tokens_have_ended(
    engine: Engine,
) {
    let world = World::with_stock(engine, 1).await;
    let mut tokens = world.app.register(ada(), None).await.unwrap().value;
    let mut signed_by = signer(&world, &tokens.access_token).unwrap();
    for month in 0..3 {
        let before = published(&world);
        assert_eq!(before.len(), 2, "{month}");
        world.clock.advance(29 * DAY);
        world.app.rotate_keys().await.unwrap();
        assert_eq!(published(&world), before, "not yet");
        tokens = refresh(&world, &tokens).await.unwrap();
        world.clock.advance(DAY + MINUTE);
        let old = refresh(&world, &tokens).await.unwrap();
        assert_eq!(signer(&world, &old.access_token).as_ref(), Some(&signed_by));
        world.app.rotate_keys().await.unwrap();
        tokens = refresh(&world, &old).await.unwrap();
        let now_by = signer(&world, &tokens.access_token).unwrap();
        assert!(now_by != signed_by && before.contains(&now_by), "the one published before");
        // What the old key signed a moment ago holds until it ends.
        world.clock.advance(15 * MINUTE);
        world.app.rotate_keys().await.unwrap();
        assert_eq!(signer(&world, &old.access_token).as_ref(), Some(&signed_by));
        world.clock.advance(6 * MINUTE);
        world.app.rotate_keys().await.unwrap();
        assert_eq!(signer(&world, &old.access_token), None);
        signed_by = now_by;
    }
}

on_every_engine!(
    a_session_lives_while_it_is_used_and_ends_thirty_days_after,
    the_next_key_is_published_before_it_signs_and_the_last_until_its_tokens_have_ended
);
