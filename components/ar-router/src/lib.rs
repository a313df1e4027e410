//! AR manifests as a component: which viewer, which model, and the links that launch it.
//!
//! Layer: shell (L4). A request in, `ar_core::handle`, an answer out.
//! Not here: anything decided (`ar-core`), anything of WIT (`spin-ports`).
//! Start at [`handle`].

use spin_ports::{ErrorCode, IncomingRequest, OutgoingResponse, SpinPorts, serve};
use spin_sdk::http_service;

/// Longest body read before the answer: 1 KiB. Reads have none; a body is not a reason to refuse them.
const BODY_BYTES_MAX: usize = 1_024;

#[http_service]
async fn handle(request: IncomingRequest) -> Result<OutgoingResponse, ErrorCode> {
    serve::serve("ar-router", request, BODY_BYTES_MAX, |request| async move {
        ar_core::handle(&SpinPorts::new(), request).await
    })
    .await
}
