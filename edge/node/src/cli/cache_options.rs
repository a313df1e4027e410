//! Options of the cache.

use std::{path::PathBuf, time::Duration};

use cache_core::{Rules, rules::SetCookie};
use cdn::store::{DiskLimits, StoreLimits};
use clap::{Args, ValueEnum};

/// How much is cached, where, and by which rules where the RFCs leave a choice.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cache of origins' answers (RFC 9111)")]
pub(crate) struct CacheOptions {
    /// Memory for stored answers, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub(crate) cache_mib: u64,
    /// Largest body that is stored, in MiB; at most an eighth of the memory.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1 << 16))]
    pub(crate) cache_body_mib: u64,
    /// Where bodies above 64 KiB lie, in files; without it they lie in memory.
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_body_dir: Option<PathBuf>,
    /// Where stored answers lie on a disk too, so that they outlive the process; without it they do not. One process at a
    /// time.
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_disk_dir: Option<PathBuf>,
    /// Room on that disk, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 10_240, value_parser = clap::value_parser!(u64).range(1..=1 << 26))]
    pub(crate) cache_disk_mib: u64,
    /// How long 404, 405, 410, 414 and 501 are stored when the origin does not say, in milliseconds; 0: not at all.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) cache_negative_ms: u64,
    /// How long past its time an answer may stand in for a failing origin that said nothing about it, in seconds.
    #[arg(long, value_name = "S", default_value_t = 86_400)]
    pub(crate) cache_stale_if_error_s: u64,
    /// Ignore `Cache-Control` of requests, so that clients cannot pass by the cache.
    #[arg(long)]
    pub(crate) cache_ignores_requests: bool,
    /// When answers that set cookies are stored. By default `explicit` for `proxy`, as RFC 9111 has it, and `shared` for
    /// `up`.
    #[arg(long, value_enum, value_name = "WHEN")]
    pub(crate) cache_set_cookie: Option<SetCookieOption>,
    /// The cache's name in `Cache-Status`.
    #[arg(long, value_name = "NAME", default_value = "vitrine")]
    pub(crate) cache_name: String,
}

/// When answers that set cookies are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SetCookieOption {
    /// Never.
    Never,
    /// When they say that they are for everybody: `public`, `s-maxage`, or a targeted field.
    Shared,
    /// When they say how long they are fresh.
    Explicit,
}

impl CacheOptions {
    /// Returns how much is kept.
    pub(crate) fn limits(&self) -> StoreLimits {
        StoreLimits {
            bytes_max: self.cache_mib.saturating_mul(1 << 20),
            body_bytes_max: self.cache_body_mib.saturating_mul(1 << 20),
            directory: self.cache_body_dir.clone(),
            disk: self.cache_disk_dir.clone().map(|directory| DiskLimits {
                directory,
                bytes_max: self.cache_disk_mib.saturating_mul(1 << 20),
            }),
        }
    }

    /// Returns by which rules.
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            name: self.cache_name.clone(),
            negative_ttl: Some(Duration::from_millis(self.cache_negative_ms))
                .filter(|ttl| !ttl.is_zero()),
            stale_if_error_default: Duration::from_secs(self.cache_stale_if_error_s),
            set_cookie: match self.cache_set_cookie {
                Some(SetCookieOption::Never) => SetCookie::Never,
                Some(SetCookieOption::Shared) | None => SetCookie::WhenShared,
                Some(SetCookieOption::Explicit) => SetCookie::WhenExplicit,
            },
            honours_request: !self.cache_ignores_requests,
            ..Rules::default()
        }
    }
}
