//! What a request asks of the cache (RFC 9111, sections 4 and 5.2.1).

use http::{HeaderMap, Method};

use crate::field;
use crate::rules::Rules;

/// Whether stored answers may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// Yes: `GET` and `HEAD`.
    Allowed,
    /// No, for its method: the origin must see it. What it changes is told by [`crate::invalidation::targets`].
    Method,
    /// No, for it says `no-store`.
    NoStore,
    /// No, for it has content, of which the cache key tells nothing: who sends it could make others get the answer.
    Content,
    /// No, for its `If-Match` or `If-Unmodified-Since` is for the origin (section 4.3.2).
    Precondition,
}

/// How much staleness a request accepts (section 5.2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxStale {
    /// Any.
    Any,
    /// So many seconds past the lifetime.
    Seconds(u32),
}

/// What the cache needs to know of a request, read once. Without [`Rules::honours_request`] all directives are absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Whether stored answers may be looked at.
    pub lookup: Lookup,
    /// Whether neither request nor answer may be stored.
    pub no_store: bool,
    /// Whether only the head is wanted.
    pub is_head: bool,
    /// Whether a stored answer must be validated before it is used.
    pub no_cache: bool,
    /// Whether the origin must not be asked; where the cache has nothing, the answer is 504.
    pub only_if_cached: bool,
    /// Largest age that is accepted, in seconds.
    pub max_age_s: Option<u32>,
    /// Least lifetime that must be left, in seconds.
    pub min_fresh_s: Option<u32>,
    /// Staleness that is accepted; `None`: none.
    pub max_stale: Option<MaxStale>,
    /// Whether it has content.
    pub has_content: bool,
    /// Whether it has `Authorization`.
    pub has_authorization: bool,
    /// Whether it asks for parts of the answer (`Range`).
    pub is_range: bool,
    /// Whether it has `If-None-Match`, `If-Modified-Since` or `If-Range`.
    pub is_conditional: bool,
}

/// What to do when nothing is stored that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Ask the origin.
    Forward,
    /// Answer 504 (section 5.2.1.7).
    Unsatisfiable,
}

impl Asked {
    /// Returns what to do when nothing is stored that fits.
    #[must_use]
    pub const fn when_missing(&self) -> Missing {
        if self.only_if_cached { Missing::Unsatisfiable } else { Missing::Forward }
    }

    fn add(&mut self, member: &[u8]) {
        let (name, argument) = field::directive(member);
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let seconds = || argument.map(field::unquoted).and_then(field::seconds);
        if is("max-age") {
            // What is no number asks for a young answer in a way that nobody understands: validate.
            self.max_age_s = self.max_age_s.or_else(|| Some(seconds().unwrap_or(0)));
        } else if is("no-cache") {
            self.no_cache = true;
        } else if is("no-store") {
            self.no_store = true;
        } else if is("only-if-cached") {
            self.only_if_cached = true;
        } else if is("min-fresh") {
            self.min_fresh_s = self.min_fresh_s.or_else(seconds);
        } else if is("max-stale") {
            let accepted = match argument {
                None => Some(MaxStale::Any),
                Some(_) => seconds().map(MaxStale::Seconds),
            };
            self.max_stale = self.max_stale.or(accepted);
        }
    }
}

/// Reads a request in one pass over its fields, without allocating.
///
/// Where [`Lookup`] has several reasons, the first counts in the order method, content, `no-store`, precondition.
#[must_use]
pub fn classify(method: &Method, headers: &HeaderMap, rules: &Rules) -> Asked {
    let is_head = *method == Method::HEAD;
    let mut asked = Asked {
        lookup: Lookup::Allowed,
        no_store: false,
        is_head,
        no_cache: false,
        only_if_cached: false,
        max_age_s: None,
        min_fresh_s: None,
        max_stale: None,
        has_content: false,
        has_authorization: false,
        is_range: false,
        is_conditional: false,
    };
    let (mut has_precondition, mut has_cache_control, mut has_pragma) = (false, false, false);
    for (name, value) in headers {
        match name.as_str() {
            "cache-control" if rules.honours_request => {
                has_cache_control = true;
                field::Members::of(value.as_bytes()).for_each(|member| asked.add(member));
            }
            "pragma" => has_pragma |= value.as_bytes().eq_ignore_ascii_case(b"no-cache"),
            "content-length" => asked.has_content |= value.as_bytes() != b"0",
            "transfer-encoding" => asked.has_content = true,
            "authorization" => asked.has_authorization = true,
            "range" => asked.is_range = true,
            "if-none-match" | "if-modified-since" | "if-range" => asked.is_conditional = true,
            "if-match" | "if-unmodified-since" => has_precondition = true,
            _ => {}
        }
    }
    if rules.honours_request {
        asked.no_cache |= rules.honours_pragma && has_pragma && !has_cache_control;
    }
    asked.lookup = if !is_head && *method != Method::GET {
        Lookup::Method
    } else if asked.has_content {
        Lookup::Content
    } else if asked.no_store {
        Lookup::NoStore
    } else if has_precondition && rules.honours_request {
        Lookup::Precondition
    } else {
        Lookup::Allowed
    };
    asked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::headers;

    fn of(method: &Method, lines: &[(&str, &str)]) -> Asked {
        classify(method, &headers(lines), &Rules::default())
    }

    fn plain() -> Asked {
        of(&Method::GET, &[])
    }

    fn check(value: &str, expected: Asked) {
        assert_eq!(of(&Method::GET, &[("cache-control", value)]), expected, "{value}");
    }

    #[test]
    fn rfc9111_5_2_1_reads_directives() {
        check("nothing-to-see-here", plain());
        check("No-Cache", Asked { no_cache: true, ..plain() });
        check("no-store", Asked { lookup: Lookup::NoStore, no_store: true, ..plain() });
        check("only-if-cached", Asked { only_if_cached: true, ..plain() });
        check("max-age=0", Asked { max_age_s: Some(0), ..plain() });
        check("max-age=x", Asked { max_age_s: Some(0), ..plain() });
        check("max-age=5, max-age=6", Asked { max_age_s: Some(5), ..plain() });
        check("min-fresh=\"10\"", Asked { min_fresh_s: Some(10), ..plain() });
        check("min-fresh=x", plain());
        check("max-stale", Asked { max_stale: Some(MaxStale::Any), ..plain() });
        check("max-stale=7", Asked { max_stale: Some(MaxStale::Seconds(7)), ..plain() });
        check("max-stale=x", plain());
    }

    #[test]
    fn rfc9111_4_looks_at_stored_answers_for_get_and_head_only() {
        for (method, expected) in [
            (Method::GET, Lookup::Allowed),
            (Method::HEAD, Lookup::Allowed),
            (Method::POST, Lookup::Method),
            (Method::OPTIONS, Lookup::Method),
            (Method::from_bytes(b"M-SEARCH").unwrap(), Lookup::Method),
        ] {
            assert_eq!(of(&method, &[]).lookup, expected, "{method}");
        }
        assert!(of(&Method::HEAD, &[]).is_head);
    }

    #[test]
    fn rfc9111_4_3_2_leaves_preconditions_of_origins_to_the_origin() {
        for name in ["if-match", "if-unmodified-since"] {
            assert_eq!(of(&Method::GET, &[(name, "*")]).lookup, Lookup::Precondition, "{name}");
        }
        for name in ["if-none-match", "if-modified-since", "if-range"] {
            let expected = Asked { is_conditional: true, ..plain() };
            assert_eq!(of(&Method::GET, &[(name, "*")]), expected, "{name}");
        }
    }

    #[test]
    fn rfc9110_9_3_1_does_not_look_for_answers_to_content() {
        for line in [("content-length", "5"), ("transfer-encoding", "chunked")] {
            assert_eq!(of(&Method::GET, &[line]).lookup, Lookup::Content, "{line:?}");
        }
        assert_eq!(of(&Method::GET, &[("content-length", "0")]), plain());
    }

    #[test]
    fn notes_authorization_and_ranges() {
        let expected = Asked { has_authorization: true, is_range: true, ..plain() };
        assert_eq!(of(&Method::GET, &[("authorization", "x"), ("range", "bytes=0-1")]), expected);
    }

    #[test]
    fn rfc9111_5_4_counts_pragma_only_by_the_operators_choice_and_without_cache_control() {
        let pragma = ("pragma", "no-cache");
        assert!(!of(&Method::GET, &[pragma]).no_cache);
        let rules = Rules { honours_pragma: true, ..Rules::default() };
        let no_cache =
            |lines: &[(&str, &str)]| classify(&Method::GET, &headers(lines), &rules).no_cache;
        assert!(no_cache(&[pragma]));
        assert!(!no_cache(&[pragma, ("cache-control", "max-age=1")]));
        assert!(!no_cache(&[("pragma", "foo")]));
    }

    #[test]
    fn shoppers_cannot_pass_by_a_cache_that_does_not_honour_them() {
        let rules = Rules { honours_request: false, honours_pragma: true, ..Rules::default() };
        for line in [
            ("cache-control", "no-store, no-cache, max-age=0, only-if-cached, max-stale"),
            ("pragma", "no-cache"),
            ("if-match", "\"x\""),
        ] {
            let asked = classify(&Method::GET, &headers(&[line]), &rules);
            assert_eq!(asked, plain(), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(value in "[ -~]{0,60}") {
            let _ = of(&Method::GET, &[("cache-control", &value), ("pragma", &value)]);
        }
    }
}
