//! What browsers see: Stripe.js, its field in a frame, the bank's question in a frame, and the bank's own page.
//!
//! Nothing here asks for the secret key. Tokens are made with the publishable one, an intent is read with its client
//! secret, and whoever knows that secret may decide.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde_json::Value;

use crate::answer::{Answered, invalid, missing, unauthorized};
use crate::form::Form;
use crate::state::{ConfirmationToken, State};
use crate::{PUBLISHABLE_KEY, Shared};

const SCRIPT: &str = include_str!("browser/stripe.js");
const FIELD: &str = include_str!("browser/elements.html");
const FIELD_SCRIPT: &str = include_str!("browser/elements.js");

/// Answers what a browser asks; `None` leaves a request to the API.
pub(crate) fn answer(
    shared: &Shared,
    method: &Method,
    uri: &Uri,
    authorization: Option<&str>,
    body: &str,
) -> Option<Response> {
    let path: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
    let query = Form::parse(uri.query().unwrap_or_default());
    let secret = || query.find("client_secret").unwrap_or_default();
    let mut state = shared.lock();
    let response = match (method.as_str(), path.as_slice()) {
        ("GET", ["healthz"]) => plain(StatusCode::OK, "ok"),
        ("GET", ["favicon.ico"]) => plain(StatusCode::NO_CONTENT, ""),
        ("GET", ["stripe.js"]) => text("text/javascript; charset=utf-8", SCRIPT.to_owned()),
        ("GET", ["fake", "elements"]) => page(FIELD.to_owned()),
        ("GET", ["fake", "elements.js"]) => {
            text("text/javascript; charset=utf-8", FIELD_SCRIPT.to_owned())
        }
        ("POST", ["v1", "confirmation_tokens"]) => {
            json(confirmation_token(&mut state, authorization, &Form::parse(body)))
        }
        // With a client secret it is the page that asks, from another origin.
        ("GET", ["v1", "payment_intents", id]) if query.find("client_secret").is_some() => {
            json(retrieve(&state, id, &query))
        }
        ("GET", ["fake", "challenge", id]) => question(&state, id, secret(), true),
        ("POST", ["fake", "challenge", id]) => decide(&mut state, id, body, true),
        ("GET", ["fake", "3ds", id]) => {
            let secret = state.client_secret(id).unwrap_or_default();
            question(&state, id, &secret, false)
        }
        ("POST", ["fake", "3ds", id]) => decide(&mut state, id, body, false),
        _ => return None,
    };
    Some(response)
}

fn confirmation_token(state: &mut State, authorization: Option<&str>, form: &Form) -> Answered {
    if authorization != Some(&format!("Bearer {PUBLISHABLE_KEY}")) {
        return Err(unauthorized());
    }
    let find = |name: &'static str| {
        form.find(name).map(str::to_owned).ok_or_else(|| invalid(name, "parameter_missing"))
    };
    let method = match find("type")?.as_str() {
        "card" => numbered(&find("number")?)?,
        "ideal" => "pm_ideal",
        _ => return Err(invalid("type", "parameter_invalid")),
    };
    let token = ConfirmationToken {
        method: method.to_owned(),
        amount: find("amount")?.parse().map_err(|_none| invalid("amount", ""))?,
        currency: find("currency")?,
        is_manual: find("capture_method")? == "manual",
        is_used: false,
    };
    Ok(state.keep_token(token))
}

/// Stripe's test cards by their numbers (docs.stripe.com/testing).
fn numbered(number: &str) -> Result<&'static str, crate::answer::Answer> {
    Ok(match number {
        "4242424242424242" => "pm_card_visa",
        "4000000000000002" => "pm_card_chargeDeclined",
        "4000000000009995" => "pm_card_chargeDeclinedInsufficientFunds",
        "4000000000003220" => "pm_card_threeDSecure2Required",
        "4000002760003184" => "pm_card_authenticationRequired",
        _ => return Err(invalid("number", "incorrect_number")),
    })
}

fn retrieve(state: &State, id: &str, query: &Form) -> Answered {
    if query.find("key") != Some(PUBLISHABLE_KEY) {
        return Err(unauthorized());
    }
    if state.client_secret(id).as_deref() != query.find("client_secret") {
        return Err(missing("payment_intent"));
    }
    state.retrieve(id, &Form::parse(""))
}

/// The page that asks the payer; in a frame it tells the page around it when that is done.
fn question(state: &State, id: &str, secret: &str, is_framed: bool) -> Response {
    let Some(known) = state.client_secret(id).filter(|known| known == secret) else {
        return plain(StatusCode::NOT_FOUND, "no such payment");
    };
    let place = if is_framed { "challenge" } else { "3ds" };
    page(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Test bank</title>\
         <style>body{{font:16px system-ui;margin:2rem}}button{{font:inherit;min-height:44px;padding:0 1rem}}</style></head>\
         <body><main><h1>Test bank</h1><p>Is this you?</p>\
         <form method=\"post\" action=\"/fake/{place}/{id}\"><input type=\"hidden\" name=\"client_secret\" value=\"{known}\">\
         <button name=\"decision\" value=\"approve\">Authorise</button> \
         <button name=\"decision\" value=\"reject\">Fail</button></form></main></body></html>"
    ))
}

fn decide(state: &mut State, id: &str, body: &str, is_framed: bool) -> Response {
    let form = Form::parse(body);
    let Some(secret) = state.client_secret(id) else {
        return plain(StatusCode::NOT_FOUND, "no such payment");
    };
    if form.find("client_secret") != Some(&secret) {
        return plain(StatusCode::NOT_FOUND, "no such payment");
    }
    let is_approved = form.find("decision") == Some("approve");
    if !state.is_asking(id) {
        return plain(StatusCode::CONFLICT, "this payment waits for nobody");
    }
    state.authenticate(id, is_approved);
    if is_framed {
        return page(
            "<!doctype html><title>Done</title><script>parent.postMessage({ type: 'decided' }, '*');</script>"
                .to_owned(),
        );
    }
    let word = if is_approved { "succeeded" } else { "failed" };
    let Some(back) = state.return_url(id) else { return plain(StatusCode::OK, word) };
    let mark = if back.contains('?') { '&' } else { '?' };
    let back = format!(
        "{back}{mark}payment_intent={id}&payment_intent_client_secret={secret}&redirect_status={word}"
    );
    let mut response = plain(StatusCode::SEE_OTHER, "");
    if let Ok(back) = HeaderValue::from_str(&back) {
        response.headers_mut().insert(header::LOCATION, back);
    }
    response
}

fn json(answered: Answered) -> Response {
    let (status, body): (u16, Value) = match answered {
        Ok(body) => (200, body),
        Err(answer) => (answer.status, answer.body),
    };
    let mut response = text("application/json", body.to_string());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let anybody = HeaderValue::from_static("*");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, anybody);
    response
}

fn page(html: String) -> Response {
    text("text/html; charset=utf-8", html)
}

fn plain(status: StatusCode, body: &str) -> Response {
    let mut response = text("text/plain; charset=utf-8", body.to_owned());
    *response.status_mut() = status;
    response
}

fn text(kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
