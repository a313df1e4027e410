//! What an operator may choose where the RFCs leave a choice.

use core::time::Duration;

use http::HeaderName;

const DAY: Duration = Duration::from_secs(86_400);

/// When an answer that sets a cookie may be stored. RFC 9111, section 7.3, leaves it to the origin's directives;
/// origins forget them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetCookie {
    /// Never.
    Never,
    /// When it says that it is for everybody: `public`, `s-maxage`, or a targeted field (RFC 9213).
    WhenShared,
    /// When it says how long it is fresh, as the RFC has it. A `max-age` that was meant for browsers then hands one
    /// shopper's cookie to others.
    WhenExplicit,
}

/// The choices of one cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The cache's name in `Cache-Status` (RFC 9211), a token or any other ASCII text. Default `vitrine`.
    pub name: String,
    /// Fields that count before `Cache-Control` (RFC 9213), the most specific first. Default
    /// `vitrine-cdn-cache-control`, `cdn-cache-control`.
    pub targeted: Vec<HeaderName>,
    /// How much of the time since `Last-Modified` an answer without explicit lifetime counts as fresh, in percent
    /// (RFC 9111, section 4.2.2). Default 10; 0 turns it off. More than 100 counts as 100.
    pub heuristic_percent: u32,
    /// Longest such lifetime. Default one day, beyond which RFC 7234 demanded a warning.
    pub heuristic_max: Duration,
    /// How long 404, 405, 410, 414 and 501 count as fresh when nothing else tells. Default `None`: not at all.
    pub negative_ttl: Option<Duration>,
    /// Longest lifetime that is believed, whatever the origin says. Default 365 days. Lowering it makes answers be
    /// validated more often; `Age` is not touched.
    pub lifetime_max: Duration,
    /// How long past its lifetime an answer may be used when the origin fails and said nothing about it
    /// (RFC 9111, section 4.2.4; RFC 5861, section 4). Default one day; zero turns it off. Answers of status 500 and
    /// above are left out.
    pub stale_if_error_default: Duration,
    /// Whether requests' `Cache-Control` counts. Default true. Without, shoppers cannot pass by the cache, and
    /// `If-Match` and `If-Unmodified-Since` are ignored, as a cache may (RFC 9110, section 13.1.1).
    pub honours_request: bool,
    /// Whether a request's `Pragma: no-cache` counts where it has no `Cache-Control`. Default false: RFC 9111,
    /// section 5.4, deprecates it.
    pub honours_pragma: bool,
    /// When answers that set cookies are stored. Default [`SetCookie::WhenShared`].
    pub set_cookie: SetCookie,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            name: "vitrine".to_owned(),
            targeted: vec![
                HeaderName::from_static("vitrine-cdn-cache-control"),
                HeaderName::from_static("cdn-cache-control"),
            ],
            heuristic_percent: 10,
            heuristic_max: DAY,
            negative_ttl: None,
            lifetime_max: DAY.saturating_mul(365),
            stale_if_error_default: DAY,
            honours_request: true,
            honours_pragma: false,
            set_cookie: SetCookie::WhenShared,
        }
    }
}
