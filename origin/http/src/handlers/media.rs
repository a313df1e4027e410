//! Models and pictures, for edges that keep none of their own. Shoppers get them from an edge.

use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use api_types::problem::Problem;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use domain::ErrorKind;
use http::{HeaderMap, HeaderValue, header};
use http_body::{Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::Reply;
use super::feed::authorize;
use crate::Context;
use crate::problem::Failure;

/// Where edges ask; the rest of the path is a name.
pub(crate) const PATH: &str = "/internal/media/{name}";

/// Bytes read at once: 64 KiB, what a file body holds while it is sent.
const CHUNK_BYTES: usize = 64 * 1024;
/// Digits of a name: 128 bits of the content's digest.
const NAME_DIGITS: usize = 32;

/// What is given out, by the ending of its name.
const TYPES: [(&str, &str); 9] = [
    ("glb", "model/gltf-binary"),
    ("usdz", "model/vnd.usdz+zip"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("hdr", "image/vnd.radiance"),
    ("svg", "image/svg+xml"),
];

pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Reply {
    authorize(&context, &headers)?;
    let media_type = media_type(&name).ok_or(ErrorKind::NotFound)?;
    let folder = context.media.as_deref().ok_or(ErrorKind::NotFound)?;
    let Ok(place) = Arc::clone(&context.media_places).try_acquire_owned() else {
        return Err(Problem::of(ErrorKind::Unavailable).retry_after(1).into());
    };
    let (file, length) = open(&folder.join(&name)).await?;
    let body = FileBody { file, left: length, chunk: vec![0; CHUNK_BYTES], _place: place };
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    // The name is a digest of the content.
    let for_ever = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(header::CACHE_CONTROL, for_ever);
    Ok(response)
}

/// Returns the media type of a name that media may have: digits of a digest, a dot, a known ending. Nothing else can
/// be said, so nothing outside of the folder either.
fn media_type(name: &str) -> Option<&'static str> {
    let (digits, ending) = name.split_once('.')?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_digest = digits.len() == NAME_DIGITS && digits.bytes().all(is_digit);
    let found = TYPES.iter().find(|(known, _)| *known == ending);
    found.filter(|_| is_digest).map(|(_, media_type)| *media_type)
}

async fn open(path: &FilePath) -> Result<(File, u64), Failure> {
    let path: PathBuf = path.to_owned();
    let file = match File::open(&path).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ErrorKind::NotFound.into());
        }
        Err(error) => return Err(unreadable(&error)),
    };
    let facts = file.metadata().await.map_err(|error| unreadable(&error))?;
    if facts.is_file() { Ok((file, facts.len())) } else { Err(ErrorKind::NotFound.into()) }
}

fn unreadable(error: &io::Error) -> Failure {
    tracing::error!(error = %error, "could not read a medium");
    ErrorKind::Internal.into()
}

/// Sends exactly `left` bytes of a file; one that became shorter breaks the answer off.
struct FileBody {
    file: File,
    left: u64,
    chunk: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let mut buffer = ReadBuf::new(&mut this.chunk);
        if let Err(error) = ready!(Pin::new(&mut this.file).poll_read(context, &mut buffer)) {
            return Poll::Ready(Some(Err(error)));
        }
        let read = buffer.filled();
        // A file that grew is sent as long as it was said to be.
        let wanted = usize::try_from(this.left).map_or(read.len(), |left| left.min(read.len()));
        let Some(bytes) = read.get(..wanted).filter(|bytes| !bytes.is_empty()) else {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        };
        let bytes = Bytes::copy_from_slice(bytes);
        this.left = this.left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(this.left));
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn only_names_of_media_are_names() {
        let digest = "0123456789abcdef0123456789abcdef";
        for (name, expected) in [
            (format!("{digest}.glb"), Some("model/gltf-binary")),
            (format!("{digest}.jpg"), Some("image/jpeg")),
            (format!("{digest}.exe"), None),
            (format!("{digest}.glb.br"), None),
            (format!("{}.glb", digest.to_uppercase()), None),
            (format!("{digest}0.glb"), None),
            (digest.to_owned(), None),
            ("../origin.db".to_owned(), None),
            ("..".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(media_type(&name), expected, "{name}");
        }
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_breaks_the_answer_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"abc").unwrap();
        for (left, expected) in [(3, Some(&b"abc"[..])), (2, Some(&b"ab"[..])), (4, None)] {
            let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
            let file = File::open(&path).await.unwrap();
            let body = FileBody { file, left, chunk: vec![0; CHUNK_BYTES], _place: place };
            let read = body.collect().await.ok().map(http_body_util::Collected::to_bytes);
            assert_eq!(read.as_deref(), expected, "{left}");
        }
    }
}
