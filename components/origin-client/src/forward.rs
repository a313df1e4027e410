//! What of a request goes to an origin, and what of its answer comes back: the whole of `shop-api`.

use core::cell::RefCell;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, header};
use ports::{Clock, HttpClient, Timer, Variables};

use crate::call::{CallError, call};
use crate::health::Health;
use crate::origins::Origins;

/// Largest answer of an origin: 10 MiB, what the strictest hosts pass on.
pub const ANSWER_BYTES_MAX: usize = 10 * 1_024 * 1_024;

/// Largest request body: 1 MiB. The gateway has refused larger ones by its own limits before.
pub const BODY_BYTES_MAX: usize = 1_024 * 1_024;

/// Name of the variable with the primary's address.
const PRIMARY: &str = "origin_url";

/// Name of the variable with a second origin's address; the same as the primary's where there is none.
const SECONDARY: &str = "origin_url_secondary";

/// Name of the variable that says whether the second origin serves too.
const BALANCE: &str = "origin_balance";

/// Request headers that origins get. Cookies and everything about the connection stay here.
const REQUEST_HEADERS: [HeaderName; 12] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::USER_AGENT,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static(crate::identity::HEADER),
];

/// Sends a request on to an origin and its answer back.
pub async fn handle<P: HttpClient + Clock + Timer + Variables>(
    ports: &P,
    health: &RefCell<Health>,
    request: Request<Bytes>,
) -> Response<Bytes> {
    let id = request.headers().get("x-request-id").and_then(|value| value.to_str().ok());
    let id = id.map(str::to_owned);
    let answer = match origins(ports).await {
        Some(origins) => {
            let request = outbound(request);
            call(ports, &origins, health, &request, ANSWER_BYTES_MAX).await
        }
        None => Err(CallError::Denied),
    };
    match answer {
        Ok(response) => inbound(response),
        Err(error) => {
            let problem = error.problem();
            let problem = match id {
                Some(id) => problem.request_id(id),
                None => problem,
            };
            problem.into_response()
        }
    }
}

async fn origins<P: Variables>(ports: &P) -> Option<Origins> {
    let primary = ports.variable(PRIMARY).await.ok()?;
    let secondary = ports.variable(SECONDARY).await.unwrap_or_default();
    let balance = ports.variable(BALANCE).await.unwrap_or_default();
    let origins = Origins::parse(&format!("{primary},{secondary}")).ok()?;
    // A word that is none must not stop the shop: one origin at a time is right for every kind of origin.
    Some(origins.balanced(balance.parse().unwrap_or_default()))
}

/// Keeps method, path, query, body and the headers that origins get.
#[must_use]
pub fn outbound(request: Request<Bytes>) -> Request<Bytes> {
    let (mut parts, body) = request.into_parts();
    let all = core::mem::take(&mut parts.headers);
    for name in REQUEST_HEADERS {
        for value in all.get_all(&name) {
            parts.headers.append(name.clone(), value.clone());
        }
    }
    Request::from_parts(parts, body)
}

/// Takes out what is about the connection to the origin or not for clients, and says where the answer is from.
#[must_use]
pub fn inbound(mut response: Response<Bytes>) -> Response<Bytes> {
    let all = core::mem::take(response.headers_mut());
    let kept = response.headers_mut();
    for (name, value) in &all {
        if !is_private(name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept.insert(HeaderName::from_static("vitrine-cache"), HeaderValue::from_static("origin"));
    // What an origin forgot to mark is nobody's but the asker's.
    if !kept.contains_key(header::CACHE_CONTROL) {
        kept.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn is_private(name: &HeaderName) -> bool {
    let text = name.as_str();
    matches!(
        text,
        "connection"
            | "date"
            | "keep-alive"
            | "proxy-authenticate"
            | "server"
            | "set-cookie"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    ) || ["access-control-", "spin-", "x-vitrine-"].iter().any(|prefix| text.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        of.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn origins_get_what_they_need_and_no_more() {
        let mut request = Request::new(Bytes::from_static(b"{}"));
        *request.headers_mut() = headers(&[
            ("authorization", "Bearer x"),
            ("cookie", "a=b"),
            ("idempotency-key", "k"),
            ("spin-client-addr", "1.2.3.4:5"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-vitrine-client", "1.2.3.4"),
            ("x-vitrine-identity", "v1"),
        ]);
        let sent = outbound(request);
        assert_eq!(
            sent.headers(),
            &headers(&[
                ("authorization", "Bearer x"),
                ("idempotency-key", "k"),
                ("x-vitrine-identity", "v1"),
            ])
        );
        assert_eq!(sent.body(), "{}");
    }

    #[test]
    fn clients_see_neither_the_connection_nor_the_inside() {
        let mut response = Response::new(Bytes::new());
        *response.headers_mut() = headers(&[
            ("access-control-allow-origin", "*"),
            ("cache-control", "no-store"),
            ("connection", "close"),
            ("content-type", "application/json"),
            ("etag", "\"1\""),
            ("server", "axum"),
            ("set-cookie", "a=b"),
            ("x-vitrine-debug", "1"),
        ]);
        assert_eq!(
            inbound(response).headers(),
            &headers(&[
                ("cache-control", "no-store"),
                ("content-type", "application/json"),
                ("etag", "\"1\""),
                ("vitrine-cache", "origin"),
            ])
        );
    }

    #[test]
    fn an_unmarked_answer_is_not_stored() {
        let response = inbound(Response::new(Bytes::new()));
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    }
}
