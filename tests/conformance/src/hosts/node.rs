//! Our edge node, as the process `vitrine-edge` with the built components.

use anyhow::Result;
use harness::EdgeOptions;

use crate::host::Start;
use crate::hosts::process::Listening;
use crate::tap::Tap;
use crate::world::{RUNTIME, VARIABLES, World};

/// Starts a node and waits until it serves the catalogue. Components that have an express lane are served there.
///
/// # Errors
/// When it is not built or does not start.
pub fn start(world: &World, tap: &Tap) -> Result<Start> {
    start_with(world, tap, "node", &[])
}

/// The same with every component in the standard lane.
///
/// # Errors
/// When it is not built or does not start.
pub fn start_standard(world: &World, tap: &Tap) -> Result<Start> {
    start_with(world, tap, "node-standard", &["--standard-lane"])
}

fn start_with(world: &World, tap: &Tap, name: &str, args: &[&str]) -> Result<Start> {
    let mut variables: Vec<(String, String)> =
        VARIABLES.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    variables.push(("origin_url".to_owned(), tap.url()));
    let args = args.iter().map(|word| (*word).to_owned()).collect();
    let options = EdgeOptions { variables, args, ..EdgeOptions::default() };
    let process = RUNTIME.block_on(world.stack().start_edge(name, &options))?;
    Ok(Start::Runs(Box::new(Listening::new(process)?)))
}
