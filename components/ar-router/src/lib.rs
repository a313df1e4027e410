//! AR manifests as a component: which viewer, which model, and the links that launch it.
//!
//! Layer: shell (L4). A request in, `ar_core::handle`, an answer out.
//! Not here: anything decided (`ar-core`), anything of WIT (`spin-ports`).
//! Start at [`handle`].

use bytes::Bytes;
use express::Inbound;
use http::Response;
use spin_ports::{SpinPorts, serve};

/// Longest body read before the answer: 1 KiB. Reads have none; a body is not a reason to refuse them.
const BODY_BYTES_MAX: usize = 1_024;

express::answer!(handle);

async fn handle(request: Inbound) -> Response<Bytes> {
    serve::serve("ar-router", request, BODY_BYTES_MAX, |request| async move {
        ar_core::handle(&SpinPorts::new(), request).await
    })
    .await
}
