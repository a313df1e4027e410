//! The catalogue as a component: products, categories and search from the edge's own copy.
//!
//! Layer: shell (L4). A request in, `catalog_core::handle`, an answer out.
//! Not here: anything decided (`catalog-core`), anything of WIT (`spin-ports`).
//! Start at [`handle`].

use bytes::Bytes;
use express::Inbound;
use http::Response;
use spin_ports::{SpinPorts, serve};

/// Longest body read before the answer: 1 KiB. Reads have none; a body is not a reason to refuse them.
const BODY_BYTES_MAX: usize = 1_024;

express::answer!(handle);

async fn handle(request: Inbound) -> Response<Bytes> {
    serve::serve("catalog", request, BODY_BYTES_MAX, |request| async move {
        catalog_core::handle(&SpinPorts::new(), request).await
    })
    .await
}
