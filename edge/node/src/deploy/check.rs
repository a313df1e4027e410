//! `[application.tool.vitrine.check]`: what a version must answer before it is given requests.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, bail, ensure};
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header};
use http_body_util::BodyExt as _;
use manifest::App;
use runtime::Body;
use serde::Deserialize;
use tokio::time::timeout;

use crate::{
    deployment::Deployment,
    given::Given,
    request_head::{self, Seen},
};

/// The table as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckTable {
    /// What is asked, by GET: a path, with a query if need be.
    path: String,
    /// What must be answered. Default 200.
    #[serde(default = "ok")]
    status: u16,
    /// How often, one after the other. Default 1, at most 100.
    #[serde(default = "once")]
    requests: u16,
    /// How long all of them may take, in milliseconds. Default 10 000.
    #[serde(default = "ten_seconds")]
    timeout_ms: u64,
}

const fn ok() -> u16 {
    200
}

const fn once() -> u16 {
    1
}

const fn ten_seconds() -> u64 {
    10_000
}

/// Most requests of one check: 100. It shows that a version answers; it is no load test.
const REQUESTS_MAX: u16 = 100;
/// Longest answer that a check reads: 16 MiB.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
const OWNER: &str = "application.tool.vitrine.check";

/// Reads the table, or `None` if the application has none.
pub(crate) fn read(app: &App) -> anyhow::Result<Option<CheckTable>> {
    let Some(table) = app.tool("vitrine").and_then(|table| table.get("check")) else {
        return Ok(None);
    };
    let table: CheckTable = table
        .clone()
        .try_into()
        .map_err(|error: toml::de::Error| anyhow::anyhow!("{}", error.message().to_owned()))
        .context(OWNER)?;
    ensure!(uri(&table).is_some(), "{OWNER}: path is no path");
    ensure!((1..=REQUESTS_MAX).contains(&table.requests), "{OWNER}: requests is not 1 to 100");
    ensure!((100..=599).contains(&table.status), "{OWNER}: status is no status");
    Ok(Some(table))
}

fn uri(table: &CheckTable) -> Option<Uri> {
    table.path.parse().ok().filter(|_| table.path.starts_with('/'))
}

/// Makes an instance of every component, and asks what the table says.
pub(super) async fn run(deployment: &Deployment, body_bytes_max: u64) -> anyhow::Result<()> {
    deployment.application.try_instances().await.context("make an instance")?;
    let Some(table) = read(&deployment.app)? else { return Ok(()) };
    let limit = Duration::from_millis(table.timeout_ms);
    match timeout(limit, ask_all(deployment, &table, body_bytes_max)).await {
        Ok(asked) => asked.with_context(|| format!("check {}", table.path)),
        Err(_) => bail!("check {}: no whole answer within {limit:?}", table.path),
    }
}

async fn ask_all(
    deployment: &Deployment,
    table: &CheckTable,
    body_bytes_max: u64,
) -> anyhow::Result<()> {
    for _ in 0..table.requests {
        let answer = ask(deployment, table, body_bytes_max).await?;
        let status = answer.status().as_u16();
        ensure!(status == table.status, "the answer is {status} instead of {}", table.status);
        let mut body = answer.into_body();
        let mut length = 0_usize;
        while let Some(frame) = body.frame().await {
            let frame = frame.ok().context("the answer broke off")?;
            length = length.saturating_add(frame.data_ref().map_or(0, bytes::Bytes::len));
            ensure!(length <= ANSWER_BYTES_MAX, "the answer is longer than 16 MiB");
        }
    }
    Ok(())
}

/// Asks as a client on this machine would, beside the metrics and the access log.
async fn ask(
    deployment: &Deployment,
    table: &CheckTable,
    body_bytes_max: u64,
) -> anyhow::Result<Response<Body>> {
    let uri = uri(table).context("it is no path")?;
    let (_, found) = deployment.app.route(uri.path()).context("no route leads there")?;
    if let Some(answer) = deployment.static_answers.answer(found.index) {
        return Ok(answer);
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("vitrine-edge check"));
    headers.insert(request_head::REQUEST_ID, request_head::request_id(&headers));
    let client = SocketAddr::from(([127, 0, 0, 1], 0));
    if let Some(files) = deployment.files(found.index) {
        let path = format!("/{}", found.path_info.trim_start_matches('/'));
        let answer = files.answer(&http::Method::GET, &path, &headers);
        return Ok(Given::Answer(Box::new(answer)).into_response());
    }
    if let Some(proxy) = deployment.direct(found.index) {
        let mut request = Request::new(runtime::full(Vec::new()));
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let client = cdn::Client { address: client.ip(), is_tls: false, is_trusted: false };
        let answer = proxy.answer(request, &client, &http1::Interim::nowhere()).await?;
        return Ok(Given::Answer(Box::new(answer)).into_response());
    }
    let seen = Seen { client, is_tls: false, is_trusted: false };
    let rewritten = request_head::rewrite(&uri, &mut headers, &found, seen);
    let Ok(uri) = rewritten else { bail!("the node cannot ask it") };
    let (body, _) = runtime::bounded(runtime::full(Vec::new()), body_bytes_max);
    let mut request = Request::new(body);
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(deployment.application.invoke(found.index, request).await?)
}
