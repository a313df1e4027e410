//! Hands everything that only the origin can answer on to it: accounts, carts, orders, stock.
//!
//! Layer: shell (L4). One call into `origin-client`; no decision is taken here.
//! Not here: which origin, how often, what is passed on (`origin-client`), who may ask (`gateway`).
//! Start at [`handle`].

use core::cell::RefCell;

use bytes::Bytes;
use express::{ErrorCode, Inbound, IncomingRequest, OutgoingResponse, standard};
use http::Response;
use origin_client::forward::{self, BODY_BYTES_MAX};
use origin_client::health::Health;
use spin_ports::{SpinPorts, serve};

thread_local! {
    /// What this instance remembers of its origins: not request state, and cheap to lose.
    static HEALTH: &'static RefCell<Health> = Box::leak(Box::default());
}

#[spin_sdk::http_service]
async fn handle(request: IncomingRequest) -> Result<OutgoingResponse, ErrorCode> {
    standard::answer(request, answer).await
}

async fn answer(request: Inbound) -> Response<Bytes> {
    let health = HEALTH.with(|health| *health);
    let ports = SpinPorts::new();
    serve::serve("shop-api", request, BODY_BYTES_MAX, async |request| {
        forward::handle(&ports, health, request).await
    })
    .await
}
