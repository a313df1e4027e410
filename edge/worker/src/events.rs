//! Analytics events: taken into a queue at once, added up by its consumer, and brought to the origin a batch at a time.
//!
//! A batch has an id, and the origin counts an id once. One whose fate is unknown goes back into the queue as it is, under
//! the same id, instead of as its messages, which might be put together in another way. Two ways to count twice are left:
//! a consumer that dies between the origin's answer and its own, and a sum too large for one message while the origin is
//! down. Both cost accuracy, not money.
//! What the queue gives up goes to the dead letter queue, for a person to look at.
//! Not here: what an event is (`api_types::events`), how often is tried (`wrangler.toml`).
//! Start at [`collect`] and `consume`.

use core::fmt::Write as _;
use core::time::Duration;

use api_types::events::{self, Accepted, EVENTS_MAX, Event, EventBatch, INTERNAL_PATH};
use api_types::feed;
use api_types::reply::Private;
use bytes::Bytes;
use domain::Timestamp;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use origin_client::origins::Origins;
use ports::{Clock, HttpClient};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use worker::{Context, Env, Message, MessageBatch, MessageBuilder, MessageExt as _, event};

use crate::log;
use crate::ports::WorkerPorts;

/// The queue's binding.
const QUEUE: &str = "EVENTS";
/// What log lines begin with.
const AREA: &str = "events";
/// Messages that are added up to one batch: 100, so that their events fit it whatever they are.
const MESSAGES_MAX: usize = events::COUNTS_MAX / EVENTS_MAX;
/// Longest message: 120 000 bytes; the queue takes 128 KB.
const MESSAGE_BYTES_MAX: usize = 120_000;
/// How long a batch rests before it is tried again: 30 s, as `wrangler.toml` says for messages.
const RETRY_DELAY_S: u32 = 30;
/// Longest wait for the origin: 10 s. Nobody waits for this.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer that is read: 16 KiB, more than any problem has.
const ANSWER_BYTES_MAX: usize = 16 * 1_024;
/// Age from which a message that fails has few tries left, or none: 120 s.
const OLD: Duration = Duration::from_secs(120);

/// What is in the queue, as JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Letter {
    /// One request's events.
    Seen { at_ms: i64, events: Vec<Event> },
    /// Events that were added up, and may have been counted under this id.
    Added { at_ms: i64, batch: EventBatch },
}

impl Letter {
    const fn at(&self) -> Timestamp {
        let (Self::Seen { at_ms, .. } | Self::Added { at_ms, .. }) = self;
        Timestamp::from_unix_ms(*at_ms)
    }
}

/// Takes what a browser sends. `None` when there is no queue, or it takes nothing: the origin counts it then.
pub(crate) async fn collect(
    ports: &WorkerPorts,
    request: &Request<Bytes>,
) -> Option<Response<Bytes>> {
    if request.uri().path().trim_end_matches('/') != events::PATH {
        return None;
    }
    let queue = ports.env().queue(QUEUE).ok()?;
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let events = match events::read(content_type, request.body()) {
        Ok(events) => events,
        Err(problem) => {
            return Some(problem.asked_in(request.headers()).into_response());
        }
    };
    let accepted = events.len();
    let letter = Letter::Seen { at_ms: ports.now().unix_ms(), events };
    let letter = serde_json::to_string(&letter).ok()?;
    if let Err(error) = queue.send(letter).await {
        log::warn(AREA, &format!("the queue takes nothing: {error}"));
        return None;
    }
    Private { value: Accepted { accepted }, status: StatusCode::ACCEPTED }.into_response().ok()
}

/// Brings what the queue has collected to the origin.
///
/// # Errors
/// When messages are not the Worker's; they are tried again and end as dead letters.
#[event(queue)]
pub(crate) async fn consume(
    messages: MessageBatch<String>,
    env: Env,
    _context: Context,
) -> worker::Result<()> {
    let ports = WorkerPorts::new(env);
    let mut seen = Vec::new();
    for message in messages.messages()? {
        match serde_json::from_str::<Letter>(message.body()) {
            Ok(Letter::Added { at_ms, batch }) => {
                if let Err(why) = bring(&ports, &batch).await {
                    complain(&ports, 1, Timestamp::from_unix_ms(at_ms), &why);
                    message.retry();
                } else {
                    message.ack();
                }
            }
            Ok(letter) => seen.push((message, letter)),
            Err(_other) => {
                log::error(AREA, "a message that is not the Worker's");
                message.retry();
            }
        }
    }
    for part in seen.chunks(MESSAGES_MAX) {
        settle(&ports, part).await;
    }
    Ok(())
}

/// Adds messages up and brings them to the origin, or puts their sum back into the queue, or at last themselves.
async fn settle(ports: &WorkerPorts, part: &[(Message<String>, Letter)]) {
    let ids: Vec<String> = part.iter().map(|(message, _)| message.id()).collect();
    let letters: Vec<&Letter> = part.iter().map(|(_, letter)| letter).collect();
    let batch = add_up(&ids, &letters);
    let is_settled = match bring(ports, &batch).await {
        Ok(()) => true,
        Err(why) => {
            let oldest = letters.iter().map(|letter| letter.at()).min();
            complain(ports, part.len(), oldest.unwrap_or_else(|| ports.now()), &why);
            put_back(ports, batch).await
        }
    };
    for (message, _) in part {
        if is_settled {
            message.ack();
        } else {
            message.retry();
        }
    }
}

fn add_up(ids: &[String], letters: &[&Letter]) -> EventBatch {
    let requests = letters.iter().filter_map(|letter| match letter {
        Letter::Seen { events, .. } => Some((letter.at(), events.as_slice())),
        Letter::Added { .. } => None,
    });
    EventBatch::of(batch_id(ids), requests)
}

/// Names a set of messages, in whatever order they came: 32 digits of SHA-256 over their ids.
fn batch_id(ids: &[String]) -> String {
    let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    ids.sort_unstable();
    let mut hash = Sha256::new();
    for id in ids {
        hash.update(id.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a text cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// Puts a batch whose fate is unknown back into the queue, under its id. Says whether the queue has it.
async fn put_back(ports: &WorkerPorts, batch: EventBatch) -> bool {
    let letter = Letter::Added { at_ms: ports.now().unix_ms(), batch };
    let Ok(text) = serde_json::to_string(&letter) else { return false };
    if text.len() > MESSAGE_BYTES_MAX {
        return false;
    }
    let Ok(queue) = ports.env().queue(QUEUE) else { return false };
    let message = MessageBuilder::new(text).delay_seconds(RETRY_DELAY_S).build();
    queue.send(message).await.is_ok()
}

/// Brings a batch to the first origin that takes it.
async fn bring(ports: &WorkerPorts, batch: &EventBatch) -> Result<(), String> {
    let list = format!("{},{}", ports.text("origin_url"), ports.text("origin_url_secondary"));
    let origins = Origins::parse(&list).map_err(|error| error.to_string())?;
    let body = Bytes::from(serde_json::to_vec(batch).map_err(|error| error.to_string())?);
    let token = feed::bearer(ports.text("edge_secret").as_bytes());
    let mut authorization =
        HeaderValue::try_from(format!("Bearer {token}")).map_err(|error| error.to_string())?;
    authorization.set_sensitive(true);
    let mut failed = "no origin".to_owned();
    for origin in (0..origins.count()).filter_map(|index| origins.at(index)) {
        let mut request = Request::new(body.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = origin.uri(INTERNAL_PATH).map_err(|error| error.to_string())?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, authorization.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match ports.send(request, POST_TIMEOUT, ANSWER_BYTES_MAX).await {
            Ok(answer) if answer.status() == StatusCode::OK => return Ok(()),
            Ok(answer) => failed = format!("the origin answered {}", answer.status()),
            Err(error) => failed = error.to_string(),
        }
    }
    Err(failed)
}

/// Says how many messages were not brought; somebody should look when they are old, for they have few tries left.
fn complain(ports: &WorkerPorts, messages: usize, at: Timestamp, why: &str) {
    let age = ports.now().since(at);
    let text = format!("{messages} messages, {} s old, were not brought: {why}", age.as_secs());
    if age >= OLD {
        log::error(AREA, &format!("{text}; they end as dead letters"));
    } else {
        log::warn(AREA, &text);
    }
}

#[cfg(test)]
mod tests {
    use api_types::events::EventName;

    use super::*;

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn seen(at_ms: i64, count: usize) -> Letter {
        let event = Event { name: EventName::Search, subject: String::new() };
        Letter::Seen { at_ms, events: vec![event; count] }
    }

    #[test]
    fn the_same_messages_have_the_same_id_and_no_others() {
        let id = batch_id(&ids(&["a", "b"]));
        assert_eq!(id.len(), 32);
        assert_eq!(batch_id(&ids(&["b", "a"])), id);
        for other in [&["a"][..], &["a", "b", "c"], &["ab"], &["a", "c"]] {
            assert_ne!(batch_id(&ids(other)), id, "{other:?}");
        }
    }

    #[test]
    fn messages_are_added_up_on_the_days_they_came() {
        let (first, second, third) = (seen(0, 2), seen(1, 3), seen(86_400_000, 1));
        let batch = add_up(&ids(&["a", "b", "c"]), &[&first, &second, &third]);
        let counts: Vec<_> =
            batch.counts.iter().map(|count| (count.day.number(), count.count)).collect();
        assert_eq!(counts, [(0, 5), (1, 1)]);
    }

    #[test]
    fn what_is_in_the_queue_is_read_as_it_was_written() {
        let batch = add_up(&ids(&["a"]), &[&seen(7, 1)]);
        for letter in [seen(7, 2), Letter::Added { at_ms: 7, batch }] {
            let text = serde_json::to_string(&letter).unwrap();
            assert_eq!(serde_json::from_str::<Letter>(&text).unwrap(), letter);
            assert_eq!(letter.at().unix_ms(), 7);
        }
    }

    #[test]
    fn a_batch_takes_every_event_of_its_messages() {
        assert_eq!((MESSAGES_MAX, MESSAGES_MAX * EVENTS_MAX), (100, events::COUNTS_MAX));
    }
}
