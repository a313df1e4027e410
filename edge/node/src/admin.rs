//! How operators reach a running node: HTTP over a socket in the state directory, for the node's own user and root.

mod client;

use std::{
    convert::Infallible,
    io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use api_types::problem::Problem;
use bytes::Bytes;
use domain::ErrorKind;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinHandle,
    time::timeout,
};

pub(crate) use self::client::{Client, ClientError};
use crate::{
    deploy::{Deployer, Given, Order, Refusal},
    deployment::VersionId,
    traffic::Share,
};

/// Connections at once: 8. Each command of an operator takes two.
const CONNECTIONS_MAX: usize = 8;
/// Longest request body: 256 KiB, some thousand variables.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Longest time for a request to arrive: 5 s; it comes from this machine.
const ARRIVAL_MAX: Duration = Duration::from_secs(5);
/// After this pause the next accept is tried, for instance when file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Where the socket is.
pub(crate) fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join("admin.sock")
}

/// `POST /v1/deploy`.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DeployBody {
    /// The manifest, an absolute path; without one, that of the version that serves.
    pub(crate) from: Option<PathBuf>,
    /// Other files for components, absolute paths.
    pub(crate) components: std::collections::BTreeMap<String, PathBuf>,
    /// Values for variables.
    pub(crate) variables: std::collections::BTreeMap<String, String>,
    /// A share in percent, 1 to 99; without one, all requests.
    pub(crate) canary: Option<u8>,
    /// Beyond this share of 5xx answers, in percent, 1 to 99, a canary ends by itself.
    pub(crate) failures_max: Option<u8>,
}

/// `POST /v1/promote`.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PromoteBody {
    /// A share in percent, 1 to 99; without one, all requests.
    pub(crate) canary: Option<u8>,
}

/// `POST /v1/rollback`.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RollbackBody {
    /// The version to return to; without one, the one before.
    pub(crate) to: Option<VersionId>,
}

/// Removes the socket when dropped.
pub(crate) struct Admin {
    path: PathBuf,
    /// Of the socket's file, for another node may have put its own there.
    inode: u64,
    accepting: JoinHandle<()>,
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.accepting.abort();
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // Left behind it would be replaced by the next node.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Listens for operators. A node whose state directory takes no socket serves all the same, and says why in its log.
pub(crate) fn start(deployer: &Arc<Deployer>) -> Option<Admin> {
    let path = socket(&deployer.surroundings.state_dir);
    let bound = bind(&path).and_then(|listener| {
        let user = std::fs::metadata("/proc/self")?.uid();
        let inode = std::fs::symlink_metadata(&path)?.ino();
        let accepting = tokio::spawn(accept(listener, user, Arc::clone(deployer)));
        Ok(Admin { path: path.clone(), inode, accepting })
    });
    match bound {
        Ok(admin) => Some(admin),
        Err(error) => {
            let path = path.display();
            tracing::warn!("no versions can be deployed: listen on {path}: {error}");
            None
        }
    }
}

/// Binds beside and renames: the name is never one that others may connect to, and a dead node's socket goes away.
fn bind(path: &Path) -> io::Result<UnixListener> {
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        && std::os::unix::net::UnixStream::connect(path).is_ok()
    {
        return Err(io::Error::other("another node runs on this state directory"));
    }
    let incoming = path.with_file_name(format!(".admin.{}", std::process::id()));
    // One of a killed process with our number.
    let _ = std::fs::remove_file(&incoming);
    let listener = UnixListener::bind(&incoming)?;
    let placed = std::fs::set_permissions(&incoming, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| std::fs::rename(&incoming, path));
    if placed.is_err() {
        let _ = std::fs::remove_file(&incoming);
    }
    placed.map(|()| listener)
}

async fn accept(listener: UnixListener, user: u32, deployer: Arc<Deployer>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("operator not heard: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // The mode of the socket says the same; this holds also where it is lost, and says who it was.
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == user || peer.uid() == 0 => {}
            Ok(peer) => {
                tracing::warn!(uid = peer.uid(), "operator refused: it is another user");
                continue;
            }
            Err(error) => {
                tracing::warn!("operator refused: {error}");
                continue;
            }
        }
        let deployer = Arc::clone(&deployer);
        tokio::spawn(async move {
            if let Err(error) = serve(stream, deployer).await {
                tracing::debug!("operator's connection ended: {error}");
            }
            drop(permit);
        });
    }
}

async fn serve(stream: UnixStream, deployer: Arc<Deployer>) -> hyper::Result<()> {
    let service = hyper::service::service_fn(move |request| {
        let deployer = Arc::clone(&deployer);
        // Once begun, a change goes on when the operator leaves.
        let answering = tokio::spawn(async move { answer(&deployer, request).await });
        async move {
            let answered = answering.await;
            let answered =
                answered.unwrap_or_else(|_| Err(Problem::of(ErrorKind::Internal).into()));
            Ok::<_, Infallible>(
                answered.unwrap_or_else(|problem| problem.into_response()).map(Full::new),
            )
        }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ARRIVAL_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer(
    deployer: &Arc<Deployer>,
    request: Request<Incoming>,
) -> Result<Response<Bytes>, Box<Problem>> {
    let (parts, body) = request.into_parts();
    match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/v1/versions") => json(&deployer.list().await.map_err(problem)?),
        (&Method::POST, "/v1/deploy") => {
            let body: DeployBody = read(body, BODY_BYTES_MAX).await?;
            let canary = share(body.canary)?;
            let failures_max_percent = share(body.failures_max)?.map(Share::percent);
            if failures_max_percent.is_some() && canary.is_none() {
                let said = "failures_max is about a canary, and there is none";
                return Err(Problem::of(ErrorKind::InvalidInput).detail(said).into());
            }
            let paths = body.from.iter().chain(body.components.values());
            if let Some(path) = paths.into_iter().find(|path| path.is_relative()) {
                let said = format!("{} is no absolute path", path.display());
                return Err(Problem::of(ErrorKind::InvalidInput).detail(said).into());
            }
            let given =
                Given { from: body.from, components: body.components, variables: body.variables };
            json(
                &deployer
                    .deploy(Order { given, canary, failures_max_percent })
                    .await
                    .map_err(problem)?,
            )
        }
        (&Method::POST, "/v1/promote") => {
            let body: PromoteBody = read(body, BODY_BYTES_MAX).await?;
            json(&deployer.promote(share(body.canary)?).await.map_err(problem)?)
        }
        (&Method::POST, "/v1/rollback") => {
            let body: RollbackBody = read(body, BODY_BYTES_MAX).await?;
            json(&deployer.rollback(body.to).await.map_err(problem)?)
        }
        _ => Err(Problem::of(ErrorKind::NotFound).into()),
    }
}

/// Reads a body of at most `bytes_max` bytes; an empty one is an empty object.
pub(crate) async fn read<T: DeserializeOwned + Default>(
    body: Incoming,
    bytes_max: usize,
) -> Result<T, Box<Problem>> {
    let read = timeout(ARRIVAL_MAX, Limited::new(body, bytes_max).collect()).await;
    let bytes = match read {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(Problem::of(ErrorKind::TooLarge).into());
        }
        Ok(Err(_)) | Err(_) => return Err(Problem::of(ErrorKind::Unreadable).into()),
    };
    if bytes.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::of(ErrorKind::Unreadable).detail(error.to_string()).into())
}

fn share(percent: Option<u8>) -> Result<Option<Share>, Box<Problem>> {
    let Some(percent) = percent else { return Ok(None) };
    let wrong =
        || Problem::of(ErrorKind::InvalidInput).detail("a share is not from 1 to 99").into();
    Share::new(percent).map(Some).ok_or_else(wrong)
}

/// Answers with JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<Response<Bytes>, Box<Problem>> {
    let bytes =
        serde_json::to_vec(value).map_err(|_| Box::new(Problem::of(ErrorKind::Internal)))?;
    let mut response = Response::new(bytes.into());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

/// Only operators read this: they are told everything.
fn problem(refusal: Refusal) -> Box<Problem> {
    let said = refusal.to_string();
    Box::new(match refusal {
        Refusal::Busy => {
            Problem::new(ErrorKind::Conflict, "deployment-under-way", "Another one is under way")
                .detail(said)
        }
        Refusal::Conflict(_) => {
            Problem::new(ErrorKind::Conflict, "deployment-state", "It does not fit what is there")
                .detail(said)
        }
        Refusal::Version(_) => {
            Problem::new(ErrorKind::InvalidInput, "version-refused", "The version cannot be used")
                .detail(said)
        }
        Refusal::State(_) => Problem {
            status: StatusCode::INSUFFICIENT_STORAGE.as_u16(),
            detail: Some(said),
            ..Problem::new(ErrorKind::Unavailable, "state-directory", "It takes no version")
        },
    })
}
