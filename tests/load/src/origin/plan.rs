//! What a path asks for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Says when an answer was made, in milliseconds of Unix time.
pub(crate) const MADE_AT: &str = "x-made-at";
/// Says which version it is of.
pub(crate) const VERSION: &str = "x-version";
/// Largest body: 64 MiB.
const BYTES_MAX: usize = 64 << 20;
/// Longest wait before or within an answer: a minute.
const WAIT_MS_MAX: u64 = 60_000;
/// Most pieces of a body.
const PIECES_MAX: usize = 1000;

/// How long an answer may be kept, and how often its content changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Never changes, a day.
    Fixed,
    /// A second, then it must be asked for again, whatever happens.
    Strict,
    /// A second, then five while it is fetched anew, and thirty where no origin answers.
    Lenient,
    /// Never kept.
    Private,
}

impl Rule {
    /// All of them, by the word in the path.
    pub(crate) const ALL: [(&str, Self); 4] = [
        ("fixed", Self::Fixed),
        ("strict", Self::Strict),
        ("lenient", Self::Lenient),
        ("private", Self::Private),
    ];

    /// Its word in paths, and the tag that its answers can be purged by.
    pub(crate) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, rule)| *rule == self).map_or("none", |(name, _)| name)
    }

    /// The header that says so.
    pub(crate) const fn cache_control(self) -> &'static str {
        match self {
            Self::Fixed => "public, max-age=86400, immutable",
            Self::Strict => "public, max-age=1, must-revalidate",
            Self::Lenient => "public, max-age=1, stale-while-revalidate=5, stale-if-error=30",
            Self::Private => "no-store",
        }
    }

    /// How old an answer may be at most when a client asks for it; without an end, `None`.
    pub(crate) const fn age_max(self) -> Option<Duration> {
        match self {
            Self::Fixed => None,
            Self::Strict => Some(Duration::from_secs(1)),
            Self::Lenient => Some(Duration::from_secs(31)),
            Self::Private => Some(Duration::ZERO),
        }
    }

    /// How long a version lasts.
    const fn period_ms(self) -> Option<u64> {
        match self {
            Self::Fixed => None,
            Self::Strict | Self::Lenient | Self::Private => Some(700),
        }
    }
}

/// `/<bytes>/<rule>/<name>`, or `/<bytes>/<rule>/after/<ms>/<pieces>/<pause ms>/<name>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) bytes: usize,
    pub(crate) rule: Rule,
    /// Before the head.
    pub(crate) wait: Duration,
    pub(crate) pieces: usize,
    /// Between two pieces.
    pub(crate) pause: Duration,
}

impl Plan {
    /// Reads a path.
    pub(crate) fn read(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let bytes = parts.next()?.parse().ok().filter(|bytes| *bytes <= BYTES_MAX)?;
        let word = parts.next()?;
        let (_, rule) = Rule::ALL.into_iter().find(|(name, _)| *name == word)?;
        let mut plan = Self { bytes, rule, wait: Duration::ZERO, pieces: 1, pause: Duration::ZERO };
        if parts.next()? == "after" {
            let mut ms = || parts.next()?.parse().ok().filter(|ms| *ms <= WAIT_MS_MAX);
            let (wait, pieces, pause) = (ms()?, ms()?, ms()?);
            plan.wait = Duration::from_millis(wait);
            plan.pieces = usize::try_from(pieces).ok()?.clamp(1, PIECES_MAX);
            plan.pause = Duration::from_millis(pause);
            parts.next()?;
        }
        Some(plan)
    }

    /// All at once, as soon as possible.
    pub(crate) const fn plain(bytes: usize, rule: Rule) -> Self {
        Self { bytes, rule, wait: Duration::ZERO, pieces: 1, pause: Duration::ZERO }
    }

    /// By what it can be purged.
    pub(crate) fn tag(&self) -> &'static str {
        self.rule.word()
    }

    /// What it is, by the end of its name.
    pub(crate) fn content_type(&self, path: &str) -> &'static str {
        match path.rsplit_once('.') {
            Some((_, "glb")) => "model/gltf-binary",
            Some((_, "html")) => "text/html",
            _ => "application/octet-stream",
        }
    }
}

/// The version that was the newest at `now_ms`.
pub(crate) const fn version_at(rule: Rule, now_ms: u64) -> u64 {
    match rule.period_ms() {
        Some(period_ms) => now_ms / period_ms,
        None => 0,
    }
}

/// The clock that all processes of one machine share.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_is_answered() {
        let plan = Plan::read("/4096/fixed/page.html").unwrap();
        assert_eq!((plan.bytes, plan.rule, plan.pieces), (4096, Rule::Fixed, 1));
        assert_eq!(plan.content_type("/4096/fixed/page.html"), "text/html");
        let plan = Plan::read("/7/strict/after/300/10/20/x").unwrap();
        assert_eq!((plan.wait, plan.pieces), (Duration::from_millis(300), 10));
        assert_eq!((plan.pause, plan.tag()), (Duration::from_millis(20), "strict"));
        for path in [
            "",
            "/",
            "/x/fixed/a",
            "/1/none/a",
            "/1/fixed",
            "/1/fixed/after/1/2",
            "/999999999/fixed/a",
        ] {
            assert_eq!(Plan::read(path), None, "{path}");
        }
    }

    #[test]
    fn a_version_only_grows_and_says_how_old_it_may_be() {
        for (_, rule) in Rule::ALL {
            assert!(version_at(rule, 1_000_000) <= version_at(rule, 1_000_700));
            assert_eq!(rule.age_max().is_none(), version_at(rule, 1_000_700) == 0);
        }
    }
}
