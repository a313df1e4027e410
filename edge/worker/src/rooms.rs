//! The routes that only the Worker has: the waiting room's gate and desk, and chat rooms. Asks the Durable Objects,
//! lets `rooms-core` decide.

use core::cell::RefCell;
use core::time::Duration;
use std::rc::Rc;

use api_types::problem::Problem;
use api_types::rooms::{
    self, NewChatRoom, PlaceAnswer, PlaceRequest, WaitingRoomFlag, WhenUnavailable,
};
use bytes::Bytes;
use domain::{ErrorKind, Timestamp};
use gateway_core::cors::Origins;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use ports::{Clock as _, Entropy as _, Timer as _};
use rooms_core::chat;
use rooms_core::rules::Rules;
use rooms_core::seal::{Seal, Ticket};
use rooms_core::waiting::{self, Shown, Visit};
use worker::{Headers, RequestInit, Stub};

use crate::log;
use crate::ports::{WorkerPorts, before};
use crate::wire::Payload;

/// Where the flag is in the key-value store.
const FLAG: &str = "flag/waiting-room";

/// How long an isolate remembers the flag: 10 s. The store itself may be a minute late.
const FLAG_KEPT: Duration = Duration::from_secs(10);

/// What the key-value store's own caches may keep, in seconds: the shortest that it takes.
const STORE_KEPT_S: u64 = 60;

/// Longest wait for the room: 10 s, for a crowd asks it one after the other. The rules say what happens then.
const ROOM_TIMEOUT: Duration = Duration::from_secs(10);

/// What was read of the flag, and when.
#[derive(Debug)]
struct Remembered {
    rules: Option<Rc<Rules>>,
    read_at: Timestamp,
}

thread_local! {
    static REMEMBERED: RefCell<Option<Remembered>> = const { RefCell::new(None) };
}

/// Lets a request on, or has it wait. What it gives goes onto the answer: the pass, and that nobody may store it.
///
/// `head` is the request as it came, with cookies; `request` as the gateway forwards it.
pub(crate) async fn gate(
    ports: &WorkerPorts,
    head: &Parts,
    request: &Request<Bytes>,
) -> Result<HeaderMap, Box<Response<Payload>>> {
    let now = ports.now();
    let Some(rules) = rules(ports, now).await else { return Ok(HeaderMap::new()) };
    let path = head.uri.path();
    let sku = rules.asks_for_sku(&head.method, path).then(|| sku_of(request.body())).flatten();
    if !rules.protects(&head.method, path, sku.as_deref()) {
        return Ok(HeaderMap::new());
    }
    let visit = visit(&rules.room, head, request.headers());
    let Some(seal) = Seal::for_waiting(ports.text("edge_secret").as_bytes()) else {
        return without_room(&rules, &visit, "no secret");
    };
    let ticket = match waiting::shown(&seal, &rules.room, &head.headers, now) {
        Shown::Pass => return Ok(unstored()),
        Shown::Ticket(ticket) => Some(ticket),
        Shown::Nothing => None,
    };
    let place = match ask(ports, &rules, ticket, true).await {
        Ok(place) => place,
        Err(error) => return without_room(&rules, &visit, &error.to_string()),
    };
    if let PlaceAnswer::Turn { ticket, ends_at_ms } = place {
        let ends_at = Timestamp::from_unix_ms(ends_at_ms);
        let mut given = unstored();
        given.extend(waiting::pass_headers(&seal, &visit, ticket, ends_at, now));
        return Ok(given);
    }
    let issued_at = match (place, ticket) {
        (PlaceAnswer::Waiting { ticket, .. }, Some(old)) if old.number == ticket => old.issued_at,
        _ => now,
    };
    Err(Box::new(waiting::wait(&seal, &visit, &place, issued_at).map(Payload::Bytes)))
}

/// What a new line of a cart names, as the origin reads it: of a member that comes twice the last one counts. A reader
/// that refused such a body would let it pass by the room.
fn sku_of(body: &[u8]) -> Option<String> {
    let line: serde_json::Value = rooms::read(body)?;
    line.get("sku")?.as_str().map(str::to_owned)
}

/// The room's own rules say what becomes of requests while it cannot be asked.
fn without_room(
    rules: &Rules,
    visit: &Visit<'_>,
    why: &str,
) -> Result<HeaderMap, Box<Response<Payload>>> {
    log::error("waiting room", why);
    match rules.when_unavailable {
        WhenUnavailable::Open => Ok(unstored()),
        WhenUnavailable::Closed => Err(Box::new(waiting::unavailable(visit).map(Payload::Bytes))),
    }
}

/// What one may have after waiting, a shared cache must not hand to another who has not.
fn unstored() -> HeaderMap {
    HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"))])
}

/// Answers the addresses of this module; `None` for all others.
pub(crate) async fn handle(
    ports: &WorkerPorts,
    head: &Parts,
    request: &Request<Bytes>,
) -> Option<Response<Payload>> {
    let path: Vec<&str> = head.uri.path().split('/').filter(|part| !part.is_empty()).collect();
    let answer = match (path.as_slice(), &head.method) {
        (["v1", "waiting-room"], _) => place(ports, head, request.headers()).await,
        (["v1", "chat", "rooms"], &Method::POST) => open_room(ports, request.headers()).await,
        (["v1", "chat", "rooms", id], _) => join_room(ports, head, request.headers(), id).await,
        _ => return None,
    };
    Some(answer)
}

/// `GET /v1/waiting-room`: where a ticket stands.
async fn place(ports: &WorkerPorts, head: &Parts, inner: &HeaderMap) -> Response<Payload> {
    let now = ports.now();
    let Some(rules) = rules(ports, now).await else { return waiting::open().map(Payload::Bytes) };
    let visit = visit(&rules.room, head, inner);
    let Some(seal) = Seal::for_waiting(ports.text("edge_secret").as_bytes()) else {
        log::error("waiting room", "no secret");
        return waiting::unavailable(&visit).map(Payload::Bytes);
    };
    let Some(ticket) = waiting::ticket(&seal, &rules.room, &head.headers, now) else {
        let was_shown = waiting::has_ticket(&head.headers);
        return waiting::no_ticket(&visit, was_shown).map(Payload::Bytes);
    };
    match ask(ports, &rules, Some(ticket), false).await {
        Ok(place) => waiting::status(&seal, &visit, ticket, &place, now).map(Payload::Bytes),
        Err(error) => {
            log::error("waiting room", &error.to_string());
            waiting::unavailable(&visit).map(Payload::Bytes)
        }
    }
}

fn visit<'a>(room: &'a str, head: &'a Parts, inner: &'a HeaderMap) -> Visit<'a> {
    let is_https = head.uri.scheme_str() == Some("https");
    let request_id = request_id(inner);
    Visit { room, headers: &head.headers, path: head.uri.path(), is_https, request_id }
}

fn request_id(inner: &HeaderMap) -> &str {
    inner.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default()
}

/// Reads the flag. While the store cannot be read, the last word holds; a flag that is wrong is none, and is logged.
async fn rules(ports: &WorkerPorts, now: Timestamp) -> Option<Rc<Rules>> {
    let kept = REMEMBERED.with_borrow(|kept| {
        let kept = kept.as_ref()?;
        Some((kept.rules.clone(), now.since(kept.read_at) < FLAG_KEPT))
    });
    if let Some((rules, true)) = kept {
        return rules;
    }
    let rules = match read_flag(ports).await {
        Ok(text) => text.and_then(|text| check(&text)).map(Rc::new),
        Err(error) => {
            log::error("waiting room", &error);
            kept.and_then(|(rules, _)| rules)
        }
    };
    REMEMBERED.set(Some(Remembered { rules: rules.clone(), read_at: now }));
    rules
}

async fn read_flag(ports: &WorkerPorts) -> Result<Option<String>, String> {
    let store = ports.env().kv("KV").map_err(|error| error.to_string())?;
    store.get(FLAG).cache_ttl(STORE_KEPT_S).text().await.map_err(|error| error.to_string())
}

fn check(text: &str) -> Option<Rules> {
    let Some(flag) = rooms::read::<WaitingRoomFlag>(text.as_bytes()) else {
        log::error("waiting room", "flag/waiting-room cannot be read");
        return None;
    };
    Rules::check(&flag).inspect_err(|error| log::error("waiting room", &error.to_string())).ok()
}

async fn ask(
    ports: &WorkerPorts,
    rules: &Rules,
    ticket: Option<Ticket>,
    may_join: bool,
) -> worker::Result<PlaceAnswer> {
    let question = PlaceRequest {
        ticket: ticket.map(|ticket| ticket.number),
        may_join,
        admissions_per_minute: rules.pace.admissions_per_minute,
        pass_lifetime_s: u32::try_from(rules.pace.pass_lifetime.as_secs()).unwrap_or(u32::MAX),
    };
    let room = ports.env().durable_object("WAITING_ROOM")?.get_by_name(&rules.room)?;
    let mut init = RequestInit::new();
    init.with_method(worker::Method::Post).with_body(Some(rooms::write(&question).into()));
    let request = worker::Request::new_with_init("https://waiting-room/place", &init)?;
    let error = |why: String| worker::Error::RustError(why);
    let answered = async {
        let mut response = room.fetch_with_request(request).await?;
        let text = response.text().await?;
        rooms::read(text.as_bytes())
            .ok_or_else(|| error(format!("the room answered {}", response.status_code())))
    };
    let answered = before(ports.sleep(ROOM_TIMEOUT), answered).await;
    answered.unwrap_or_else(|| Err(error("the room gave no answer".to_owned())))
}

/// `POST /v1/chat/rooms`: makes a room and tells its capability.
async fn open_room(ports: &WorkerPorts, inner: &HeaderMap) -> Response<Payload> {
    let Some(seal) = Seal::for_chat(ports.text("edge_secret").as_bytes()) else {
        return chat_fault(inner, "no secret");
    };
    let mut random = [0; 16];
    ports.fill(&mut random);
    let id = seal.chat_room(random);
    let mut init = RequestInit::new();
    init.with_method(worker::Method::Post);
    let made = async {
        let request = worker::Request::new_with_init("https://chat-room/", &init)?;
        chat_room(ports, &id)?.fetch_with_request(request).await
    };
    match made.await {
        Ok(response) if response.status_code() == 200 => {}
        Ok(response) => return chat_fault(inner, &response.status_code().to_string()),
        Err(error) => return chat_fault(inner, &error.to_string()),
    }
    let path = format!("/v1/chat/rooms/{id}");
    let location = HeaderValue::from_str(&path);
    let body = NewChatRoom { id, path, expires_after_s: chat::KEPT.as_secs() };
    let mut response = Response::new(Payload::Bytes(Bytes::from(rooms::write(&body))));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(location) = location {
        headers.insert(header::LOCATION, location);
    }
    response
}

/// `GET /v1/chat/rooms/{id}`: opens a socket.
async fn join_room(
    ports: &WorkerPorts,
    head: &Parts,
    inner: &HeaderMap,
    id: &str,
) -> Response<Payload> {
    let Some(seal) = Seal::for_chat(ports.text("edge_secret").as_bytes()) else {
        return chat_fault(inner, "no secret");
    };
    if !seal.is_chat_room(id) {
        return refuse(inner, Problem::of(ErrorKind::NotFound));
    }
    if !may_open(ports, head) {
        let title = "Pages of this origin may not open sockets here";
        return refuse(inner, Problem::new(ErrorKind::Forbidden, "origin-not-allowed", title));
    }
    let upgrade = head.headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    if !upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        let title = "This address speaks WebSocket";
        return refuse(inner, Problem::new(ErrorKind::Unreadable, "websocket-required", title));
    }
    let mut member = [0; 8];
    ports.fill(&mut member);
    match connect(ports, id, chat::after(head.uri.query()), member).await {
        Ok(response) => match (response.status_code(), response.websocket()) {
            (101, Some(socket)) => {
                let mut response = Response::new(Payload::Socket(socket.as_ref().clone()));
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                response
            }
            (404, _) => refuse(inner, Problem::of(ErrorKind::NotFound)),
            (503, _) => {
                let title = "The room is full";
                let problem = Problem::new(ErrorKind::Unavailable, "chat-room-full", title);
                refuse(inner, problem.retry_after(30))
            }
            (code, _) => chat_fault(inner, &code.to_string()),
        },
        Err(error) => chat_fault(inner, &error.to_string()),
    }
}

async fn connect(
    ports: &WorkerPorts,
    id: &str,
    after: Option<u64>,
    member: [u8; 8],
) -> worker::Result<worker::Response> {
    let headers = Headers::new();
    headers.set("upgrade", "websocket")?;
    let mut init = RequestInit::new();
    init.with_headers(headers);
    let member = u64::from_be_bytes(member);
    let after = after.map_or_else(String::new, |after| format!("&after={after}"));
    let url = format!("https://chat-room/?member={member:x}{after}");
    chat_room(ports, id)?.fetch_with_request(worker::Request::new_with_init(&url, &init)?).await
}

fn chat_room(ports: &WorkerPorts, id: &str) -> worker::Result<Stub> {
    ports.env().durable_object("CHAT_ROOM")?.get_by_name(id)
}

/// Returns whether the page that asks, if it is one, is ours or listed. A wrong list lists nobody.
fn may_open(ports: &WorkerPorts, head: &Parts) -> bool {
    let origin = match head.headers.get(header::ORIGIN).map(HeaderValue::to_str) {
        None => None,
        Some(Ok(origin)) => Some(origin),
        Some(Err(_)) => return false,
    };
    let uri = &head.uri;
    let here = format!(
        "{}://{}",
        uri.scheme_str().unwrap_or("https"),
        uri.authority().map_or("", http::uri::Authority::as_str)
    );
    let public = ports.text("public_url");
    let listed = Origins::parse(&ports.text("cors_origins"));
    chat::is_own(origin, &[&here, &public], |origin| match &listed {
        Some(Origins::All) => true,
        Some(Origins::Listed(listed)) => listed.iter().any(|one| one == origin),
        None => false,
    })
}

fn refuse(inner: &HeaderMap, problem: Problem) -> Response<Payload> {
    problem.request_id(request_id(inner)).into_response().map(Payload::Bytes)
}

fn chat_fault(inner: &HeaderMap, why: &str) -> Response<Payload> {
    log::error("chat room", why);
    refuse(inner, Problem::of(ErrorKind::Unavailable).retry_after(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_the_origin_reads_it() {
        for (body, expected) in [
            (r#"{"sku":"A","quantity":1}"#, Some("A")),
            (r#"{"sku":"B","sku":"A"}"#, Some("A")),
            (r#"{"quantity":1,"quantity":2,"sku":"A","other":[]}"#, Some("A")),
            (r#"{"\u0073ku":"\u0041"}"#, Some("A")),
            // The origin refuses what follows.
            (r#"{"quantity":1}"#, None),
            (r#"{"sku":["A"]}"#, None),
            (r#"["A",1]"#, None),
            (r#"{"sku":"A"} x"#, None),
            ("", None),
        ] {
            assert_eq!(sku_of(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }
}
