//! The Worker in workerd, as `edge/worker/serve.mjs` runs it: the built Worker with all its bindings.
//!
//! Asked at the direct port: miniflare's simulation of Cloudflare's front would rewrite paths and encodings, and hide
//! what the Worker itself does with them. Of the front only its word about the client is left, and this driver says it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::{Client, Program, eventually};

use crate::host::Start;
use crate::hosts::process::Listening;
use crate::repository;
use crate::tap::Tap;
use crate::world::{self, RUNTIME, VARIABLES, World};

/// What must be built: `cargo xtask worker build`.
const BUILT: &str = "target/worker/build/index.js";
/// What Cloudflare's front says of every request.
const FRONT: [(&str, &str); 1] = [("cf-connecting-ip", "127.0.0.1")];
/// Longest wait until the Worker has filled its copy by itself.
const FILLED_WITHIN: Duration = Duration::from_secs(60);

/// Starts the Worker and waits until it serves the catalogue.
///
/// # Errors
/// When it is built and does not start.
pub fn start(world: &World, tap: &Tap) -> Result<Start> {
    let built = repository::root().join(BUILT);
    if !built.is_file() {
        let why = format!("{BUILT} is missing: `cargo xtask worker build` makes it");
        return Ok(Start::LeftOut(why));
    }
    let node =
        std::env::var_os("VITRINE_NODE").map_or_else(|| PathBuf::from("node"), PathBuf::from);
    let mut args = vec!["edge/worker/serve.mjs".to_owned(), "--scheduled".to_owned()];
    let mut add = |option: &str, value: String| args.extend([option.to_owned(), value]);
    add("--port", "0".to_owned());
    add("--direct-port", "0".to_owned());
    add("--origin", tap.url());
    add("--secret-file", world.stack().edge_secret_file().display().to_string());
    for (name, value) in VARIABLES {
        add("--variable", format!("{name}={value}"));
    }
    let program = Program {
        name: "workerd".to_owned(),
        path: node,
        args,
        env: Vec::new(),
        announces: "listening ",
    };
    let (process, direct) = RUNTIME.block_on(async {
        let process = world.stack().start_program(program).await?;
        let log = process.log();
        let direct = log.lines().find_map(|line| line.strip_prefix("direct "));
        let direct = direct.context("find the direct port")?.to_owned();
        let client = Client::new(&direct);
        let filled = eventually(FILLED_WITHIN, "the Worker serves the catalogue", || async {
            let answer = client.get("/v1/products?limit=1").await.ok()?;
            (answer.status == 200 && answer.text().contains("\"sku\"")).then_some(())
        });
        filled.await.with_context(|| process.log())?;
        anyhow::Ok((process, direct))
    })?;
    let address = world::address(&direct)?;
    Ok(Start::Runs(Box::new(Listening::behind(process, address, FRONT.to_vec()))))
}
