//! What every route asks of its callers: one table.

use core::time::Duration;

use api_types::{REQUEST_BYTES_MAX, events};
use http::Method;

use crate::path::{self, PathError};

#[cfg(test)]
mod tests;

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Nobody looks at tokens.
    None,
    /// A token is checked if there is one; a bad one is refused.
    Optional,
    /// An account's token is demanded.
    Required,
}

/// Which browsers on other sites may read the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cors {
    /// None.
    Never,
    /// Those of the variable `cors_origins`.
    Listed,
    /// All: models and pictures may be shown anywhere.
    Everybody,
}

/// What happens when counters cannot be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Requests pass uncounted: a shop that can be read matters more.
    Open,
    /// Requests are refused with 503: a login that cannot be limited can be guessed.
    Closed,
}

/// Requests per window, per client and per account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Name, as the `RateLimit` headers say it.
    pub name: &'static str,
    /// Requests per [`WINDOW`], before `rate_limit_scale`.
    pub requests_max: u32,
    /// What happens when it cannot be counted.
    pub on_failure: OnFailure,
}

/// Length of every window: one minute.
pub const WINDOW: Duration = Duration::from_secs(60);

/// 20 reads a second: a whole office behind one address, browsing.
const READ: Quota = Quota { name: "read", requests_max: 1_200, on_failure: OnFailure::Open };
/// Searches cost the most of all reads.
const SEARCH: Quota = Quota { name: "search", requests_max: 600, on_failure: OnFailure::Open };
/// 10 changes a second: carts are changed in bursts, and many shoppers may share an address. Stock is guarded by
/// reservations, not by this.
const WRITE: Quota = Quota { name: "write", requests_max: 600, on_failure: OnFailure::Open };
/// What costs the origin an argon2id, and what a guesser would repeat.
const LOGIN: Quota = Quota { name: "login", requests_max: 10, on_failure: OnFailure::Closed };
/// Every tab refreshes its token now and then.
const REFRESH: Quota = Quota { name: "refresh", requests_max: 30, on_failure: OnFailure::Closed };
/// 5 reports a second, of up to 20 events each. A quota of its own: counting must not cost anybody a cart.
const EVENTS: Quota = Quota { name: "events", requests_max: 300, on_failure: OnFailure::Open };
/// 10 looks a second: a whole office behind one address, waiting for the same sale.
const WAITING: Quota =
    Quota { name: "waiting-room", requests_max: 600, on_failure: OnFailure::Open };
/// Each makes a room or opens a socket, both of which stay. What is said over a socket is limited there.
const CHAT: Quota = Quota { name: "chat", requests_max: 60, on_failure: OnFailure::Open };

/// Largest body of a login: 8 KiB.
const LOGIN_BYTES_MAX: usize = 8 * 1_024;
/// Largest body of a request for a chat room, which says nothing: 1 KiB.
const CHAT_BYTES_MAX: usize = 1_024;

/// Where a request of the class is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Pages of the shop.
    Page,
    /// The shop's own scripts and styles.
    Asset,
    /// Models and pictures.
    Media,
    /// The API, from the edge's copy.
    Edge,
    /// The API, from the origin: gets a signed identity.
    Origin,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// `*` is one segment, `...` any number of them.
    pub pattern: &'static str,
    /// Methods that the row is for.
    pub methods: Methods,
    /// Where it is answered.
    pub class: Class,
    /// Who may call.
    pub auth: Auth,
    /// How often; `None` is unlimited (static files, which any cache answers).
    pub quota: Option<Quota>,
    /// Largest request body in bytes.
    pub body_bytes_max: usize,
    /// Which other sites may read it.
    pub cors: Cors,
}

/// A set of methods. OPTIONS is answered for every path and never listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Methods {
    /// GET and HEAD.
    Read,
    /// POST.
    Post,
    /// POST, PUT, PATCH and DELETE.
    Write,
}

impl Methods {
    /// Returns the methods.
    #[must_use]
    pub const fn list(self) -> &'static [Method] {
        match self {
            Self::Read => &[Method::GET, Method::HEAD],
            Self::Post => &[Method::POST],
            Self::Write => &[Method::POST, Method::PUT, Method::PATCH, Method::DELETE],
        }
    }
}

const fn files(pattern: &'static str, class: Class, cors: Cors) -> Policy {
    let (methods, auth) = (Methods::Read, Auth::None);
    Policy { pattern, methods, class, auth, quota: None, body_bytes_max: 0, cors }
}

const fn edge(pattern: &'static str, quota: Quota) -> Policy {
    let (methods, class, auth) = (Methods::Read, Class::Edge, Auth::None);
    Policy {
        pattern,
        methods,
        class,
        auth,
        quota: Some(quota),
        body_bytes_max: 0,
        cors: Cors::Listed,
    }
}

const fn origin(
    pattern: &'static str,
    methods: Methods,
    auth: Auth,
    quota: Quota,
    body_bytes_max: usize,
) -> Policy {
    let (class, cors) = (Class::Origin, Cors::Listed);
    Policy { pattern, methods, class, auth, quota: Some(quota), body_bytes_max, cors }
}

/// The first row whose pattern and method fit decides. Rows with the same pattern stand together.
pub const TABLE: &[Policy] = &[
    edge("/v1/products/...", READ),
    edge("/v1/categories", READ),
    edge("/v1/search", SEARCH),
    edge("/v1/ar/...", READ),
    origin("/.well-known/jwks.json", Methods::Read, Auth::None, READ, 0),
    origin("/openapi.json", Methods::Read, Auth::None, READ, 0),
    origin("/v1/auth/login", Methods::Post, Auth::None, LOGIN, LOGIN_BYTES_MAX),
    origin("/v1/auth/register", Methods::Post, Auth::None, LOGIN, LOGIN_BYTES_MAX),
    origin("/v1/auth/refresh", Methods::Post, Auth::None, REFRESH, LOGIN_BYTES_MAX),
    // Logging out must work with a token that has just run out: the refresh token in the body decides.
    origin("/v1/auth/logout", Methods::Post, Auth::None, REFRESH, LOGIN_BYTES_MAX),
    // Nobody in particular: what was looked at is counted, not who looked.
    origin("/v1/events", Methods::Post, Auth::None, EVENTS, events::BODY_BYTES_MAX),
    // The Worker answers these three itself; other hosts ask the origin, which has none of them.
    origin("/v1/waiting-room", Methods::Read, Auth::None, WAITING, 0),
    origin("/v1/chat/rooms", Methods::Post, Auth::None, CHAT, CHAT_BYTES_MAX),
    origin("/v1/chat/rooms/*", Methods::Read, Auth::None, CHAT, 0),
    origin("/v1/me/...", Methods::Read, Auth::Required, READ, 0),
    origin("/v1/me/...", Methods::Write, Auth::Required, WRITE, REQUEST_BYTES_MAX),
    origin("/v1/orders", Methods::Read, Auth::Required, READ, 0),
    origin("/v1/...", Methods::Read, Auth::Optional, READ, 0),
    origin("/v1/...", Methods::Write, Auth::Optional, WRITE, REQUEST_BYTES_MAX),
    // Accounts with roles, and keys that the origin alone can check.
    origin("/admin/v1/...", Methods::Read, Auth::Optional, READ, 0),
    origin("/admin/v1/...", Methods::Write, Auth::Optional, WRITE, REQUEST_BYTES_MAX),
    files("/assets/...", Class::Asset, Cors::Never),
    files("/m/...", Class::Media, Cors::Everybody),
    files("/...", Class::Page, Cors::Never),
];

/// What the table says about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Rows for the path, one per set of methods; never empty.
    rows: &'static [Policy],
}

impl Match {
    /// Returns the row for a method.
    #[must_use]
    pub fn policy(&self, method: &Method) -> Option<&'static Policy> {
        self.rows.iter().find(|row| row.methods.list().contains(method))
    }

    /// Returns every method that the path answers, OPTIONS last.
    #[must_use]
    pub fn allowed(&self) -> String {
        let methods = self.rows.iter().flat_map(|row| row.methods.list());
        let names: Vec<&str> =
            methods.chain(core::iter::once(&Method::OPTIONS)).map(Method::as_str).collect();
        names.join(", ")
    }

    /// Returns which other sites may read the path.
    #[must_use]
    pub fn cors(&self) -> Cors {
        self.rows.first().map_or(Cors::Never, |row| row.cors)
    }

    fn pattern(&self) -> Option<&'static str> {
        self.rows.first().map(|row| row.pattern)
    }
}

/// Finds the rows of a path.
///
/// # Errors
/// When the path has no single reading. That includes a path that routers, which see it undecoded, would send
/// elsewhere than this table thinks.
pub fn find(raw_path: &str) -> Result<Match, PathError> {
    let normal_path = path::normalise(raw_path)?;
    let normal_path = trim(normal_path.as_bytes());
    let normal = rows(normal_path);
    // The router trims slashes at both ends and decodes nothing.
    let routed_path = trim(raw_path.as_bytes());
    if normal_path == routed_path {
        return Ok(normal);
    }
    let routed = rows(routed_path);
    if normal.pattern() == routed.pattern() { Ok(normal) } else { Err(PathError::Ambiguous) }
}

/// Takes the slashes off both ends.
const fn trim(mut path: &[u8]) -> &[u8] {
    while let [b'/', rest @ ..] | [rest @ .., b'/'] = path {
        path = rest;
    }
    path
}

/// Finds the rows of a path without its outer slashes.
fn rows(path: &[u8]) -> Match {
    // The last row fits every path.
    let mut rows = TABLE;
    while let [first, rest @ ..] = rows
        && !rest.is_empty()
        && !matches(first.pattern, path)
    {
        rows = rest;
    }
    let pattern = rows.first().map(|row| row.pattern);
    let count = rows.iter().take_while(|row| Some(row.pattern) == pattern).count();
    Match { rows: rows.get(..count).unwrap_or(rows) }
}

fn matches(pattern: &str, path: &[u8]) -> bool {
    let pattern = trim(pattern.as_bytes());
    // Most rows are told by their first letter.
    if let [first, ..] = pattern
        && !matches!(first, b'*' | b'.')
        && path.first() != Some(first)
    {
        return false;
    }
    let mut segments = path.split(|byte| *byte == b'/');
    for part in pattern.split(|byte| *byte == b'/') {
        if part == b"..." {
            return true;
        }
        match segments.next() {
            Some(segment) if part == b"*" || part == segment => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}
