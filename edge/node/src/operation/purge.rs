//! `POST /purge`: what is to be forgotten.

use std::sync::Arc;

use api_types::problem::Problem;
use cache_core::Key;
use cdn::{
    Cache,
    store::{Purge, PurgeKind},
};
use domain::ErrorKind;
use http::{Uri, uri::Scheme};
use serde::{Deserialize, Serialize};

/// Tags and addresses of one request: 1 000. Beyond it the answer is 413; ask again with the rest.
pub(super) const ENTRIES_MAX: usize = 1000;
/// Longest tag: 256 bytes.
const TAG_BYTES_MAX: usize = 256;

/// The body of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PurgeBody {
    /// Tags, as origins send them in `Cache-Tag`.
    tags: Vec<String>,
    /// Addresses with scheme and host, as clients asked for them.
    urls: Vec<String>,
    /// Everything.
    all: bool,
    /// Whether it counts as stale instead of being gone: it may be validated, and stand in for a failing origin.
    soft: bool,
}

/// What was purged.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Purged {
    purged: Counts,
    soft: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Counts {
    tags: usize,
    urls: usize,
    all: bool,
}

impl PurgeBody {
    /// Purges all of it, or nothing if a part of it cannot be read. When it is answered, it holds over restarts, too.
    pub(super) async fn carry_out(self, cache: &Arc<Cache>) -> Result<Purged, Box<Problem>> {
        let counts = Counts { tags: self.tags.len(), urls: self.urls.len(), all: self.all };
        let soft = self.soft;
        let (purges, cache) = (self.purges()?, Arc::clone(cache));
        // It waits for a disk.
        let purged = tokio::task::spawn_blocking(move || cache.purge(&purges)).await;
        match purged {
            Ok(Ok(())) => Ok(Purged { purged: counts, soft }),
            Ok(Err(lost)) => {
                tracing::error!("{:#}", anyhow::Error::from(lost));
                let said = "it holds until this node is restarted, but could not be written down";
                Err(Problem::of(ErrorKind::Internal).detail(said).into())
            }
            Err(error) => {
                tracing::error!("cache not purged: {error}");
                Err(Problem::of(ErrorKind::Internal).into())
            }
        }
    }

    fn purges(self) -> Result<Vec<Purge>, Box<Problem>> {
        if self.tags.len().saturating_add(self.urls.len()) > ENTRIES_MAX {
            let said = format!("at most {ENTRIES_MAX} tags and addresses at once");
            return Err(Problem::of(ErrorKind::TooLarge).detail(said).into());
        }
        let kind = if self.soft { PurgeKind::Soft } else { PurgeKind::Hard };
        let mut problem = Problem::of(ErrorKind::InvalidInput);
        let mut purges = Vec::new();
        if self.all {
            purges.push(Purge::All(kind));
        }
        for (at, tag) in self.tags.into_iter().enumerate() {
            if is_tag(&tag) {
                purges.push(Purge::Tag(tag, kind));
            } else {
                problem = problem.field(format!("/tags/{at}"), "tag", "this is no tag");
            }
        }
        for (at, url) in self.urls.iter().enumerate() {
            match key(url) {
                Some(key) => purges.push(Purge::Address(key, kind)),
                None => {
                    let said = "an address is `http(s)://host[:port]/path[?query]`";
                    problem = problem.field(format!("/urls/{at}"), "url", said);
                }
            }
        }
        if !problem.errors.is_empty() {
            return Err(problem.into());
        }
        if purges.is_empty() {
            let said = "name `tags` or `urls`, or say `all`";
            return Err(problem.detail(said).into());
        }
        Ok(purges)
    }
}

/// What may stand between the spaces of a `Cache-Tag`.
fn is_tag(tag: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    !tag.is_empty() && tag.len() <= TAG_BYTES_MAX && tag.bytes().all(is_good)
}

/// Returns the name under which the proxy keeps answers for an address.
fn key(url: &str) -> Option<Key> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme().filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme))?;
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    Some(Key::of(scheme.as_str(), authority.as_str(), target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<Purge>, Box<Problem>> {
        serde_json::from_str::<PurgeBody>(json).expect("is a body").purges()
    }

    #[test]
    fn reads_tags_addresses_and_everything() {
        let (soft, hard) = (PurgeKind::Soft, PurgeKind::Hard);
        assert_eq!(
            read(r#"{"tags":["sku-1","shop"],"soft":true}"#),
            Ok(vec![Purge::Tag("sku-1".into(), soft), Purge::Tag("shop".into(), soft)])
        );
        assert_eq!(
            read(r#"{"urls":["HTTPS://Shop.Example:443/a?b=%2f"],"all":true}"#),
            Ok(vec![
                Purge::All(hard),
                Purge::Address(Key::of("https", "shop.example", "/a?b=%2F"), hard)
            ])
        );
    }

    #[test]
    fn names_every_entry_that_is_none() {
        let problem = read(
            r#"{"tags":["good","","two words"],"urls":["/a","ftp://a/","http://u@a/","http://a"]}"#,
        );
        let problem = problem.expect_err("is refused");
        let pointers: Vec<&str> = problem.errors.iter().map(|one| one.pointer.as_str()).collect();
        assert_eq!(pointers, ["/tags/1", "/tags/2", "/urls/0", "/urls/1", "/urls/2"]);
        assert_eq!(problem.status, 422);
    }

    #[test]
    fn refuses_nothing_at_all_and_too_much() {
        assert_eq!(read("{}").expect_err("is refused").status, 422);
        let tags = vec!["t"; ENTRIES_MAX + 1];
        let body = serde_json::json!({ "tags": tags }).to_string();
        assert_eq!(read(&body).expect_err("is refused").status, 413);
        assert!(serde_json::from_str::<PurgeBody>(r#"{"tag":["a"]}"#).is_err());
    }
}
