//! Where the copy of the catalogue stands, as far as this isolate knows, and the Worker's own `/healthz`.

use core::time::Duration;

use bytes::Bytes;
use domain::Timestamp;
use feed_core::Replica;
use http::{HeaderValue, Response, header};
use ports::{Clock, Sql, SqlError, SqlValue};
use serde_json::{Value, json};

use crate::isolate::isolate;
use crate::log;
use crate::ports::WorkerPorts;

/// How long a position is remembered: 2 s. Answers from the catalogue are at most that much older than the copy.
const KEPT: Duration = Duration::from_secs(2);

/// How long "there is no copy" is remembered: 250 ms. A shop that starts should be seen soon.
const ABSENCE_KEPT: Duration = Duration::from_millis(250);

/// Without word of the origin for longer than this, answers say how old the copy may be: 120 s. The follower writes
/// contact down once a minute.
const STALE_AFTER: Duration = Duration::from_secs(120);

/// The place that the copy was seen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The history.
    pub(crate) epoch: String,
    /// Transactions of it.
    pub(crate) position: u64,
    /// When the origin was last heard of, by the follower's clock.
    pub(crate) contact_at: Timestamp,
    /// How far D1 had come when this was read; sessions begin there.
    bookmark: Option<String>,
}

impl Seen {
    /// Returns how long ago the origin was heard of.
    pub(crate) fn contact_age(&self, now: Timestamp) -> Duration {
        now.since(self.contact_at)
    }

    /// Returns the age to warn of.
    pub(crate) fn stale_for(&self, now: Timestamp) -> Option<Duration> {
        Some(self.contact_age(now)).filter(|age| *age > STALE_AFTER)
    }
}

/// What this isolate remembers of the copy.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    seen: Option<Seen>,
    asked_at: Option<Timestamp>,
    is_answered: bool,
}

impl Standing {
    /// Returns where sessions of the database begin.
    pub(crate) fn bookmark(&self) -> Option<String> {
        self.seen.as_ref()?.bookmark.clone()
    }

    /// Returns what is remembered, however old.
    pub(crate) const fn seen(&self) -> Option<&Seen> {
        self.seen.as_ref()
    }

    /// Returns whether anybody knows yet: until the first look has its answer, "nothing" means nothing.
    pub(crate) const fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// Takes down what a look has found.
    fn found(&mut self, seen: Option<Seen>) {
        self.seen = seen;
        self.is_answered = true;
    }

    /// Returns whether it is time to look again.
    pub(crate) fn is_old(&self, now: Timestamp) -> bool {
        let kept = if self.seen.is_some() { KEPT } else { ABSENCE_KEPT };
        self.asked_at.is_none_or(|asked_at| now.since(asked_at) >= kept)
    }
}

/// Returns where the copy stands, at most 2 s old; `None` without one.
pub(crate) async fn standing(ports: &WorkerPorts) -> Option<Seen> {
    let now = ports.now();
    if isolate().standing.borrow().is_old(now) {
        look(ports, now).await;
    }
    isolate().standing.borrow().seen.clone()
}

/// Looks where the copy stands. Who asks meanwhile gets what was known before.
pub(crate) async fn look(ports: &WorkerPorts, now: Timestamp) {
    isolate().standing.borrow_mut().asked_at = Some(now);
    let question = feed_core::read();
    let bound: Vec<SqlValue> = question.params.into_iter().map(SqlValue::Text).collect();
    let seen = match ports.query(&question.sql, &bound).await {
        Ok(rows) => match Replica::of(&rows) {
            Ok(replica) => replica.map(|replica| Seen {
                epoch: replica.epoch,
                position: replica.position,
                contact_at: Timestamp::from_unix_ms(replica.contact_at_ms),
                bookmark: ports.bookmark(),
            }),
            // The follower builds the copy anew; until then it serves as it is.
            Err(error) => return log::error("health", &error.to_string()),
        },
        Err(SqlError::NotReady) => None,
        Err(error) => return log::error("health", &error.to_string()),
    };
    isolate().standing.borrow_mut().found(seen);
}

/// Says that the Worker lives, whether it has data to serve, and how old they may be. Everybody may read it.
pub(crate) fn healthz(seen: Option<&Seen>, node: &str, now: Timestamp) -> Response<Bytes> {
    let body = json!({
        "status": "ok",
        "ready": seen.is_some(),
        "node": node,
        "replica": replica(seen, now),
    });
    let mut response = Response::new(Bytes::from(body.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn replica(seen: Option<&Seen>, now: Timestamp) -> Value {
    let age = seen.map(|seen| seen.contact_age(now));
    let state = match age {
        None => "bootstrapping",
        Some(age) if age > STALE_AFTER => "disconnected",
        Some(_) => "following",
    };
    json!({
        "state": state,
        "epoch": seen.map(|seen| &seen.epoch),
        "position": seen.map_or(0, |seen| seen.position),
        "last_contact_age_ms": age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(contact_ms: i64) -> Seen {
        let contact_at = Timestamp::from_unix_ms(contact_ms);
        Seen { epoch: "e1".into(), position: 7, contact_at, bookmark: None }
    }

    fn told(seen: Option<&Seen>) -> Value {
        let now = Timestamp::from_unix_ms(1_000_000);
        serde_json::from_slice(healthz(seen, "worker-fra", now).body()).unwrap()
    }

    #[test]
    fn says_what_the_node_says() {
        assert_eq!(
            told(Some(&seen(999_000))),
            json!({"status": "ok", "ready": true, "node": "worker-fra", "replica": {"state": "following",
                "epoch": "e1", "position": 7, "last_contact_age_ms": 1000}})
        );
        assert_eq!(told(Some(&seen(0)))["replica"]["state"], "disconnected");
        assert_eq!(told(None)["ready"], false);
        assert_eq!(told(None)["replica"]["state"], "bootstrapping");
    }

    #[test]
    fn warns_only_after_two_minutes() {
        let now = Timestamp::from_unix_ms(1_000_000);
        assert_eq!(seen(880_000).stale_for(now), None);
        assert_eq!(seen(879_000).stale_for(now), Some(Duration::from_secs(121)));
        assert_eq!(seen(2_000_000).stale_for(now), None);
    }

    #[test]
    fn looks_again_when_it_is_time() {
        let at = Timestamp::from_unix_ms;
        let absent = Standing { asked_at: Some(at(1_000)), ..Standing::default() };
        assert!(Standing::default().is_old(at(0)));
        assert!(!absent.is_old(at(1_249)) && absent.is_old(at(1_250)));
        let mut present = Standing { asked_at: Some(at(1_000)), ..Standing::default() };
        present.found(Some(seen(0)));
        assert!(!present.is_old(at(2_999)) && present.is_old(at(3_000)));
    }

    #[test]
    fn a_look_under_way_does_not_say_that_there_is_no_copy() {
        let at = Timestamp::from_unix_ms(1_000);
        let mut standing = Standing { asked_at: Some(at), ..Standing::default() };
        assert!(!standing.is_old(at) && !standing.is_answered());
        standing.found(None);
        assert!(standing.is_answered());
    }
}
