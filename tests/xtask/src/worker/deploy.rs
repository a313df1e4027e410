//! `worker deploy`: pushes the Worker to Cloudflare, or only lets wrangler check that it could.

use anyhow::Result;

use super::config::{self, Config, ENVIRONMENTS};
use super::{build, tools};
use crate::Context;
use crate::cli::WorkerDeployArgs;
use crate::step;

/// Where a deployment goes that names no environment.
const DEFAULT: &str = "production";

/// The command.
pub(crate) fn run(context: &Context, args: &WorkerDeployArgs) -> Result<()> {
    let named = args.environment.map(|environment| environment.name());
    build::build(context)?;
    if args.dry_run {
        let chosen = named.map_or_else(|| ENVIRONMENTS.to_vec(), |name| vec![name]);
        return chosen.into_iter().try_for_each(|name| dry_run(context, name, &args.variables));
    }
    let environment = named.unwrap_or(DEFAULT);
    make_queues(context, environment)?;
    let mut command = deploy_command(context, environment, &args.variables)?;
    if let Some(file) = &args.secrets_file {
        command.arg("--secrets-file").arg(std::path::absolute(file)?);
    }
    let title = format!("deploy to {environment}");
    context.steps.passed_on(&title, &mut command)?.require_success(&title)?;
    remind_of_secrets(context, environment);
    Ok(())
}

/// Everything that a deployment does short of the upload; needs neither network nor login.
pub(crate) fn dry_run(context: &Context, environment: &str, variables: &[String]) -> Result<()> {
    let mut command = deploy_command(context, environment, variables)?;
    command.arg("--dry-run");
    let title = format!("check the deployment to {environment}");
    let (_, lines) = context.steps.captured(&title, &mut command)?;
    let bindings = lines.iter().filter(|line| line.starts_with("env.")).count();
    context.reporter.result(&format!("{environment}: deployable, {bindings} bindings"));
    Ok(())
}

fn deploy_command(
    context: &Context,
    environment: &str,
    variables: &[String],
) -> Result<std::process::Command> {
    let mut config = Config::read(context)?.environment(environment)?;
    let secrets = config::set_variables(&mut config, variables)?;
    if let Some((name, _)) = secrets.first() {
        anyhow::bail!(
            "`{name}` is a secret and would be readable in a command line: `wrangler secret put {name} --env {environment}`, or --secrets-file"
        );
    }
    let mut command = tools::wrangler(context);
    command.args(["deploy", "--env", environment]);
    for variable in variables {
        let (name, value) = config::split(variable)?;
        command.args(["--var", &format!("{name}:{value}")]);
    }
    Ok(command)
}

/// Makes the queues that are not there yet: wrangler makes all else, but no queues.
fn make_queues(context: &Context, environment: &str) -> Result<()> {
    for queue in Config::read(context)?.queues(environment)? {
        let mut info = tools::wrangler(context);
        if step::ask(info.args(["queues", "info", &queue])).is_some() {
            continue;
        }
        let mut create = tools::wrangler(context);
        create.args(["queues", "create", &queue]);
        context.steps.run(&format!("create the queue {queue}"), &mut create)?;
    }
    Ok(())
}

/// A Worker without its secret refuses nothing but every call to the origin: say so.
fn remind_of_secrets(context: &Context, environment: &str) {
    let mut list = tools::wrangler(context);
    let listed = step::ask(list.args(["secret", "list", "--env", environment]));
    if listed.is_none_or(|names| !names.contains("\"edge_secret\"")) {
        context.reporter.note(&format!(
            "the origin trusts this Worker only with its secret: `wrangler secret put edge_secret --env {environment}`"
        ));
    }
}
