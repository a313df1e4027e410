//! What a chat room takes from a socket, and for how long it is there.

use core::time::Duration;

use api_types::rooms::{ChatFault, ChatMember, ClientFrame, ServerFrame};
use domain::Timestamp;

#[cfg(test)]
mod tests;

/// Longest message: 2 000 characters.
pub const TEXT_CHARS_MAX: usize = 2_000;
/// Longest name of a member: 40 characters.
pub const NAME_CHARS_MAX: usize = 40;
/// Longest name that a client may give its message: 64 bytes.
const ID_BYTES_MAX: usize = 64;
/// Largest frame: 16 KiB. 2 000 characters written as JSON escapes take 12 000 bytes.
pub const FRAME_BYTES_MAX: usize = 16 * 1_024;
/// Messages kept and replayed: 200.
pub const KEPT_MESSAGES: u64 = 200;
/// Sockets in one room: 100.
pub const SOCKETS_MAX: usize = 100;
/// A message a second, in the long run.
const MESSAGE_EVERY_MS: i64 = 1_000;
/// Messages at once: 10.
const BURST_MS: i64 = 9_000;
/// Wrong frames after which a socket is closed: 20.
const FAULTS_MAX: u32 = 20;
/// How long a socket may be silent: 1 h. Its client comes back with `?after=`.
pub const IDLE: Duration = Duration::from_secs(60 * 60);
/// How long a room is kept after its last message: 30 days.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The frame that keeps a socket from looking dead to what lies between; answered without waking anybody.
pub const PING: &str = "ping";
/// The answer to [`PING`].
pub const PONG: &str = "pong";

/// Why a socket is closed: codes of RFC 6455, section 7.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// A frame over [`FRAME_BYTES_MAX`].
    TooBig,
    /// Too much nonsense.
    Abuse,
    /// Silent for [`IDLE`].
    Idle,
    /// The room is gone.
    Expired,
}

impl Closing {
    /// Returns the code and the reason, as the close frame says them.
    #[must_use]
    pub const fn code(self) -> (u16, &'static str) {
        match self {
            Self::TooBig => (1009, "frame too big"),
            Self::Abuse => (1008, "too many faults"),
            Self::Idle => (4000, "idle"),
            Self::Expired => (4001, "the room is gone"),
        }
    }
}

/// What to do about a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Keep the message and tell everybody.
    Say {
        /// What.
        text: String,
        /// The client's own name for it.
        id: Option<String>,
    },
    /// The member has another name from now on.
    Renamed,
    /// Answer this.
    Refuse(ServerFrame),
    /// Close the socket.
    Close(Closing),
}

/// A frame as it came.
#[derive(Debug, Clone, Copy)]
pub enum Frame<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes, of this length.
    Binary(usize),
}

/// Makes a member who has just come. `random` names it.
#[must_use]
pub fn arrive(random: [u8; 8], now: Timestamp) -> ChatMember {
    let id = u64::from_be_bytes(random);
    ChatMember {
        member: format!("m{id:016x}"),
        name: "Guest".to_owned(),
        due_at_ms: 0,
        heard_at_ms: now.unix_ms(),
        faults: 0,
    }
}

/// Decides about a frame and moves what is remembered about its member.
pub fn hear(member: &mut ChatMember, frame: Frame<'_>, now: Timestamp) -> Heard {
    member.heard_at_ms = now.unix_ms();
    let length = match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(length) => length,
    };
    if length > FRAME_BYTES_MAX {
        return Heard::Close(Closing::TooBig);
    }
    let Frame::Text(json) = frame else {
        return fault(member, ChatFault::NotText, "frames are text");
    };
    match api_types::rooms::read(json.as_bytes()) {
        Some(ClientFrame::Join { name }) => rename(member, &name),
        Some(ClientFrame::Message { text, id }) => say(member, text, id, now),
        None => fault(member, ChatFault::Unreadable, "not a frame of a known type"),
    }
}

fn rename(member: &mut ChatMember, name: &str) -> Heard {
    let name = name.trim();
    let is_fit =
        (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(is_invisible);
    if !is_fit {
        let detail = format!("a name has 1 to {NAME_CHARS_MAX} visible characters");
        return fault(member, ChatFault::InvalidName, &detail);
    }
    member.name = name.to_owned();
    Heard::Renamed
}

/// Control characters, and those that turn the direction of what follows or hide: they make one name look like another.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn say(member: &mut ChatMember, text: String, id: Option<String>, now: Timestamp) -> Heard {
    if text.trim().is_empty() {
        return fault(member, ChatFault::Empty, "the message is empty");
    }
    if text.chars().count() > TEXT_CHARS_MAX {
        let detail = format!("the limit is {TEXT_CHARS_MAX} characters");
        return fault(member, ChatFault::TooLong, &detail);
    }
    if id.as_ref().is_some_and(|id| id.len() > ID_BYTES_MAX) {
        let detail = format!("`id` has at most {ID_BYTES_MAX} bytes");
        return fault(member, ChatFault::TooLong, &detail);
    }
    // The generic cell rate algorithm (ITU-T I.371): one number per socket.
    let due = member.due_at_ms.max(now.unix_ms());
    let early_ms = due.saturating_sub(now.unix_ms()).saturating_sub(BURST_MS);
    if early_ms > 0 {
        let seconds = early_ms.unsigned_abs().div_ceil(1_000);
        member.faults = member.faults.saturating_add(1);
        return refuse(
            member,
            ServerFrame::Error {
                code: ChatFault::RateLimited,
                detail: "too many messages".to_owned(),
                retry_after_s: u32::try_from(seconds).ok(),
            },
        );
    }
    member.due_at_ms = due.saturating_add(MESSAGE_EVERY_MS);
    member.faults = 0;
    Heard::Say { text, id }
}

fn fault(member: &mut ChatMember, code: ChatFault, detail: &str) -> Heard {
    member.faults = member.faults.saturating_add(1);
    refuse(member, ServerFrame::Error { code, detail: detail.to_owned(), retry_after_s: None })
}

fn refuse(member: &ChatMember, frame: ServerFrame) -> Heard {
    if member.faults > FAULTS_MAX { Heard::Close(Closing::Abuse) } else { Heard::Refuse(frame) }
}

/// Which kept messages a client that has seen `after` gets, and whether some between are gone.
#[must_use]
pub const fn has_gap(after: Option<u64>, first: u64) -> bool {
    match after {
        // A newcomer asks for what there is.
        None => first > 1,
        Some(after) => after.saturating_add(1) < first,
    }
}

/// Reads `after` from a query; `None` when it is absent or no number.
#[must_use]
pub fn after(query: Option<&str>) -> Option<u64> {
    let pairs = query.unwrap_or("").split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == "after").find_map(|(_, value)| value.parse().ok())
}

/// What an alarm has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// Nothing is left to keep: delete everything.
    Forget,
    /// Ring again then.
    Again(Timestamp),
}

/// Returns whether a socket has been silent for too long.
#[must_use]
pub fn is_idle(member: &ChatMember, now: Timestamp) -> bool {
    now.since(Timestamp::from_unix_ms(member.heard_at_ms)) >= IDLE
}

/// Decides what an alarm does, after idle sockets were closed. `heard` is when each of the others was last heard.
#[must_use]
pub fn sweep(heard: &[Timestamp], last_message_at: Timestamp, now: Timestamp) -> Sweep {
    let ends_at = last_message_at.after(KEPT);
    if ends_at <= now {
        return Sweep::Forget;
    }
    let next_idle = heard.iter().min().map(|heard| heard.after(IDLE));
    Sweep::Again(next_idle.map_or(ends_at, |idle| idle.min(ends_at)))
}

/// Returns whether a page of that origin may open a socket here.
///
/// One of ours may, one that operators listed, and who is no page at all. Browsers let any page open a socket anywhere and only say from where (RFC 6455, section 10.2).
#[must_use]
pub fn is_own(origin: Option<&str>, own: &[&str], is_listed: impl Fn(&str) -> bool) -> bool {
    origin.is_none_or(|origin| {
        own.iter().any(|one| one.trim_end_matches('/').eq_ignore_ascii_case(origin))
            || is_listed(origin)
    })
}
