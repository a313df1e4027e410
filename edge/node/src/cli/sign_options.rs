//! `sign`: which path, by which key, and until when.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use domain::Timestamp;

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The key's name in the route's `signed_by`: letters, digits, `-` and `_`.
    #[arg(long, value_name = "ID")]
    pub(crate) key_id: String,
    /// A file with the key; a line break at its end is not part of it. Without this option the key is taken from the
    /// environment, `VITRINE_SIGNING_KEY`.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// How long the path is good, such as `90s`, `30m`, `12h` or `7d`, or until when: `2026-12-24T18:00:00Z`.
    #[arg(long, value_name = "WHEN", value_parser = expiry)]
    pub(crate) expires: Expiry,
    /// The path below the route, as in an address: `/chair.glb`, percent-encoded.
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
}

/// When a path ends to be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// So long after it was signed.
    After(Duration),
    /// At a moment.
    At(Timestamp),
}

fn expiry(text: &str) -> Result<Expiry, &'static str> {
    const SHAPES: &str =
        "a length such as `90s`, `30m`, `12h`, `7d`, or a moment such as `2026-12-24T18:00:00Z`";
    if let Some(moment) = Timestamp::parse(text) {
        return Ok(Expiry::At(moment));
    }
    let seconds = match text.chars().next_back() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 60 * 60,
        Some('d') => 24 * 60 * 60,
        _ => return Err(SHAPES),
    };
    let count = text.get(..text.len() - 1).unwrap_or_default();
    let count: u64 = count.parse().map_err(|_no_number| SHAPES)?;
    count.checked_mul(seconds).map(|s| Expiry::After(Duration::from_secs(s))).ok_or(SHAPES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lengths_and_moments_and_nothing_else() {
        let after = |seconds| Ok(Expiry::After(Duration::from_secs(seconds)));
        for (text, expected) in [
            ("90s", after(90)),
            ("30m", after(1_800)),
            ("12h", after(43_200)),
            ("7d", after(604_800)),
        ] {
            assert_eq!(expiry(text), expected, "{text}");
        }
        let moment = Timestamp::parse("2026-12-24T18:00:00Z").expect("is one");
        assert_eq!(expiry("2026-12-24T18:00:00Z"), Ok(Expiry::At(moment)));
        for text in
            ["", "s", "1", "1.5h", "-1h", "1 h", "1w", "ä", "tomorrow", "99999999999999999d"]
        {
            assert!(expiry(text).is_err(), "{text}");
        }
    }
}
