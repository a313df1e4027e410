//! The storefront, models and pictures as a component: files from the folders that the manifest mounts.
//!
//! Layer: shell (L4). A request in, `files_core::handle` over the mounted folders, an answer out.
//! Not here: which file an address means and what is sent of it (`files-core`).
//! Start at [`handle`].

use std::io::{Read, Seek, SeekFrom};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use domain::Timestamp;
use express::{ErrorCode, Inbound, IncomingRequest, OutgoingResponse, standard};
use files_core::{Disk, Facts};
use http::Response;
use spin_ports::serve;
use spin_sdk::http_service;

/// Longest body read before the answer: 1 KiB. Reads have none; a body is not a reason to refuse them.
const BODY_BYTES_MAX: usize = 1_024;

#[http_service]
async fn handle(request: IncomingRequest) -> Result<OutgoingResponse, ErrorCode> {
    standard::answer(request, answer).await
}

async fn answer(request: Inbound) -> Response<Bytes> {
    serve::serve("assets", request, BODY_BYTES_MAX, |request| async move {
        let response = files_core::handle(&Mounts, &request).await;
        files_core::load(&Mounts, response).await
    })
    .await
}

/// The folders of `files` in the manifest, through WASI's file system.
struct Mounts;

impl Disk for Mounts {
    async fn facts(&self, location: &str) -> Result<Option<Facts>, String> {
        // Whatever cannot be looked at is not there: a folder that is not mounted has no files.
        let metadata = std::fs::metadata(location).ok().filter(std::fs::Metadata::is_file);
        Ok(metadata.map(|metadata| {
            let since = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let modified = since.map(|since| Timestamp::from_unix_ms(0).after(since));
            Facts { length: metadata.len(), modified }
        }))
    }

    async fn read(&self, location: &str, start: u64, length: u64) -> Result<Bytes, String> {
        read(location, start, length)
            .map(Bytes::from)
            .map_err(|error| format!("{location}: {error}"))
    }
}

#[expect(
    clippy::disallowed_types,
    reason = "the manifest's mounts are this component's purpose; Workers have their own static assets"
)]
fn read(location: &str, start: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(location)?;
    if start > 0 {
        file.seek(SeekFrom::Start(start))?;
    }
    // `files_core` asks for at most `FILE_BYTES_MAX`.
    let mut content = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact(&mut content)?;
    Ok(content)
}
