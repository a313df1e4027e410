//! The standard lane: `wasi:http/handler`.

use core::future::Future;

use bytes::Bytes;
use http::Response;

use crate::{ErrorCode, Inbound, IncomingRequest, OutgoingResponse, wire};

/// Serves a request of a component that answers.
///
/// # Errors
/// When the host refuses the answer's headers. The host turns that into a 500.
pub async fn answer<H, F>(
    request: IncomingRequest,
    handler: H,
) -> Result<OutgoingResponse, ErrorCode>
where
    H: FnOnce(Inbound) -> F,
    F: Future<Output = Response<Bytes>>,
{
    send(handler(Inbound::standard(request)).await)
}

/// Serves a request of a middleware.
///
/// # Errors
/// When the host refuses the answer's headers, or the next component gave no answer.
#[cfg(feature = "gate")]
pub async fn gate<H, F>(request: IncomingRequest, handler: H) -> Result<OutgoingResponse, ErrorCode>
where
    H: FnOnce(Inbound) -> F,
    F: Future<Output = Result<crate::Outbound, crate::Failed>>,
{
    match handler(Inbound::standard(request)).await {
        Ok(crate::Outbound::Whole(response)) => send(response),
        Ok(crate::Outbound::Next(next)) => next.send(),
        Ok(crate::Outbound::Pass(pass)) => pass.send().await.map_err(crate::Failed::into_code),
        Err(failed) => Err(failed.into_code()),
    }
}

/// Sends a whole answer.
fn send(mut response: Response<Bytes>) -> Result<OutgoingResponse, ErrorCode> {
    let body = wire::frame(&mut response);
    let fields = wire::to_fields(response.headers())?;
    let (stream, end) = wire::write(body);
    let (sent, _outcome) = OutgoingResponse::new(fields, stream, end);
    sent.set_status_code(response.status().as_u16())
        .map_err(|()| ErrorCode::InternalError(Some("status".to_owned())))?;
    Ok(sent)
}
