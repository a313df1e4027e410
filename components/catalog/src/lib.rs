//! The catalogue as a component: products, categories and search from the edge's own copy.
//!
//! Layer: shell (L4). A request in, `catalog_core::handle`, an answer out.
//! Not here: anything decided (`catalog-core`), anything of WIT (`spin-ports`).
//! Start at [`handle`].

use spin_ports::{ErrorCode, IncomingRequest, OutgoingResponse, SpinPorts, serve};
use spin_sdk::http_service;

/// Longest body read before the answer: 1 KiB. Reads have none; a body is not a reason to refuse them.
const BODY_BYTES_MAX: usize = 1_024;

#[http_service]
async fn handle(request: IncomingRequest) -> Result<OutgoingResponse, ErrorCode> {
    serve::serve("catalog", request, BODY_BYTES_MAX, |request| async move {
        catalog_core::handle(&SpinPorts::new(), request).await
    })
    .await
}
