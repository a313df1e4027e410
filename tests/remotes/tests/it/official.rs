//! The official clients against the stand-ins: whoever serves them speaks the protocol.

use std::process::Stdio;

use remotes::redis::Redis;
use remotes::{hrana, upstash};
use tokio::process::Command;

const TOKEN: &str = "a-token";

/// Runs a script of `clients/` against a server and expects it to be content.
async fn run(script: &str, url: &str) {
    let folder = harness::root().join("tests/remotes/clients");
    assert!(
        folder.join("node_modules").is_dir(),
        "the official clients are missing: `cargo xtask test` installs them, or run `npm ci` in {}",
        folder.display()
    );
    let output = Command::new("node")
        .current_dir(folder)
        .arg(script)
        .args([url, TOKEN])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn upstashs_own_client_is_content_with_the_stand_in() {
    let redis = Redis::start().await.unwrap();
    let server = upstash::serve(redis.socket(), TOKEN).await.unwrap();
    run("upstash.mjs", server.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn libsqls_own_client_is_content_with_the_stand_in() {
    let folder = tempfile::tempdir().unwrap();
    let server = hrana::serve(folder.path().join("a.db"), TOKEN).await.unwrap();
    run("libsql.mjs", server.url()).await;
}
