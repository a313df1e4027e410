//! A feed server over [`Source`] that can be cut off, and told to misbehave.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::source::Source;

pub(crate) const TOKEN: &str = "edge-secret-of-the-test";

/// What the next matching answer does wrong. Each fault strikes once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The snapshot breaks off after so many lines, the last one half.
    CutSnapshot(usize),
    /// The snapshot ends properly, but without its last line.
    EndlessSnapshot,
    /// The snapshot lacks a row that its end counts.
    ShortSnapshot,
    /// A line of the snapshot is not JSON.
    GarbageSnapshot,
    /// The snapshot stops after so many lines and the connection stays.
    StallSnapshot(usize),
    /// A line of the snapshot never ends.
    HugeLine,
    /// The answer to changes never begins.
    Hang,
    /// The changes are far larger than anything asked for.
    HugeChanges,
    /// The changes skip to the head, as if nothing of them were replicated.
    EmptyLeap,
    /// The changes break off in the middle.
    CutChanges,
    /// The changes are not JSON.
    GarbageChanges,
    /// The changes begin after a position that nobody asked for.
    Gap,
    /// The changes name a table that does not exist.
    UnknownTable,
    /// The answer to changes is a status alone.
    Status(u16),
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Origin {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    source: Mutex<Source>,
    head: watch::Sender<u64>,
    faults: Mutex<VecDeque<Fault>>,
    answered: AtomicU64,
    snapshots: AtomicU64,
}

impl Origin {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared {
            source: Mutex::new(Source::new()),
            head: watch::Sender::new(0),
            faults: Mutex::default(),
            answered: AtomicU64::new(0),
            snapshots: AtomicU64::new(0),
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut origin = Self { shared, address, serving: None };
        origin.serve().await;
        origin
    }

    /// Listens (again) on its address.
    pub(crate) async fn serve(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let shared = Arc::clone(&self.shared);
        self.serving = Some(tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                    // A client that goes away is normal here.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        }));
    }

    /// Closes the listener and every connection at once.
    pub(crate) async fn cut_off(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            assert!(serving.await.unwrap_err().is_cancelled());
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn source(&self) -> MutexGuard<'_, Source> {
        self.shared.source.lock().unwrap()
    }

    /// Changes the source and wakes those who wait for it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Source) -> T) -> T {
        let mut source = self.source();
        let result = change(&mut source);
        self.shared.head.send_replace(source.position);
        result
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.shared.faults.lock().unwrap().push_back(fault);
    }

    /// Faults that have not struck yet.
    pub(crate) fn faults_left(&self) -> usize {
        self.shared.faults.lock().unwrap().len()
    }

    /// Answers begun, of either kind.
    pub(crate) fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Snapshots begun.
    pub(crate) fn snapshots(&self) -> u64 {
        self.shared.snapshots.load(Ordering::SeqCst)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Pieces>, Infallible> {
    let authorized = request
        .headers()
        .get("authorization")
        .is_some_and(|value| value.as_bytes() == format!("Bearer {TOKEN}").as_bytes());
    let answer = match request.uri().path() {
        _ if !authorized => status(401),
        "/internal/feed/snapshot" => snapshot(&shared),
        "/internal/feed/changes" => changes(&shared, request.uri().query().unwrap_or("")).await,
        _ => status(404),
    };
    shared.answered.fetch_add(1, Ordering::SeqCst);
    Ok(answer)
}

fn snapshot(shared: &Shared) -> Response<Pieces> {
    shared.snapshots.fetch_add(1, Ordering::SeqCst);
    let lines = shared.source.lock().unwrap().snapshot();
    let mut lines: Vec<Bytes> = lines
        .iter()
        .map(|line| {
            let mut json = serde_json::to_vec(line).unwrap();
            json.push(b'\n');
            Bytes::from(json)
        })
        .collect();
    let is_mine = |fault: &Fault| {
        use Fault::{CutSnapshot, EndlessSnapshot, GarbageSnapshot};
        use Fault::{HugeLine, ShortSnapshot, StallSnapshot};
        matches!(fault, CutSnapshot(_) | EndlessSnapshot | GarbageSnapshot)
            || matches!(fault, HugeLine | ShortSnapshot | StallSnapshot(_))
    };
    let mut end = End::Proper;
    match shared.take_fault(is_mine) {
        Some(Fault::CutSnapshot(after)) => {
            lines.truncate(after + 1);
            if let Some(last) = lines.last_mut() {
                last.truncate(last.len() / 2);
            }
            end = End::Cut;
        }
        Some(Fault::StallSnapshot(after)) => {
            lines.truncate(after);
            end = End::Stall;
        }
        Some(Fault::HugeLine) => {
            lines.truncate(2);
            lines.extend((0..40).map(|_| Bytes::from(vec![b'x'; 128 * 1024])));
        }
        Some(Fault::EndlessSnapshot) => drop(lines.pop()),
        Some(Fault::ShortSnapshot) => drop(lines.remove(1)),
        Some(Fault::GarbageSnapshot) => lines.insert(2, Bytes::from_static(b"{\"row\":[}\n")),
        _ => {}
    }
    Response::new(Pieces { pieces: lines.into(), end })
}

async fn changes(shared: &Shared, query: &str) -> Response<Pieces> {
    let parameter = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap()
    };
    let number = |name: &str| parameter(name).parse::<u64>().unwrap();
    let is_mine = |fault: &Fault| {
        use Fault::{CutChanges, EmptyLeap, Gap, GarbageChanges};
        use Fault::{Hang, HugeChanges, Status, UnknownTable};
        matches!(fault, CutChanges | EmptyLeap | GarbageChanges | Gap)
            || matches!(fault, Hang | HugeChanges | UnknownTable | Status(_))
    };
    let fault = shared.take_fault(is_mine);
    let (after, limit) = (number("after"), usize::try_from(number("limit")).unwrap());
    if fault.is_none() {
        let mut head = shared.head.subscribe();
        let newer = head.wait_for(|head| *head != after);
        // Nothing newer in time is an answer as well.
        let _ = tokio::time::timeout(Duration::from_millis(number("wait_ms")), newer).await;
    }
    let mut changes = {
        let source = shared.source.lock().unwrap();
        let is_known = parameter("epoch") == source.epoch
            && number("schema_version") == u64::from(source.schema_version)
            && (source.oldest..=source.position).contains(&after);
        if !is_known {
            return status(410);
        }
        source.changes(after, limit)
    };
    match fault {
        Some(Fault::Status(code)) => return status(code),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::HugeChanges) => {
            let pieces = (0..70).map(|_| Bytes::from(vec![b' '; 512 * 1024])).collect();
            return Response::new(Pieces { pieces, end: End::Proper });
        }
        Some(Fault::EmptyLeap) => {
            changes.transactions.clear();
            changes.to = changes.head;
        }
        Some(Fault::Gap) => changes.from += 1,
        Some(Fault::UnknownTable) => {
            let change = api_types::feed::FeedChange::Delete {
                table: "nonsense".to_owned(),
                key: vec![1.into()],
            };
            let position = changes.head + 1;
            changes.transactions = vec![api_types::feed::FeedTransaction {
                position,
                at_ms: 0,
                changes: vec![change],
            }];
            (changes.to, changes.head) = (position, position);
        }
        _ => {}
    }
    let mut body = serde_json::to_vec(&changes).unwrap();
    if matches!(fault, Some(Fault::CutChanges | Fault::GarbageChanges)) {
        body.truncate(body.len() * 2 / 3);
    }
    let end = if fault == Some(Fault::CutChanges) { End::Cut } else { End::Proper };
    Response::new(Pieces { pieces: VecDeque::from([Bytes::from(body)]), end })
}

fn status(code: u16) -> Response<Pieces> {
    Response::builder()
        .status(code)
        .body(Pieces { pieces: VecDeque::new(), end: End::Proper })
        .unwrap()
}

impl Shared {
    fn take_fault(&self, is_mine: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let first = faults.iter().position(is_mine)?;
        faults.remove(first)
    }
}

/// A body in pieces.
#[derive(Debug)]
struct Pieces {
    pieces: VecDeque<Bytes>,
    end: End,
}

/// What follows the last piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The end of the body.
    Proper,
    /// The end of the connection.
    Cut,
    /// Nothing, for ever.
    Stall,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match self.pieces.pop_front() {
            Some(piece) => Some(Ok(Frame::data(piece))),
            None => match self.end {
                End::Proper => None,
                End::Cut => Some(Err(io::Error::other("cut"))),
                End::Stall => return Poll::Pending,
            },
        })
    }
}
