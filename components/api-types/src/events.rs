//! Analytics events on the wire: what happened in the shop, counted per day.
//!
//! There is nothing personal in them by form: a name from a list, and what it was about by the shop's own words (a
//! page, a product's handle). Never who, where from, or what was typed. A browser sends [`NewEvents`]; an edge that
//! collects adds up many of them to one [`EventBatch`]. Edge and origin read both with the same [`read`] and
//! [`EventBatch::check`], so they refuse alike.
//! Not here: which products exist; the origin counts what is said about an unknown one without its name.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::{ErrorKind, Handle, Timestamp};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

#[cfg(test)]
mod tests;

/// Where browsers send [`NewEvents`].
pub const PATH: &str = "/v1/events";
/// Where edges send an [`EventBatch`], and operators read [`DayCounts`]; asks for the feed's bearer token.
pub const INTERNAL_PATH: &str = "/internal/events";
/// Largest body of a browser: 8 KiB. Twenty events with the longest handles have 3 KiB.
pub const BODY_BYTES_MAX: usize = 8 * 1_024;
/// Most events that one request brings: 20.
pub const EVENTS_MAX: usize = 20;
/// Most counts in one batch: 2 000, a hundred full requests that have nothing in common.
pub const COUNTS_MAX: usize = 2_000;
/// Largest body of a batch: 512 KiB; 2 000 of the longest counts have 350 KB.
pub const BATCH_BYTES_MAX: usize = 512 * 1_024;
/// Longest id of a batch: 64 characters.
const BATCH_ID_BYTES_MAX: usize = 64;
/// Largest single count of a batch: 1 000 000. More is nothing that a queue brings in a minute.
const COUNT_MAX: u32 = 1_000_000;
/// Longest time that a batch may come late: 15 days. No queue keeps a message for longer.
pub const LATE_DAYS_MAX: i64 = 15;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventName {
    /// A page was shown. Its subject is one of [`PAGES`].
    PageView,
    /// A product's page was shown. Its subject is the product's handle, as in the four that follow.
    ProductView,
    /// A model was loaded in three dimensions.
    ModelView,
    /// A model was placed in a room.
    ArLaunch,
    /// A product was put into a cart.
    AddToCart,
    /// Something was searched for. Without a subject: what people type may name people.
    Search,
    /// A checkout was begun. Without a subject.
    CheckoutStart,
    /// An order was placed. Without a subject: the origin knows its orders.
    OrderPlaced,
}

/// Pages of the storefront, as subjects of [`EventName::PageView`].
pub const PAGES: [&str; 10] = [
    "home",
    "category",
    "search",
    "product",
    "cart",
    "checkout",
    "order",
    "login",
    "account",
    "not-found",
];

/// What an event may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectKind {
    /// One of [`PAGES`].
    Page,
    /// A product's handle.
    Product,
    /// Nothing.
    None,
}

impl EventName {
    /// All names.
    pub const ALL: [Self; 8] = [
        Self::PageView,
        Self::ProductView,
        Self::ModelView,
        Self::ArLaunch,
        Self::AddToCart,
        Self::Search,
        Self::CheckoutStart,
        Self::OrderPlaced,
    ];

    /// Returns the name as it is on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PageView => "page_view",
            Self::ProductView => "product_view",
            Self::ModelView => "model_view",
            Self::ArLaunch => "ar_launch",
            Self::AddToCart => "add_to_cart",
            Self::Search => "search",
            Self::CheckoutStart => "checkout_start",
            Self::OrderPlaced => "order_placed",
        }
    }

    /// Returns what it may be about.
    #[must_use]
    pub const fn subject_kind(self) -> SubjectKind {
        match self {
            Self::PageView => SubjectKind::Page,
            Self::ProductView | Self::ModelView | Self::ArLaunch | Self::AddToCart => {
                SubjectKind::Product
            }
            Self::Search | Self::CheckoutStart | Self::OrderPlaced => SubjectKind::None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }

    fn takes(self, subject: &str) -> bool {
        match self.subject_kind() {
            _ if subject.is_empty() => true,
            SubjectKind::Page => PAGES.contains(&subject),
            SubjectKind::Product => subject.parse::<Handle>().is_ok(),
            SubjectKind::None => false,
        }
    }
}

/// Body of `POST /v1/events`, before it is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvents {
    /// What happened, 1 to [`EVENTS_MAX`].
    #[serde(default)]
    pub events: Vec<NewEvent>,
}

/// One event before it is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// A name of [`EventName`].
    #[serde(default)]
    pub name: String,
    /// What it is about; may be absent.
    #[serde(default)]
    pub subject: Option<String>,
}

/// An event that can be counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub name: EventName,
    /// What it is about; empty for nothing.
    #[serde(default)]
    pub subject: String,
}

/// Answer of `POST /v1/events`, with status 202.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// How many events were taken.
    pub accepted: usize,
}

/// Reads the body of `POST /v1/events`, as every host must.
///
/// # Errors
/// The problem to answer with: 413 for a body beyond [`BODY_BYTES_MAX`], 415 unless it is JSON, 400 when it cannot be
/// read, 422 with every wrong field when it is readable and wrong.
pub fn read(content_type: Option<&str>, body: &Bytes) -> Result<Vec<Event>, Box<Problem>> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Problem::of(ErrorKind::TooLarge).into());
    }
    let sent: NewEvents = read_object(content_type, body)?;
    check(sent)
}

/// Reads a JSON object of a request's body.
fn read_object<T: for<'a> Deserialize<'a>>(
    content_type: Option<&str>,
    body: &Bytes,
) -> Result<T, Box<Problem>> {
    let media_type = content_type.unwrap_or("").split(';').next().unwrap_or("").trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Problem::of(ErrorKind::UnsupportedMediaType).into());
    }
    let json: serde_json::Value = serde_json::from_slice(body)
        .map_err(|error| Problem::of(ErrorKind::Unreadable).detail(format!("not JSON: {error}")))?;
    // serde would take a list for a struct, field by field.
    if !json.is_object() {
        let problem = Problem::of(ErrorKind::InvalidInput);
        return Err(problem.detail("the body must be a JSON object").into());
    }
    T::deserialize(json)
        .map_err(|error| Problem::of(ErrorKind::InvalidInput).detail(error.to_string()).into())
}

fn check(sent: NewEvents) -> Result<Vec<Event>, Box<Problem>> {
    let mut problem = Problem::of(ErrorKind::InvalidInput);
    if !(1..=EVENTS_MAX).contains(&sent.events.len()) {
        let code = if sent.events.is_empty() { "required" } else { "invalid" };
        return Err(problem
            .field("/events", code, format!("must have 1 to {EVENTS_MAX} events"))
            .into());
    }
    let mut events = Vec::with_capacity(sent.events.len());
    for (index, NewEvent { name, subject }) in sent.events.into_iter().enumerate() {
        let subject = subject.unwrap_or_default();
        match EventName::parse(&name) {
            Some(name) if name.takes(&subject) => events.push(Event { name, subject }),
            Some(name) => {
                let detail = match name.subject_kind() {
                    SubjectKind::Page => format!("must be one of {}", PAGES.join(", ")),
                    SubjectKind::Product => "must be a product's handle".to_owned(),
                    SubjectKind::None => "must be absent".to_owned(),
                };
                problem = problem.field(format!("/events/{index}/subject"), "invalid", detail);
            }
            None => {
                let code = if name.is_empty() { "required" } else { "invalid" };
                let detail =
                    format!("must be one of {}", EventName::ALL.map(EventName::as_str).join(", "));
                problem = problem.field(format!("/events/{index}/name"), code, detail);
            }
        }
    }
    if problem.errors.is_empty() { Ok(events) } else { Err(problem.into()) }
}

/// A day in UTC, as whole days since 1970-01-01; `YYYY-MM-DD` on the wire, from 0001 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(i64);

/// Milliseconds of a day. UTC has no other days on computers.
const DAY_MS: i64 = 86_400_000;

impl Day {
    /// Returns the day that holds a moment.
    #[must_use]
    pub const fn of(moment: Timestamp) -> Self {
        Self(moment.unix_ms().div_euclid(DAY_MS))
    }

    /// Makes a day from the number of days since 1970-01-01.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Returns the number of days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }
}

impl core::fmt::Display for Day {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let moment = Timestamp::from_unix_ms(self.0.saturating_mul(DAY_MS)).to_string();
        f.write_str(moment.split('T').next().unwrap_or_default())
    }
}

/// Why a text is no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a day: write YYYY-MM-DD")]
pub struct InvalidDay;

impl core::str::FromStr for Day {
    type Err = InvalidDay;

    fn from_str(text: &str) -> Result<Self, InvalidDay> {
        if text.len() != 10 {
            return Err(InvalidDay);
        }
        Timestamp::parse(&format!("{text}T00:00:00Z")).map(Self::of).ok_or(InvalidDay)
    }
}

impl TryFrom<String> for Day {
    type Error = InvalidDay;

    fn try_from(text: String) -> Result<Self, InvalidDay> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

/// How often an event happened on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCount {
    /// When.
    pub day: Day,
    /// What.
    pub name: EventName,
    /// About what; empty for nothing.
    #[serde(default)]
    pub subject: String,
    /// How often, at least once.
    pub count: u32,
}

/// What an edge has collected: body of `POST /internal/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventBatch {
    /// Names the batch however often it is sent: 1 to 64 of `[A-Za-z0-9_-]`.
    pub id: String,
    /// 1 to [`COUNTS_MAX`].
    pub counts: Vec<EventCount>,
}

/// Answer of `POST /internal/events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchTaken {
    /// Events counted now; 0 when the batch had come before.
    pub counted: u64,
    /// Whether the batch had come before.
    pub is_repeated: bool,
}

impl EventBatch {
    /// Adds up events of several requests, each with the moment at which it came.
    #[must_use]
    pub fn of<'a>(
        id: String,
        requests: impl IntoIterator<Item = (Timestamp, &'a [Event])>,
    ) -> Self {
        let mut sums: BTreeMap<(Day, &Event), u32> = BTreeMap::new();
        for (at, events) in requests {
            for event in events {
                let count = sums.entry((Day::of(at), event)).or_default();
                *count = count.saturating_add(1);
            }
        }
        let counts = sums.into_iter().map(|((day, event), count)| {
            let Event { name, subject } = event.clone();
            EventCount { day, name, subject, count }
        });
        Self { id, counts: counts.collect() }
    }

    /// Reads and checks the body of `POST /internal/events`.
    ///
    /// # Errors
    /// As [`read`], with its own limits.
    pub fn read(
        content_type: Option<&str>,
        body: &Bytes,
        today: Day,
    ) -> Result<Self, Box<Problem>> {
        if body.len() > BATCH_BYTES_MAX {
            return Err(Problem::of(ErrorKind::TooLarge).into());
        }
        let batch: Self = read_object(content_type, body)?;
        batch.check(today)
    }

    fn check(self, today: Day) -> Result<Self, Box<Problem>> {
        let mut problem = Problem::of(ErrorKind::InvalidInput);
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(1..=BATCH_ID_BYTES_MAX).contains(&self.id.len()) || !self.id.bytes().all(is_word) {
            problem = problem.field("/id", "invalid", "must be 1 to 64 of A-Z, a-z, 0-9, _ and -");
        }
        if !(1..=COUNTS_MAX).contains(&self.counts.len()) {
            let detail = format!("must have 1 to {COUNTS_MAX} counts");
            problem = problem.field("/counts", "invalid", detail);
        }
        // Clocks differ a little, so tomorrow may have begun elsewhere.
        let days = today.0.saturating_sub(LATE_DAYS_MAX)..=today.0.saturating_add(1);
        // The first wrong count says enough: nobody corrects a batch by hand.
        let wrong = self.counts.iter().position(|count| {
            !days.contains(&count.day.0)
                || !count.name.takes(&count.subject)
                || !(1..=COUNT_MAX).contains(&count.count)
        });
        if let Some(index) = wrong {
            let detail = "must have a day of the last 15, a subject that fits its name, and a count of 1 to 1000000";
            problem = problem.field(format!("/counts/{index}"), "invalid", detail);
        }
        if problem.errors.is_empty() { Ok(self) } else { Err(problem.into()) }
    }
}

/// Answer of `GET /internal/events?day=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCounts {
    /// Which day.
    pub day: Day,
    /// What happened how often about what, most often first; at most 1 000.
    pub counts: Vec<SubjectCount>,
}

/// How often an event happened on the day that is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectCount {
    /// What.
    pub name: EventName,
    /// About what; empty for nothing, or for what the shop does not have.
    pub subject: String,
    /// How often.
    pub count: u64,
}
