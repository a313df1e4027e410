//! Stripe's own library against the stand-in and against us: all three agree about signatures and about the wire.

use std::process::Stdio;

use domain::Timestamp;
use fake_stripe::{FakeStripe, SECRET_KEY, WEBHOOK_SECRET};
use providers::secret::Secret;
use providers::stripe::signature::{sign, verify};
use tokio::process::Command;

use crate::shop::{Shop, now};

/// Runs the script with Stripe's library and returns what it printed.
async fn run(arguments: &[&str]) -> Result<String, String> {
    let folder = harness::root().join("tests/remotes/clients");
    assert!(
        folder.join("node_modules/stripe").is_dir(),
        "Stripe's library is missing: `cargo xtask test` installs it, or run `npm ci` in {}",
        folder.display()
    );
    let output = Command::new("node")
        .current_dir(folder)
        .arg("stripe.mjs")
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = output.await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[tokio::test]
async fn stripes_library_believes_what_we_and_the_stand_in_sign() {
    let body = "{\"id\":\"evt_1\",\"object\":\"event\",\"text\":\"Gr\u{fc}\u{df}e \u{1f375}\"}";
    let ours = sign(&Secret::new(WEBHOOK_SECRET.into()), body.as_bytes(), now());
    let shop = Shop::open().await;
    shop.pay("success").await.unwrap();
    let told = shop.fake.deliveries().pop().unwrap();
    for (signature, body) in [(ours.as_str(), body), (&told.signature, &told.body)] {
        let answer = run(&["verify", WEBHOOK_SECRET, signature, body]).await;
        assert_eq!(answer.as_deref().map(str::trim), Ok("believed"), "{signature}");
        let refused = run(&["verify", "whsec_other", signature, body]).await;
        assert!(refused.is_err_and(|text| text.contains("StripeSignatureVerificationError")));
        let changed = run(&["verify", WEBHOOK_SECRET, signature, &format!("{body} ")]).await;
        assert!(changed.is_err_and(|text| text.contains("StripeSignatureVerificationError")));
    }
    let hour = 3_600_000;
    let old = Timestamp::from_unix_ms(now().unix_ms() - hour);
    let stale = sign(&Secret::new(WEBHOOK_SECRET.into()), body.as_bytes(), old);
    let refused = run(&["verify", WEBHOOK_SECRET, &stale, body]).await;
    assert!(refused.is_err_and(|text| text.contains("tolerance")));
}

#[tokio::test]
async fn we_believe_what_stripes_library_signs() {
    let body = "{\"id\":\"evt_1\",\"object\":\"event\",\"text\":\"Gr\u{fc}\u{df}e \u{1f375}\"}";
    let at = now();
    let sent = at.unix_s().to_string();
    let header = run(&["sign", WEBHOOK_SECRET, &sent, body]).await.unwrap();
    let header = header.trim();
    let check = |secret: &str, body: &str, late_s: i64| {
        let now = Timestamp::from_unix_ms(at.unix_ms() + late_s * 1_000);
        verify(&[Secret::new(secret.into())], header, body.as_bytes(), now).is_ok()
    };
    assert!(check(WEBHOOK_SECRET, body, 0), "{header}");
    assert!(check(WEBHOOK_SECRET, body, 299), "{header}");
    assert!(!check(WEBHOOK_SECRET, body, 301));
    assert!(!check("whsec_other", body, 0));
    assert!(!check(WEBHOOK_SECRET, &body.to_lowercase(), 0));
}

#[tokio::test]
async fn stripes_library_is_content_with_the_stand_in() {
    let fake = FakeStripe::start().await.unwrap();
    let said = run(&["drive", SECRET_KEY, fake.url()]).await;
    assert_eq!(said.as_deref().map(str::trim), Ok("content"));
}
