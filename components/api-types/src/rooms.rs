//! Waiting room and chat rooms on the wire: what the Worker, its Durable Objects and clients say to each other.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// Asks the Durable Object `Limiter` for a place, as `ports::Counters::take`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakeRequest {
    /// Counters, oldest first. The last one is added to.
    pub keys: Vec<String>,
    /// What the sum of all may reach.
    pub limit: u64,
}

/// How the counters stand after a [`TakeRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeAnswer {
    /// The counters, in the order of the keys.
    pub counts: Vec<u64>,
    /// Whether the place was given.
    pub is_admitted: bool,
}

/// What becomes of requests while the waiting room cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnavailable {
    /// They pass, as if there were no waiting room.
    Open,
    /// They are refused with 503: a room that opens when it breaks lets the whole crowd in at once.
    #[default]
    Closed,
}

/// Value of the setting `flag/waiting-room`. Absent: no waiting room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitingRoomFlag {
    /// Name of the room, 1 to 32 of `[a-z0-9-]`. Another name is another queue; passes of one are worth nothing in another.
    pub room: String,
    /// Protected routes: an optional method, then a pattern: `POST /v1/carts/*/checkout`, `/p/...`. At most 32.
    #[serde(default)]
    pub routes: Vec<String>,
    /// Protected SKUs: putting one into a cart needs a pass. At most 100.
    #[serde(default)]
    pub skus: Vec<String>,
    /// Admissions in a minute, evenly spaced: 1 to 60 000.
    pub admissions_per_minute: u32,
    /// How long an admission holds, from its turn on: 60 to 3 600 s.
    pub pass_lifetime_s: u32,
    /// What happens while the room cannot be asked.
    #[serde(default)]
    pub when_unavailable: WhenUnavailable,
}

/// What the Worker asks the Durable Object `WaitingRoom`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceRequest {
    /// Number of the ticket whose place is asked for.
    pub ticket: Option<u64>,
    /// Whether to give a new ticket when that one is absent or worth nothing.
    pub may_join: bool,
    /// Admissions in a minute, as the flag says now.
    pub admissions_per_minute: u32,
    /// How long an admission holds, as the flag says now.
    pub pass_lifetime_s: u32,
}

/// What the Durable Object `WaitingRoom` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PlaceAnswer {
    /// The ticket waits.
    Waiting {
        /// Number of the ticket.
        ticket: u64,
        /// Tickets before it, without itself.
        ahead: u64,
        /// Milliseconds until its turn.
        wait_ms: u64,
    },
    /// The ticket's turn has come.
    Turn {
        /// Number of the ticket.
        ticket: u64,
        /// When the admission ends, in milliseconds since the Unix epoch.
        ends_at_ms: i64,
    },
    /// The ticket's turn came and went, or there was never such a ticket.
    Lost,
    /// No new ticket: its turn would come too late.
    Full {
        /// Milliseconds until the last ticket's turn.
        wait_ms: u64,
    },
}

/// A problem `waiting-room`: the plain problem, and what to wait with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingProblem {
    /// The problem's own members.
    #[serde(flatten)]
    pub problem: Problem,
    /// Where and how long to wait.
    #[serde(flatten)]
    pub waiting: Waiting,
}

/// A place in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Name of the room.
    pub room: String,
    /// The signed ticket: send it as `Vitrine-Ticket`.
    pub ticket: String,
    /// Place in the queue; 1 is next.
    pub place: u64,
    /// Seconds until the ticket's turn, rounded up, if the pace stays as it is.
    pub estimate_s: u64,
    /// Seconds after which asking again makes sense; also in `Retry-After`.
    pub poll_after_s: u32,
}

/// Body of `GET /v1/waiting-room`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum WaitingStatus {
    /// There is no waiting room now: ask for what you want.
    Open,
    /// Not yet.
    Waiting(Waiting),
    /// It is your turn.
    Admitted {
        /// Name of the room.
        room: String,
        /// The signed pass: send it as `Vitrine-Pass`.
        pass: String,
        /// Seconds for which the pass holds.
        expires_in_s: u64,
    },
}

/// Answer to `POST /v1/chat/rooms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewChatRoom {
    /// The capability: whoever knows it may read and write.
    pub id: String,
    /// Where to connect.
    pub path: String,
    /// Seconds without a message after which the room is gone.
    pub expires_after_s: u64,
}

/// What a client says over a chat room's socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientFrame {
    /// Says under which name the member writes from now on.
    Join {
        /// 1 to 40 characters.
        name: String,
    },
    /// Writes a message.
    Message {
        /// 1 to 2 000 characters.
        text: String,
        /// The client's own name for the message, given back to it alone: at most 64 characters.
        #[serde(default)]
        id: Option<String>,
    },
}

/// What a chat room says over a socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// The first frame; kept messages after `after` follow.
    Welcome {
        /// Who the receiver is.
        member: String,
        /// Sequence number of the oldest message kept; 0 when there is none.
        first: u64,
        /// Sequence number of the newest message; 0 when there is none.
        last: u64,
        /// Whether messages between `after` and the first one sent are gone.
        has_gap: bool,
        /// Sockets in the room, the receiver's among them.
        present: u64,
    },
    /// A message.
    Message(ChatMessage),
    /// How many sockets are in the room from now on.
    Presence {
        /// Sockets.
        present: u64,
    },
    /// What the receiver did could not be done.
    Error {
        /// Stable code.
        code: ChatFault,
        /// One sentence for people.
        detail: String,
        /// Seconds after which it may be tried again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_s: Option<u32>,
    },
}

/// One message of a chat room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Sequence number within the room, from 1, without holes.
    pub seq: u64,
    /// Who wrote it.
    pub member: String,
    /// Under which name.
    pub name: String,
    /// What.
    pub text: String,
    /// When, in RFC 3339.
    pub sent_at: String,
    /// The writer's own name for it; only the writer's socket gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// Why a chat room did not do what a client asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChatFault {
    /// Not JSON of a known type.
    Unreadable,
    /// Binary frames are not understood.
    NotText,
    /// Nothing but space.
    Empty,
    /// Over the limit of characters.
    TooLong,
    /// The name is empty or too long, or has characters that no name has.
    InvalidName,
    /// Too many messages in a short time.
    RateLimited,
    /// A fault of ours; the message was not kept.
    Internal,
}

/// What a chat room remembers about a socket while nothing happens (at most 2 KiB).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMember {
    /// Who.
    pub member: String,
    /// Under which name.
    pub name: String,
    /// When the next message would be on time, in milliseconds since the Unix epoch.
    pub due_at_ms: i64,
    /// When the socket was last heard, in milliseconds since the Unix epoch.
    pub heard_at_ms: i64,
    /// What it did wrong so far.
    pub faults: u32,
}

/// Reads any of these types; `None` for anything else.
#[must_use]
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    serde_json::from_slice(json).ok()
}

/// Writes any of these types.
#[must_use]
pub fn write<T: Serialize>(value: &T) -> String {
    // Maps here have text keys and no float is infinite: writing cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use domain::ErrorKind;

    use super::*;

    #[test]
    fn frames_are_tagged_and_read_strictly() {
        let frame = ClientFrame::Message { text: "hi".to_owned(), id: None };
        assert_eq!(read(br#"{"type":"message","text":"hi"}"#), Some(frame));
        for bad in [
            r#"{"type":"message"}"#,
            r#"{"type":"message","text":"a","from":"admin"}"#,
            r#"{"type":"shout","text":"a"}"#,
            r#"{"text":"a"}"#,
            r#""message""#,
            "",
        ] {
            assert_eq!(read::<ClientFrame>(bad.as_bytes()), None, "{bad}");
        }
        let error = ServerFrame::Error {
            code: ChatFault::RateLimited,
            detail: "slower".to_owned(),
            retry_after_s: Some(2),
        };
        assert_eq!(
            write(&error),
            r#"{"type":"error","code":"rate-limited","detail":"slower","retry_after_s":2}"#
        );
    }

    #[test]
    fn a_waiting_problem_has_the_members_of_both() {
        let problem = Problem::new(ErrorKind::Unavailable, "waiting-room", "Please wait");
        let waiting = Waiting {
            room: "drop".to_owned(),
            ticket: "wt1.x".to_owned(),
            place: 3,
            estimate_s: 20,
            poll_after_s: 10,
        };
        let json: serde_json::Value =
            serde_json::from_str(&write(&WaitingProblem { problem, waiting })).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"type": "https://vitrine.dev/problems/waiting-room",
                "title": "Please wait", "status": 503, "room": "drop", "ticket": "wt1.x",
                "place": 3, "estimate_s": 20, "poll_after_s": 10})
        );
    }

    #[test]
    fn a_flag_that_says_more_than_is_known_is_not_read() {
        let flag: Option<WaitingRoomFlag> =
            read(br#"{"room":"a","admissions_per_minute":6,"pass_lifetime_s":60}"#);
        assert_eq!(flag.map(|flag| flag.when_unavailable), Some(WhenUnavailable::Closed));
        let typo = br#"{"room":"a","admisions_per_minute":6,"pass_lifetime_s":60}"#;
        assert_eq!(read::<WaitingRoomFlag>(typo), None);
    }
}
