//! Who of the staff may do what.

use api_types::auth::Credentials;
use app::{Caller, NewStaffKey};
use domain::staff::{Permission, Role};
use store::Granting;

use crate::world::{GUEST, World};
use engines::{Engine, on_every_engine};

async fn an_account_with_roles_may_what_they_allow_until_they_are_taken_or_it_logs_out(
    engine: Engine,
) {
    let world = World::with_stock(engine, 1).await;
    let email = "ada@example.org";
    let credentials = Credentials { email: email.to_owned(), password: "correct horse".to_owned() };
    let address = || email.parse().unwrap();
    let now = world.clock.now();
    assert_eq!(
        world.store.grant_role(address(), Role::Support, now).await.unwrap(),
        Granting::NoAccount
    );
    let tokens = world.app.register(credentials, None).await.unwrap().value;
    let caller = caller_of(&tokens.access_token);
    let refused = world.app.staff(&caller, None).await.unwrap_err();
    assert_eq!(refused.to_string(), "permission-required");
    for (role, expected) in [
        (Role::Support, Granting::Done),
        (Role::Support, Granting::AsBefore),
        (Role::Payments, Granting::Done),
    ] {
        assert_eq!(world.store.grant_role(address(), role, now).await.unwrap(), expected);
    }
    let staff = world.app.staff(&caller, None).await.unwrap();
    assert!(staff.may(Permission::PaymentsWrite) && staff.may(Permission::CatalogueRead));
    let denied = world.app.demand(&staff, Permission::WebhooksRead).unwrap_err();
    assert_eq!(denied.to_string(), "permission-required");
    let [member] = world.app.staff_members().await.unwrap().items.try_into().unwrap();
    assert_eq!((member.email.as_str(), member.roles.len()), (email, 2));

    let taken = world.store.revoke_role(address(), Some(Role::Payments)).await.unwrap();
    assert_eq!(taken, Granting::Done);
    let staff = world.app.staff(&caller, None).await.unwrap();
    assert!(!staff.may(Permission::PaymentsWrite) && staff.may(Permission::CatalogueRead));
    // A session that ended is nobody's, even where the edge does not know yet.
    let refresh = api_types::auth::RefreshToken { refresh_token: tokens.refresh_token };
    world.app.logout(&GUEST, &refresh).await.unwrap();
    assert!(world.app.staff(&caller, None).await.is_err());
}

pub(crate) fn caller_of(access_token: &str) -> Caller {
    use base64::Engine;
    let claims = access_token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: api_types::auth::AccessClaims = serde_json::from_slice(&claims).unwrap();
    Caller { user: Some(claims.sub), session: Some(claims.sid), ..GUEST }
}

async fn a_key_is_believed_until_it_is_revoked_and_is_stored_as_a_digest_alone(engine: Engine) {
    let world = World::with_stock(engine, 1).await;
    let roles = vec![Role::Orders, Role::Integrations];
    let made = NewStaffKey::make("till".to_owned(), roles, None, world.clock.now()).unwrap();
    assert!(world.store.create_staff_key(made.key.clone()).await.unwrap());
    let staff = world.app.staff(&GUEST, Some(&made.text)).await.unwrap();
    assert!(staff.may(Permission::OrdersWrite) && staff.may(Permission::WebhooksWrite));
    assert!(!staff.may(Permission::StaffRead));
    let stored = world.store.staff_key(made.key.id).await.unwrap().unwrap();
    assert!(stored.last_used_at.is_some());
    assert_eq!(stored.digest, made.key.digest);
    let listed = serde_json::to_string(&world.app.staff_keys().await.unwrap()).unwrap();
    assert!(listed.contains("till") && !listed.contains("vk_") && !listed.contains("digest"));

    let another = NewStaffKey::make("x".to_owned(), vec![Role::Owner], None, world.clock.now());
    for wrong in [another.unwrap().text, made.text.to_uppercase(), "vk_".to_owned()] {
        let error = world.app.staff(&GUEST, Some(&wrong)).await.unwrap_err();
        assert!(["invalid-staff-key", "unauthenticated"].contains(&&*error.to_string()), "{error}");
    }
    world.app.revoke_staff_key(made.key.id).await.unwrap();
    world.app.revoke_staff_key(made.key.id).await.unwrap();
    let error = world.app.staff(&GUEST, Some(&made.text)).await.unwrap_err();
    assert_eq!(error.to_string(), "invalid-staff-key");
}

on_every_engine!(
    an_account_with_roles_may_what_they_allow_until_they_are_taken_or_it_logs_out,
    a_key_is_believed_until_it_is_revoked_and_is_stored_as_a_digest_alone
);
