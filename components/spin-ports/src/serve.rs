//! From a request to a core and back: the whole body read, faults told to the log.

use core::future::Future;

use api_types::problem::{Fault, Problem};
use bytes::Bytes;
use domain::ErrorKind;
use express::{Inbound, ReadError};
use http::{Request, Response};

/// Reads the request (at most `body_bytes_max` of body) and asks `handler`. A fault goes to the component's log with the
/// component's name.
///
/// A larger body is answered with 413 before the handler sees anything; a body that broke off with 400.
pub async fn serve<H, F>(
    component: &str,
    request: Inbound,
    body_bytes_max: usize,
    handler: H,
) -> Response<Bytes>
where
    H: FnOnce(Request<Bytes>) -> F,
    F: Future<Output = Response<Bytes>>,
{
    let response = match request.whole(body_bytes_max).await {
        Ok(request) => handler(request).await,
        Err(ReadError::TooLarge) => Problem::of(ErrorKind::TooLarge)
            .detail(format!("the limit is {body_bytes_max} bytes"))
            .into_response(),
        Err(ReadError::Broken(_)) => {
            Problem::of(ErrorKind::Unreadable).detail("the body broke off").into_response()
        }
    };
    if let Some(Fault(why)) = response.extensions().get() {
        report(component, why);
    }
    response
}

#[expect(clippy::print_stderr, reason = "a component's log is its standard error")]
fn report(component: &str, why: &str) {
    eprintln!("{component}: {why}");
}
