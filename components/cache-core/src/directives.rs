//! What a response says about caches: `Cache-Control` (RFC 9111, section 5.2.2) or a field that is aimed at this kind
//! of cache (RFC 9213).

use http::{HeaderMap, HeaderName, header};

use crate::field;
use crate::rules::Rules;
use crate::structured::{self, Bare};

/// The directives of one response.
///
/// Of several arguments for one directive the first counts (RFC 9111, section 4.2.1). An argument of `max-age` or
/// `s-maxage` that is no number makes the response stale (same section), one of the other two makes them nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    /// Whether they come from a targeted field, so that `Cache-Control` and `Expires` do not count.
    pub(crate) is_targeted: bool,
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) immutable: bool,
    pub(crate) max_age_s: Option<u32>,
    pub(crate) s_maxage_s: Option<u32>,
    pub(crate) stale_while_revalidate_s: Option<u32>,
    pub(crate) stale_if_error_s: Option<u32>,
    /// Fields that `no-cache="…"` and `private="…"` name. They are not stored; the rest is.
    pub(crate) hidden: Vec<HeaderName>,
}

impl Directives {
    /// Reads the first targeted field that is neither empty nor mistaken, otherwise `Cache-Control`.
    pub(crate) fn of(response: &HeaderMap, rules: &Rules) -> Self {
        let targeted = rules.targeted.iter().find_map(|name| {
            structured::dictionary(response.get_all(name).iter().map(http::HeaderValue::as_bytes))
        });
        let mut directives = Self { is_targeted: targeted.is_some(), ..Self::default() };
        let Some(members) = targeted else {
            for member in field::members(response, &header::CACHE_CONTROL) {
                let (name, argument) = field::directive(member);
                let argument = argument.map(field::unquoted);
                directives.add(name, argument.and_then(field::seconds), argument);
            }
            return directives;
        };
        for (key, value) in members {
            match value {
                Bare::Boolean(false) => {}
                Bare::Boolean(true) | Bare::Other => directives.add(key, None, None),
                Bare::Integer(digits) => directives.add(key, field::seconds(digits), None),
                Bare::String(text) | Bare::Token(text) => directives.add(key, None, Some(text)),
            }
        }
        directives
    }

    fn add(&mut self, name: &[u8], seconds: Option<u32>, argument: Option<&[u8]>) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("max-age") {
            self.max_age_s = self.max_age_s.or_else(|| seconds.or(Some(0)));
        } else if is("s-maxage") {
            self.s_maxage_s = self.s_maxage_s.or_else(|| seconds.or(Some(0)));
        } else if is("stale-while-revalidate") {
            self.stale_while_revalidate_s = self.stale_while_revalidate_s.or(seconds);
        } else if is("stale-if-error") {
            self.stale_if_error_s = self.stale_if_error_s.or(seconds);
        } else if is("no-cache") {
            self.no_cache |= !self.hide(argument);
        } else if is("private") {
            self.private |= !self.hide(argument);
        } else if is("no-store") {
            self.no_store = true;
        } else if is("public") {
            self.public = true;
        } else if is("must-revalidate") {
            self.must_revalidate = true;
        } else if is("proxy-revalidate") {
            self.proxy_revalidate = true;
        } else if is("must-understand") {
            self.must_understand = true;
        } else if is("immutable") {
            self.immutable = true;
        }
    }

    /// Notes the fields that an argument names; false, and the directive is about the whole response, where it names
    /// none or anything that is no field.
    fn hide(&mut self, argument: Option<&[u8]>) -> bool {
        let mut names = Vec::new();
        for member in field::Members::of(argument.unwrap_or_default()) {
            match HeaderName::from_bytes(member) {
                Ok(name) => names.push(name),
                Err(_) => return false,
            }
        }
        let names_any = !names.is_empty();
        self.hidden.append(&mut names);
        names_any
    }

    /// Returns whether a stale response must not be used unvalidated (RFC 9111, sections 5.2.2.2, .8 and .10).
    pub(crate) fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage_s.is_some()
    }

    /// Returns whether the response says itself that a shared cache may keep it.
    pub(crate) fn is_shared(&self) -> bool {
        self.public || self.s_maxage_s.is_some() || (self.is_targeted && self.max_age_s.is_some())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::headers;

    fn check(lines: &[(&str, &str)], expected: Directives) {
        assert_eq!(Directives::of(&headers(lines), &Rules::default()), expected, "{lines:?}");
    }

    fn names(names: &[&'static str]) -> Vec<HeaderName> {
        names.iter().map(|name| HeaderName::from_static(name)).collect()
    }

    #[test]
    fn rfc9111_5_2_2_reads_directives_in_any_case_and_on_any_line() {
        check(
            &[
                ("cache-control", "No-StOrE, foobar, pUblic,,MaX-aGe=3600, must-understand"),
                ("cache-control", "s-maxage=\"60\", must-revalidate, proxy-revalidate, immutable"),
                ("cache-control", "stale-while-revalidate=1, stale-if-error=2"),
            ],
            Directives {
                no_store: true,
                public: true,
                must_revalidate: true,
                proxy_revalidate: true,
                must_understand: true,
                immutable: true,
                max_age_s: Some(3_600),
                s_maxage_s: Some(60),
                stale_while_revalidate_s: Some(1),
                stale_if_error_s: Some(2),
                ..Directives::default()
            },
        );
    }

    #[test]
    fn rfc9111_4_2_1_takes_the_first_of_several_and_bad_numbers_as_stale() {
        for (text, expected) in [
            ("max-age=3600, max-age=1", Some(3_600)),
            ("max-age=1, max-age=3600", Some(1)),
            ("max-age=\"3600\"", Some(3_600)),
            ("max-age='3600'", Some(0)),
            ("max-age=-3600", Some(0)),
            ("max-age=3600.0", Some(0)),
            ("max-age=3600a", Some(0)),
            ("max-age=a3600", Some(0)),
            ("max-age= 3600", Some(0)),
            ("max-age=", Some(0)),
            ("max-age", Some(0)),
            ("max-age =3600", None),
            ("x=\"max-age=3600\", max-age=1", Some(1)),
            ("max-age=1, x=\"max-age=3600\"", Some(1)),
            ("x=\"max-age=3600\"", None),
        ] {
            let expected = Directives { max_age_s: expected, ..Directives::default() };
            check(&[("cache-control", text)], expected);
        }
    }

    #[test]
    fn rfc9111_5_2_2_4_hides_named_fields_and_fears_what_it_cannot_read() {
        let hidden = names(&["a", "set-cookie"]);
        check(
            &[("cache-control", "no-cache=\"A, Set-Cookie\"")],
            Directives { hidden, ..Directives::default() },
        );
        let hidden = names(&["a"]);
        check(
            &[("cache-control", "private=\"a\", no-cache")],
            Directives { hidden, no_cache: true, ..Directives::default() },
        );
        for text in ["private", "private=", "private=\"\"", "private=\"a b\"", "private=\"a, b"] {
            let read = Directives::of(&headers(&[("cache-control", text)]), &Rules::default());
            assert!(read.private, "{text}");
        }
    }

    #[test]
    fn rfc9213_2_1_takes_the_first_good_targeted_field_instead_of_cache_control() {
        let targeted =
            |max_age_s| Directives { is_targeted: true, max_age_s, ..Directives::default() };
        let plain = |max_age_s| Directives { max_age_s, ..Directives::default() };
        let cc = ("cache-control", "max-age=1");
        for (lines, expected) in [
            (vec![("cdn-cache-control", "max-age=60"), cc], targeted(Some(60))),
            (vec![("cdn-cache-control", "max-age=60;x=1, max-age=30"), cc], targeted(Some(30))),
            (
                vec![
                    ("cdn-cache-control", "max-age=60"),
                    ("vitrine-cdn-cache-control", "max-age=5"),
                ],
                targeted(Some(5)),
            ),
            (
                vec![("cdn-cache-control", "max-age=60"), ("vitrine-cdn-cache-control", "max age")],
                targeted(Some(60)),
            ),
            (vec![("cdn-cache-control", "max-age=60, &"), cc], plain(Some(1))),
            (vec![("cdn-cache-control", ""), cc], plain(Some(1))),
            (vec![("cdn-cache-control", "max-age=\"60\""), cc], targeted(Some(0))),
            (vec![("cdn-cache-control", "max-age=-60"), cc], targeted(Some(0))),
            (vec![("cdn-cache-control", "foo"), cc], targeted(None)),
            (vec![("cdn-cache-control", "no-store=?0"), cc], targeted(None)),
        ] {
            check(&lines, expected);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[ -~]{0,60}") {
            for name in ["cache-control", "cdn-cache-control"] {
                let _ = Directives::of(&headers(&[(name, &text)]), &Rules::default());
            }
        }
    }
}
