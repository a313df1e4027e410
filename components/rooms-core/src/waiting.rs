//! What the waiting room says to a client: who may pass, and the answers to everybody else.

use core::time::Duration;

use api_types::problem::Problem;
use api_types::rooms::{self, PlaceAnswer, Waiting, WaitingProblem, WaitingStatus};
use bytes::Bytes;
use domain::{ErrorKind, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::queue::poll_after;
use crate::seal::{Seal, TICKET_LIFETIME, Ticket};

#[cfg(test)]
mod tests;

/// Header and cookie with the signed ticket.
pub const TICKET: HeaderName = HeaderName::from_static(TICKET_NAME);
/// Header and cookie with the signed pass.
pub const PASS: HeaderName = HeaderName::from_static(PASS_NAME);

const TICKET_NAME: &str = "vitrine-ticket";
const PASS_NAME: &str = "vitrine-pass";

/// Who asks, how, and of which room.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// The room's name.
    pub room: &'a str,
    /// The client's own headers.
    pub headers: &'a HeaderMap,
    /// The path asked for.
    pub path: &'a str,
    /// Whether the client came over HTTPS: its cookies then never leave it.
    pub is_https: bool,
    /// The request's id.
    pub request_id: &'a str,
}

/// What a request has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A pass that holds: the request may go on.
    Pass,
    /// A ticket: ask where it stands.
    Ticket(Ticket),
    /// Nothing that holds.
    Nothing,
}

/// Reads what a request shows. A header is believed before a cookie.
#[must_use]
pub fn shown(seal: &Seal, room: &str, headers: &HeaderMap, now: Timestamp) -> Shown {
    let mut passes = texts(headers, PASS_NAME);
    if passes.any(|text| seal.read_pass(room, text, now).is_some()) {
        return Shown::Pass;
    }
    ticket(seal, room, headers, now).map_or(Shown::Nothing, Shown::Ticket)
}

/// Reads the ticket that a request shows, whatever else it shows.
#[must_use]
pub fn ticket(seal: &Seal, room: &str, headers: &HeaderMap, now: Timestamp) -> Option<Ticket> {
    texts(headers, TICKET_NAME).find_map(|text| seal.read_ticket(room, text, now))
}

/// Returns whether a request brought anything that calls itself a ticket.
#[must_use]
pub fn has_ticket(headers: &HeaderMap) -> bool {
    texts(headers, TICKET_NAME).next().is_some()
}

fn texts<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    let plain = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let named = cookies
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(move |(key, value)| (key == name).then_some(value));
    plain.map(str::trim).chain(named)
}

/// Headers that give a client its pass.
#[must_use]
pub fn pass_headers(
    seal: &Seal,
    visit: &Visit<'_>,
    number: u64,
    ends_at: Timestamp,
    now: Timestamp,
) -> HeaderMap {
    let pass = seal.pass(visit.room, number, ends_at);
    let mut headers = HeaderMap::new();
    give(&mut headers, visit, &PASS, &pass, ends_at.since(now));
    headers
}

/// Answers a request for a protected route that may not pass: a page to a person, a problem to a program.
#[must_use]
pub fn wait(
    seal: &Seal,
    visit: &Visit<'_>,
    place: &PlaceAnswer,
    issued_at: Timestamp,
) -> Response<Bytes> {
    let (ticket, ahead, wait_ms) = match *place {
        PlaceAnswer::Waiting { ticket, ahead, wait_ms } => (ticket, ahead, wait_ms),
        PlaceAnswer::Full { .. } => return full(visit),
        PlaceAnswer::Turn { .. } | PlaceAnswer::Lost => return unavailable(visit),
    };
    let waiting = waiting(seal, visit.room, Ticket { number: ticket, issued_at }, ahead, wait_ms);
    let text = waiting.ticket.clone();
    let mut response = if is_person(visit) { page(&waiting) } else { problem(visit, waiting) };
    give(response.headers_mut(), visit, &TICKET, &text, TICKET_LIFETIME);
    response
}

/// Answers a request while the room cannot be asked and its rules say closed.
#[must_use]
pub fn unavailable(visit: &Visit<'_>) -> Response<Bytes> {
    Problem::of(ErrorKind::Unavailable).retry_after(5).request_id(visit.request_id).into_response()
}

fn full(visit: &Visit<'_>) -> Response<Bytes> {
    Problem::new(ErrorKind::Unavailable, "waiting-room-full", "The queue is longer than half a day")
        .retry_after(600)
        .request_id(visit.request_id)
        .into_response()
}

/// Answers `GET /v1/waiting-room` where there is no room.
#[must_use]
pub fn open() -> Response<Bytes> {
    json(StatusCode::OK, &WaitingStatus::Open)
}

/// Answers `GET /v1/waiting-room` with where a ticket stands.
#[must_use]
pub fn status(
    seal: &Seal,
    visit: &Visit<'_>,
    ticket: Ticket,
    place: &PlaceAnswer,
    now: Timestamp,
) -> Response<Bytes> {
    match *place {
        PlaceAnswer::Waiting { ahead, wait_ms, .. } => {
            let waiting = waiting(seal, visit.room, ticket, ahead, wait_ms);
            let after = HeaderValue::from(waiting.poll_after_s);
            let mut response = json(StatusCode::OK, &WaitingStatus::Waiting(waiting));
            response.headers_mut().insert(header::RETRY_AFTER, after);
            response
        }
        PlaceAnswer::Turn { ends_at_ms, .. } => {
            let ends_at = Timestamp::from_unix_ms(ends_at_ms);
            let admitted = WaitingStatus::Admitted {
                room: visit.room.to_owned(),
                pass: seal.pass(visit.room, ticket.number, ends_at),
                expires_in_s: ends_at.since(now).as_secs(),
            };
            let mut response = json(StatusCode::OK, &admitted);
            response.headers_mut().extend(pass_headers(seal, visit, ticket.number, ends_at, now));
            response
        }
        PlaceAnswer::Lost | PlaceAnswer::Full { .. } => no_ticket(visit, true),
    }
}

/// Answers `GET /v1/waiting-room` without a ticket that holds: ask for what you want to get one.
#[must_use]
pub fn no_ticket(visit: &Visit<'_>, was_shown: bool) -> Response<Bytes> {
    let problem = if was_shown {
        Problem::new(ErrorKind::Gone, "ticket-expired", "The ticket is not valid any more")
            .detail("ask for the protected address again to get a new ticket")
    } else {
        Problem::new(ErrorKind::InvalidInput, "ticket-required", "A ticket is needed").field(
            "vitrine-ticket",
            "required",
            "the header is missing",
        )
    };
    problem.request_id(visit.request_id).into_response()
}

fn waiting(seal: &Seal, room: &str, ticket: Ticket, ahead: u64, wait_ms: u64) -> Waiting {
    let poll_after_s = poll_after(Duration::from_millis(wait_ms)).as_secs();
    Waiting {
        room: room.to_owned(),
        ticket: seal.ticket(room, ticket),
        place: ahead.saturating_add(1),
        estimate_s: wait_ms.div_ceil(1_000),
        poll_after_s: u32::try_from(poll_after_s).unwrap_or(u32::MAX),
    }
}

/// Gives a value as header to programs and as cookie to browsers, which send it by themselves.
fn give(headers: &mut HeaderMap, visit: &Visit<'_>, name: &HeaderName, text: &str, age: Duration) {
    let secure = if visit.is_https { "; Secure" } else { "" };
    let cookie =
        format!("{name}={text}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}", age.as_secs());
    if let (Ok(value), Ok(cookie)) = (HeaderValue::from_str(text), HeaderValue::from_str(&cookie)) {
        headers.insert(name.clone(), value);
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// People ask for HTML, outside the API.
fn is_person(visit: &Visit<'_>) -> bool {
    let accepts =
        visit.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let is_api = visit.path.trim_start_matches('/').starts_with("v1");
    !is_api && accepts.into_iter().any(|text| text.to_ascii_lowercase().contains("text/html"))
}

fn problem(visit: &Visit<'_>, waiting: Waiting) -> Response<Bytes> {
    let poll_after_s = waiting.poll_after_s;
    let problem = Problem::new(ErrorKind::Unavailable, "waiting-room", "Please wait for your turn")
        .request_id(visit.request_id);
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, &WaitingProblem { problem, waiting });
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(api_types::problem::MEDIA_TYPE));
    headers.insert(header::RETRY_AFTER, HeaderValue::from(poll_after_s));
    response
}

/// The page asks again by itself, without scripts: the same address, until it is what was asked for.
fn page(waiting: &Waiting) -> Response<Bytes> {
    let Waiting { place, estimate_s, poll_after_s, .. } = waiting;
    let minutes = estimate_s.div_ceil(60);
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"refresh\" content=\"{poll_after_s}\"><title>Waiting room</title>\
         <style>body{{font:1rem/1.5 system-ui;max-width:32rem;margin:20vh auto;padding:0 1rem}}</style>\
         <h1>You are in the queue</h1><p role=\"status\">Your place: <strong>{place}</strong>. \
         It is your turn in about {minutes} min.</p>\
         <p>Keep this page open: it goes on by itself, and nobody overtakes you.</p></html>\n"
    );
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from(*poll_after_s));
    response
}

fn json<T: serde::Serialize>(status: StatusCode, value: &T) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(rooms::write(value)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
