//! Real Spin, where it is: `spin up` on the repository's own manifest and components.
//!
//! Spin has no replica: its default database is a file that `vitrine-edge replicate --follow` fills and keeps current.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::{Client, Process, Program, eventually};

use crate::host::Start;
use crate::hosts::process::Listening;
use crate::tap::Tap;
use crate::world::{RUNTIME, VARIABLES, World};

/// Spin's file of the database `default`, in its state folder.
const DATABASE: &str = "sqlite_db.db";
/// What the follower prints once the file is filled.
const FILLED: &str = "following ";
/// Longest wait until Spin answers: it compiles the components first.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// Starts Spin and waits until it serves the catalogue.
///
/// # Errors
/// When it is there and does not start.
pub fn start(world: &World, tap: &Tap) -> Result<Start> {
    let Some(spin) = find() else {
        let why = "there is no spin on PATH, and VITRINE_SPIN does not name one";
        return Ok(Start::LeftOut(why.to_owned()));
    };
    let state = world.stack().new_folder("spin")?;
    let follower = follow(world, tap, &state)?;
    let mut args = vec!["up".to_owned()];
    let mut add = |option: &str, value: String| args.extend([option.to_owned(), value]);
    add("--from", world.environment().manifest().display().to_string());
    add("--listen", "127.0.0.1:0".to_owned());
    add("--state-dir", state.display().to_string());
    add("--variable", format!("origin_url={}", tap.url()));
    for (name, value) in VARIABLES {
        add("--variable", format!("{name}={value}"));
    }
    let secret = world.stack().edge_secret()?;
    let program = Program {
        name: "spin-up".to_owned(),
        path: spin,
        args,
        env: vec![("SPIN_VARIABLE_EDGE_SECRET".to_owned(), secret)],
        announces: "Serving ",
    };
    let process = RUNTIME.block_on(async {
        let process = world.stack().start_program(program).await?;
        let client = Client::new(process.url());
        let ready = eventually(READY_WITHIN, "Spin serves the catalogue", || async {
            let answer = client.get("/v1/products?limit=1").await.ok()?;
            (answer.status == 200 && answer.text().contains("\"sku\"")).then_some(())
        });
        ready.await.with_context(|| process.log())?;
        anyhow::Ok(process)
    })?;
    Ok(Start::Runs(Box::new(Listening::new(process)?.beside(follower))))
}

/// Keeps Spin's default database current from the origin's feed, as an operator does.
fn follow(world: &World, tap: &Tap, state: &std::path::Path) -> Result<Process> {
    let mut args = vec!["replicate".to_owned(), "--follow".to_owned()];
    let mut add = |option: &str, value: String| args.extend([option.to_owned(), value]);
    add("--into", state.join(DATABASE).display().to_string());
    add("--feed", tap.url());
    add("--secret-file", world.stack().edge_secret_file().display().to_string());
    let follower = Program {
        name: "spin-replicate".to_owned(),
        path: world.environment().bin_dir.join("vitrine-edge"),
        args,
        env: Vec::new(),
        announces: FILLED,
    };
    RUNTIME.block_on(world.stack().start_program(follower)).context("fill Spin's database")
}

fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("VITRINE_SPIN") {
        return Some(PathBuf::from(named)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("spin")).find(|path| path.is_file())
}
