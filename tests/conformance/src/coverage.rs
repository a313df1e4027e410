//! Which routes have a case: of the manifest, the gateway's table, the contract and the Worker.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use gateway_core::policy;
use http::Method;
use manifest::{App, Manifest, VariableSources};
use serde_json::Value;

use crate::case::{Case, Group};
use crate::repository;

/// Operations of the contract that are not for the edge's clients; asked through an edge they are 404 or the host's own.
pub const INSIDE: [&str; 2] = ["/healthz", "/metrics"];

/// Every case of the table.
pub fn cases(groups: &[Group]) -> impl Iterator<Item = &Case> {
    groups.iter().flat_map(|group| &group.cases)
}

/// Returns the path of a case, without its query; `None` for the absolute form.
#[must_use]
pub fn path(case: &Case) -> Option<&str> {
    let target = case.request.target.split(['?', '#']).next()?;
    target.starts_with('/').then_some(target)
}

/// Reads the manifest.
///
/// # Errors
/// When it is no manifest.
pub fn app() -> Result<App> {
    let text = String::from_utf8(repository::file("spin.toml")?).context("read spin.toml")?;
    let values = [("origin_url", "http://127.0.0.1:1"), ("edge_secret", "secret")];
    let sources = VariableSources::new().with_command_line(values);
    Manifest::parse(&text).and_then(|manifest| manifest.resolve(&sources)).context("read spin.toml")
}

/// Returns the manifest's routes that no case of status 200 reaches.
#[must_use]
pub fn routes_without_case(app: &App, groups: &[Group]) -> Vec<String> {
    let reached: BTreeSet<&str> = cases(groups)
        .filter(|case| is_good(case))
        .filter_map(|case| app.route(path(case)?)?.0.path.as_deref())
        .collect();
    let all = app.routes().iter().filter_map(|route| route.path.as_deref());
    all.filter(|route| !reached.contains(route)).map(str::to_owned).collect()
}

/// Returns the rows of the gateway's table that no case reaches.
#[must_use]
pub fn policies_without_case(groups: &[Group]) -> Vec<String> {
    let name = |row: &policy::Policy| format!("{} {:?}", row.pattern, row.methods);
    let reached: BTreeSet<String> = cases(groups)
        .filter_map(|case| {
            let method: Method = case.request.method.parse().ok()?;
            policy::find(path(case)?).ok()?.policy(&method).map(name)
        })
        .collect();
    policy::TABLE.iter().map(name).filter(|row| !reached.contains(row)).collect()
}

/// Returns the contract's operations for clients, as `GET /v1/carts/{cart_id}`.
///
/// # Errors
/// When the contract cannot be read.
pub fn operations() -> Result<BTreeSet<String>> {
    let contract = repository::file("origin/http/openapi.json")?;
    let contract: Value = serde_json::from_slice(&contract).context("read the contract")?;
    let paths = contract["paths"].as_object().context("find the contract's paths")?;
    let mut operations = BTreeSet::new();
    for (path, methods) in paths {
        // What the staff asks for goes the way of the rest of the origin's API; its operations are tested there.
        if path.starts_with("/internal/")
            || path.starts_with("/admin/")
            || INSIDE.contains(&path.as_str())
        {
            continue;
        }
        let methods = methods.as_object().context("find a path's methods")?;
        let methods = methods.keys().filter(|key| key.parse::<Method>().is_ok());
        let methods = methods.filter(|key| *key != "parameters");
        operations.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    Ok(operations)
}

/// Returns the operations that no good answer is expected of.
///
/// # Errors
/// When the contract cannot be read.
pub fn operations_without_case(groups: &[Group]) -> Result<Vec<String>> {
    let named: BTreeSet<&str> =
        cases(groups).filter(|case| is_good(case)).filter_map(|case| case.route).collect();
    Ok(operations()?.into_iter().filter(|one| !named.contains(one.as_str())).collect())
}

/// Returns the cases whose operation does not exist, or is not what they ask for.
///
/// # Errors
/// When the contract cannot be read.
pub fn cases_without_operation(groups: &[Group]) -> Result<Vec<String>> {
    let operations = operations()?;
    let wrong = cases(groups).filter(|case| {
        case.route.is_some_and(|route| !operations.contains(route) || !fits(route, case))
    });
    Ok(wrong
        .map(|case| format!("{} says {}", case.name, case.route.unwrap_or("nothing")))
        .collect())
}

fn fits(route: &str, case: &Case) -> bool {
    let (Some((method, template)), Some(path)) = (route.split_once(' '), path(case)) else {
        return false;
    };
    let (template, path): (Vec<&str>, Vec<&str>) =
        (template.split('/').collect(), path.split('/').collect());
    let is_path = template.len() == path.len()
        && template.iter().zip(&path).all(|(one, other)| one.starts_with('{') || one == other);
    method == case.request.method && is_path
}

/// Returns the Worker's patterns, as its table has them.
///
/// # Errors
/// When the table cannot be read.
pub fn worker_patterns() -> Result<Vec<String>> {
    let text = String::from_utf8(repository::file("edge/worker/src/routes.rs")?)
        .context("read the Worker's routes")?;
    let rows = text.lines().filter_map(|line| {
        let (pattern, target) = line.trim().strip_prefix("(\"")?.split_once("\", ")?;
        target.starts_with("Target::").then(|| pattern.to_owned())
    });
    // What stands below `mod tests` are addresses, not patterns.
    let table: Vec<String> = rows.collect();
    let tests = text.split("mod tests").nth(1).unwrap_or_default();
    Ok(table.into_iter().filter(|row| !tests.contains(&format!("(\"{row}\", "))).collect())
}

/// Returns the Worker's patterns below which no case asks.
///
/// # Errors
/// When the table cannot be read.
pub fn worker_routes_without_case(groups: &[Group]) -> Result<Vec<String>> {
    let asked: Vec<&str> = cases(groups).filter_map(path).collect();
    let reached = |pattern: &String| match pattern.strip_suffix("/...") {
        Some(prefix) => asked.iter().any(|path| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }),
        None => asked.contains(&pattern.as_str()),
    };
    Ok(worker_patterns()?.into_iter().filter(|pattern| !reached(pattern)).collect())
}

fn is_good(case: &Case) -> bool {
    (200..300).contains(&case.expected.status)
}
