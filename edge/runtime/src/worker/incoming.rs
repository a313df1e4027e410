//! One request in a guest of WASI 0.2: the answer comes through a hole, not as a return value.
//!
//! The guest writes its body while it runs, so the two are driven together. An instance serves one request only.

use std::pin::pin;

use http_body_util::BodyExt as _;
use tokio::{sync::oneshot, time::timeout};
use wasmtime::{AsContextMut as _, Store};
use wasmtime_wasi_http::{
    WasiHttpCtxView,
    p2::bindings::{Proxy, http::types::Scheme},
};

use super::{FAREWELL_MAX, Served, Waiting, pass_on};
use crate::{
    Body,
    body::{Parking, ReaderGone},
    host::Host,
    outbound::Inbound,
};

/// Calls the guest, sends the head, and passes the body on while the guest writes it.
pub(super) async fn run(
    store: &mut Store<Host>,
    proxy: &Proxy,
    request: http::Request<Body>,
    waiting: &Waiting,
    parking: &Parking,
) -> wasmtime::Result<Served> {
    let (answered, mut answer) = oneshot::channel();
    let scheme = match request.uri().scheme_str() {
        Some("https") => Scheme::Https,
        _ => Scheme::Http,
    };
    let host = store.data_mut();
    let mut view =
        WasiHttpCtxView { ctx: &mut host.http, table: &mut host.table, hooks: &mut Inbound };
    let request = view.new_incoming_request(scheme, request)?;
    let outparam = view.new_response_outparam(answered)?;
    let handler = proxy.wasi_http_incoming_handler();
    let mut guest = pin!(handler.call_handle(store.as_context_mut(), request, outparam));

    let mut is_guest_done = false;
    let answered = tokio::select! {
        biased;
        answered = &mut answer => answered.ok(),
        ended = guest.as_mut() => {
            ended?;
            is_guest_done = true;
            // Its end of the hole may be alive among its resources: nobody will use it any more.
            answer.try_recv().ok()
        }
    };
    let response = match answered {
        Some(Ok(response)) => response.map(|body| body.map_err(Into::into).boxed_unsync()),
        refused => {
            if !is_guest_done {
                guest.await?;
            }
            return Ok(match refused {
                Some(Err(code)) => Served::Refused(format!("{code:?}")),
                _ => Served::Refused("it returned without an answer".to_owned()),
            });
        }
    };
    let mut passing = pin!(pass_on(response, waiting, parking));
    if is_guest_done {
        // Done, whether or not its reader stayed.
        let _ = passing.await;
        return Ok(Served::Answered);
    }
    tokio::select! {
        biased;
        ended = guest.as_mut() => {
            ended?;
            let _ = passing.await;
            Ok(Served::Answered)
        }
        passed = passing.as_mut() => {
            if passed == Err(ReaderGone) {
                let Ok(ended) = timeout(FAREWELL_MAX, guest).await else {
                    return Ok(Served::Abandoned);
                };
                ended?;
            } else {
                guest.await?;
            }
            Ok(Served::Answered)
        }
    }
}
