//! Files that the staff brings in, and files for other systems.

use std::sync::Arc;
use std::time::Duration;

use api_types::import::{NewImport, PART_BYTES_MAX};
use api_types::problem::Problem;
use app::{ExportFormat, ExportKind};
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use domain::{ErrorKind, ImportId};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::feed::ChunkBody;
use super::{Reply, answered, private};
use crate::Context;
use crate::admin::Asker;
use crate::extract::{Command, id};
use crate::handlers::cart::Nothing;
use crate::problem::Failure;

/// Pieces of an export that wait for a slow reader: 8, so one holds at most some 256 KiB.
const PIECES_MAX: usize = 8;

/// How long an export waits for a place: 3 s. Then it is refused.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(3);

/// Query of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    before: Option<ImportId>,
}

/// Query of what was wrong.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorsPage {
    #[serde(default)]
    after: u64,
}

/// Query of an export.
#[derive(Debug, Deserialize)]
pub(crate) struct Format {
    format: Option<String>,
}

fn unpacked<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Failure> {
    let wrong = |error: QueryRejection| {
        Failure::from(Problem::of(ErrorKind::InvalidInput).detail(error.body_text()))
    };
    query.map(|Query(value)| value).map_err(wrong)
}

pub(crate) async fn create(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    command: Command<NewImport>,
) -> Reply {
    let Command { value, claim, .. } = command;
    answered(StatusCode::CREATED, context.app.create_import(&value, claim).await?)
}

pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    page: Result<Query<Page>, QueryRejection>,
) -> Reply {
    private(StatusCode::OK, context.app.imports(unpacked(page)?.before).await?)
}

pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    Path(import): Path<String>,
    _asker: Asker,
) -> Reply {
    private(StatusCode::OK, context.app.import(id(&import)?).await?)
}

pub(crate) async fn add_part(
    State(context): State<Arc<Context>>,
    Path((import, number)): Path<(String, String)>,
    _asker: Asker,
    body: Bytes,
) -> Reply {
    let (import, number) = (id(&import)?, id(&number)?);
    if body.len() > PART_BYTES_MAX {
        return Err(ErrorKind::TooLarge.into());
    }
    private(StatusCode::OK, context.app.add_import_part(import, number, body.to_vec()).await?)
}

pub(crate) async fn start(
    State(context): State<Arc<Context>>,
    Path(import): Path<String>,
    _asker: Asker,
    _command: Command<Nothing>,
) -> Reply {
    private(StatusCode::ACCEPTED, context.app.start_import(id(&import)?).await?)
}

pub(crate) async fn cancel(
    State(context): State<Arc<Context>>,
    Path(import): Path<String>,
    _asker: Asker,
    _command: Command<Nothing>,
) -> Reply {
    private(StatusCode::OK, context.app.cancel_import(id(&import)?).await?)
}

pub(crate) async fn errors(
    State(context): State<Arc<Context>>,
    Path(import): Path<String>,
    _asker: Asker,
    page: Result<Query<ErrorsPage>, QueryRejection>,
) -> Reply {
    let errors = context.app.import_errors(id(&import)?, unpacked(page)?.after).await?;
    private(StatusCode::OK, errors)
}

pub(crate) async fn categories(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    format: Result<Query<Format>, QueryRejection>,
) -> Reply {
    export(context, ExportKind::Categories, unpacked(format)?).await
}

pub(crate) async fn products(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    format: Result<Query<Format>, QueryRejection>,
) -> Reply {
    export(context, ExportKind::Products, unpacked(format)?).await
}

pub(crate) async fn stock(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    format: Result<Query<Format>, QueryRejection>,
) -> Reply {
    export(context, ExportKind::Stock, unpacked(format)?).await
}

pub(crate) async fn orders(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    format: Result<Query<Format>, QueryRejection>,
) -> Reply {
    export(context, ExportKind::Orders, unpacked(format)?).await
}

pub(crate) async fn customers(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    format: Result<Query<Format>, QueryRejection>,
) -> Reply {
    export(context, ExportKind::Customers, unpacked(format)?).await
}

/// Writes a file to its reader. Returns whether all of it went; with that its transaction has ended.
async fn hand_on(
    context: &Context,
    kind: ExportKind,
    format: ExportFormat,
    sender: &mpsc::Sender<Result<Bytes, std::io::Error>>,
) -> bool {
    let (stall_max, until) =
        (context.limits.snapshot_stall_max, Instant::now() + context.limits.export_max);
    let (pieces, mut written) = mpsc::channel::<Vec<u8>>(1);
    let hand_on = async {
        let mut is_taken = true;
        while let Some(piece) = written.recv().await {
            // Whoever takes nothing for so long, or takes so long for all, keeps the database from shortening its log.
            let wait = stall_max.min(until.saturating_duration_since(Instant::now()));
            if sender.send_timeout(Ok(Bytes::from(piece)), wait).await.is_err() {
                tracing::warn!("gave up an export that nobody takes");
                is_taken = false;
                break;
            }
        }
        drop(written);
        is_taken
    };
    let (exported, is_taken) = tokio::join!(context.app.export(kind, format, pieces), hand_on);
    if let Err(error) = &exported {
        tracing::error!(error = %error, "could not finish an export");
    }
    exported.is_ok() && is_taken
}

/// Streams a file while it is read.
async fn export(context: Arc<Context>, kind: ExportKind, format: Format) -> Reply {
    let format = ExportFormat::read(format.format.as_deref())?;
    let place = Arc::clone(&context.exports).acquire_owned();
    let Ok(Ok(place)) = tokio::time::timeout(PLACE_WAIT_MAX, place).await else {
        return Err(Problem::of(ErrorKind::Unavailable).retry_after(1).into());
    };
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    tokio::spawn(async move {
        let is_whole = hand_on(&context, kind, format, &sender).await;
        // Nobody waits for a place until a reader that has stopped goes on, or goes away.
        drop(place);
        if !is_whole {
            let _ = sender.send(Err(std::io::Error::other("the export broke off"))).await;
        }
    });
    let mut response = Response::new(Body::new(ChunkBody(receiver)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    Ok(response)
}
