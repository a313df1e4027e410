//! `deploy`, `rollback`, `promote` and `versions`: they ask the node that runs on a state directory.

use std::time::Duration;

use anyhow::Context as _;

use crate::{
    admin::{self, Client, ClientError, DeployBody, PromoteBody, RollbackBody},
    cli::{Deploy, Promote, Reach, Rollback, Versions},
    deploy::{Listing, Outcome, Step, VersionLine},
    up::Failure,
};

/// Between two looks at what the node is doing.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Deploys and says how it goes.
pub(crate) fn deploy(options: Deploy) -> Result<(), Failure> {
    let body = deploy_body(&options).map_err(Failure::Configuration)?;
    let outcome = change(&options.reach, "/v1/deploy", &body)?;
    say(&match outcome.share_percent {
        100 => format!("version {} serves", outcome.version),
        percent => format!("version {} serves {percent} % of the clients", outcome.version),
    });
    Ok(())
}

fn deploy_body(options: &Deploy) -> anyhow::Result<DeployBody> {
    // The node does not run in this directory.
    let absolute = |path: &std::path::Path| {
        std::path::absolute(path).with_context(|| format!("find {}", path.display()))
    };
    let from = match &options.from {
        None if options.components.is_empty() => Some("spin.toml".into()),
        from => from.clone(),
    };
    let components = options.components.iter();
    Ok(DeployBody {
        from: from.map(|path| absolute(&path)).transpose()?,
        components: components
            .map(|(id, path)| Ok((id.clone(), absolute(path)?)))
            .collect::<anyhow::Result<_>>()?,
        variables: options
            .variables
            .iter()
            .map(|given| (given.name.clone(), given.value.clone()))
            .collect(),
        canary: options.canary.map(crate::traffic::Share::percent),
        failures_max: options.failures_max.map(crate::traffic::Share::percent),
    })
}

/// Rolls back.
pub(crate) fn rollback(options: &Rollback) -> Result<(), Failure> {
    let outcome = change(&options.reach, "/v1/rollback", &RollbackBody { to: options.to })?;
    say(&format!("version {} serves", outcome.version));
    Ok(())
}

/// Promotes.
pub(crate) fn promote(options: &Promote) -> Result<(), Failure> {
    let canary = options.canary.map(crate::traffic::Share::percent);
    let outcome = change(&options.reach, "/v1/promote", &PromoteBody { canary })?;
    say(&match outcome.share_percent {
        100 => format!("version {} serves", outcome.version),
        percent => format!("version {} serves {percent} % of the clients", outcome.version),
    });
    Ok(())
}

/// Lists.
pub(crate) fn versions(options: &Versions) -> Result<(), Failure> {
    let client = client(&options.reach);
    let listing: Listing = run(client.list())?;
    if options.json {
        let text = serde_json::to_string_pretty(&listing).context("write JSON");
        say(&text.map_err(Failure::Other)?);
        return Ok(());
    }
    say("version  state    share  created                   answers  5xx  manifest");
    for line in &listing.versions {
        say(&row(line));
    }
    Ok(())
}

fn row(line: &VersionLine) -> String {
    let created = line.created_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let (answers, failures) = match &line.loaded {
        Some(loaded) => (loaded.answers.to_string(), loaded.failures.to_string()),
        None => ("-".to_owned(), "-".to_owned()),
    };
    let manifest =
        line.manifest.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string());
    let (version, state, share) = (line.version, line.state.word(), line.share_percent);
    format!(
        "{version:<7}  {state:<7}  {share:>3} %  {created:<24}  {answers:>7}  {failures:>3}  {manifest}"
    )
}

fn client(reach: &Reach) -> Client {
    let timeout = Duration::from_secs(reach.timeout_s);
    Client { socket: admin::socket(&reach.state_dir), timeout }
}

/// Asks for a change, and says meanwhile what the node is doing.
fn change(reach: &Reach, path: &str, body: &impl serde::Serialize) -> Result<Outcome, Failure> {
    let client = client(reach);
    run(async {
        let changing = client.post(path, body);
        tokio::pin!(changing);
        let mut said = None;
        loop {
            tokio::select! {
                changed = &mut changing => return changed,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            // Who cannot be asked now will answer the change.
            let step: Option<Step> = match client.list::<Listing>().await {
                Ok(listing) => listing.step,
                Err(_) => continue,
            };
            if let Some(step) = step
                && said.replace(step) != Some(step)
            {
                progress(step.words());
            }
        }
    })
}

fn run<T>(asking: impl Future<Output = Result<T, ClientError>>) -> Result<T, Failure> {
    let tasks = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")
        .map_err(Failure::Other)?;
    tasks.block_on(asking).map_err(|error| match error {
        ClientError::Silent(error) => Failure::Other(error),
        ClientError::Refused(problem) => {
            let is_configuration = matches!(problem.status, 400 | 422);
            let said = problem.detail.unwrap_or(problem.title);
            let error = anyhow::Error::msg(said);
            if is_configuration { Failure::Configuration(error) } else { Failure::Other(error) }
        }
    })
}

/// The answer of the command.
#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn say(line: &str) {
    println!("{line}");
}

/// For who waits.
#[expect(clippy::print_stderr, reason = "whoever waits for the command reads it")]
fn progress(words: &str) {
    eprintln!("{words} …");
}
