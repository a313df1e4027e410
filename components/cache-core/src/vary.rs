//! Which of several answers for one address fits a request: `Vary` (RFC 9111, section 4.1).

use http::{HeaderMap, HeaderName, header};

use crate::field::{self, Members};

/// Most fields that a `Vary` may name: 16. An answer that depends on more is as good as never used again.
pub const FIELDS_MAX: usize = 16;
/// Most bytes of names and values that are kept: 4 KiB, half of the largest cookie and more than any `User-Agent`.
pub const BYTES_MAX: usize = 4_096;
/// Longest line that is kept as it was sent: 256 bytes, which hold what browsers accept.
pub(crate) const SENT_BYTES_MAX: usize = 256;
/// Most members of a list of preferences that are compared one with another; longer ones are put in order first.
const PREFERENCES_MAX: usize = 32;

/// What the fields were, in the request that an answer was for, that its `Vary` names: the secondary key.
///
/// Values are kept in one form, so that equal keys mean the same: lines joined, white space around commas removed; in
/// `Accept-Encoding` and `Accept-Language` also case, white space, order and `q=1`, which have no meaning there
/// (RFC 9110, sections 12.4.2, 12.5.3 and 12.5.4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct VaryKey(Vec<Selecting>);

/// A field that selects, and its value in one form, if it was there.
#[derive(Debug, Clone)]
pub(crate) struct Selecting {
    pub(crate) name: HeaderName,
    pub(crate) value: Option<Box<[u8]>>,
    /// The value as it was sent, where that is one short line in another form: the next request of the same browser
    /// has the same, and comparing the forms took ten times as long as all the rest of a hit's decision.
    pub(crate) sent: Option<Box<[u8]>>,
}

impl PartialEq for Selecting {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.value == other.value
    }
}

impl Eq for Selecting {}

impl core::hash::Hash for Selecting {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.value.hash(state);
    }
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoKey {
    /// The answer depends on what no field tells: `*`, or a name that is none.
    Any,
    /// There is more of it than [`FIELDS_MAX`] and [`BYTES_MAX`] allow.
    TooLarge,
}

impl VaryKey {
    /// Makes the key of a response's `Vary`, on all its lines, and the request that it answers.
    ///
    /// # Errors
    /// When no request can be known to fit, or remembering it costs too much.
    pub fn of(response: &HeaderMap, request: &HeaderMap) -> Result<Self, NoKey> {
        let mut names: Vec<HeaderName> = Vec::new();
        for member in field::members(response, &header::VARY) {
            // `*` is a name by the grammar of names.
            let name = HeaderName::from_bytes(member).ok().filter(|name| name.as_str() != "*");
            let name = name.ok_or(NoKey::Any)?;
            if names.contains(&name) {
                continue;
            }
            if names.len() >= FIELDS_MAX {
                return Err(NoKey::TooLarge);
            }
            names.push(name);
        }
        names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        let key = Self(names.into_iter().map(|name| Selecting::of(name, request)).collect());
        if key.size() > BYTES_MAX { Err(NoKey::TooLarge) } else { Ok(key) }
    }

    /// Returns whether the answer depends on no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a request's fields are those of the key. Allocates only for preferences in unusual numbers.
    #[must_use]
    pub fn matches(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|selecting| selecting.matches(request))
    }

    /// Returns the names of the fields and their values in one form, ordered by name.
    pub fn fields(&self) -> impl Iterator<Item = (&HeaderName, Option<&[u8]>)> {
        self.0.iter().map(|selecting| (&selecting.name, selecting.value.as_deref()))
    }

    /// Returns the parts, for encoding.
    pub(crate) fn parts(&self) -> &[Selecting] {
        &self.0
    }

    /// Puts together what [`VaryKey::parts`] gave.
    pub(crate) fn from_parts(parts: Vec<Selecting>) -> Self {
        Self(parts)
    }

    fn size(&self) -> usize {
        self.fields().fold(0, |sum, (name, value)| {
            sum.saturating_add(name.as_str().len()).saturating_add(value.map_or(0, <[u8]>::len))
        })
    }
}

impl Selecting {
    fn of(name: HeaderName, request: &HeaderMap) -> Self {
        let value = in_one_form(&name, request);
        let mut lines = request.get_all(&name).iter();
        let sent = match (lines.next(), lines.next()) {
            (Some(line), None) if line.len() <= SENT_BYTES_MAX => Some(line.as_bytes()),
            _ => None,
        };
        let sent = sent.filter(|sent| value.as_deref() != Some(*sent)).map(Into::into);
        Self { name, value, sent }
    }

    fn matches(&self, request: &HeaderMap) -> bool {
        let mut lines = request.get_all(&self.name).iter();
        let (Some(value), Some(first)) = (self.value.as_deref(), lines.next()) else {
            return self.value.is_none() && !request.contains_key(&self.name);
        };
        let is_as_before = |known: &[u8]| first.as_bytes() == known;
        if lines.next().is_none()
            && (is_as_before(value) || self.sent.as_deref().is_some_and(is_as_before))
        {
            return true;
        }
        let sent = || field::members(request, &self.name);
        if !is_preference(&self.name) {
            return sent().eq(Members::of(value));
        }
        let sent_count = sent().take(PREFERENCES_MAX.saturating_add(1)).count();
        if sent_count > PREFERENCES_MAX {
            return in_one_form(&self.name, request).as_deref() == Some(value);
        }
        // What is kept has each preference once, so it cannot have more of them.
        Members::of(value).nth(sent_count).is_none()
            && sent().all(|one| Members::of(value).any(|other| are_same_preference(one, other)))
            && Members::of(value).all(|one| sent().any(|other| are_same_preference(one, other)))
    }
}

fn is_preference(name: &HeaderName) -> bool {
    *name == header::ACCEPT_LANGUAGE || *name == header::ACCEPT_ENCODING
}

fn in_one_form(name: &HeaderName, request: &HeaderMap) -> Option<Box<[u8]>> {
    request.contains_key(name).then_some(())?;
    let members = field::members(request, name);
    let joined = if is_preference(name) {
        let mut members: Vec<Vec<u8>> =
            members.map(|member| plain_preference(member).collect()).collect();
        members.sort_unstable();
        members.dedup();
        members.join(&b',')
    } else {
        members.collect::<Vec<_>>().join(&b',')
    };
    Some(joined.into_boxed_slice())
}

fn are_same_preference(one: &[u8], other: &[u8]) -> bool {
    plain_preference(one).eq(plain_preference(other))
}

/// A preference in lower case, without white space and without the weight that it has anyway.
fn plain_preference(member: &[u8]) -> impl Iterator<Item = u8> {
    let member = match member.iter().rposition(|byte| *byte == b';') {
        Some(at) if is_full_weight(member.get(at..).unwrap_or_default()) => {
            member.get(..at).unwrap_or(member)
        }
        _ => member,
    };
    member.iter().filter(|byte| !byte.is_ascii_whitespace()).map(u8::to_ascii_lowercase)
}

/// Whether this is `;q=1` or `;q=1.000`.
fn is_full_weight(parameter: &[u8]) -> bool {
    let mut bytes = parameter.iter().filter(|byte| !byte.is_ascii_whitespace());
    let is_one = b";q=1"
        .iter()
        .all(|expected| bytes.next().is_some_and(|byte| byte.eq_ignore_ascii_case(expected)));
    is_one && bytes.next().is_none_or(|byte| *byte == b'.') && bytes.all(|byte| *byte == b'0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::headers;

    fn check(vary: &[&str], stored: &[(&str, &str)], asked: &[(&str, &str)], expected: bool) {
        let vary: Vec<_> = vary.iter().map(|value| ("vary", *value)).collect();
        let response = headers(&vary);
        let key = VaryKey::of(&response, &headers(stored)).unwrap();
        assert_eq!(key.matches(&headers(asked)), expected, "{vary:?} {stored:?} {asked:?}");
        let other = VaryKey::of(&response, &headers(asked)).unwrap();
        assert_eq!(key == other, expected, "as keys: {vary:?} {stored:?} {asked:?}");
    }

    #[test]
    fn rfc9111_4_1_matches_when_all_named_fields_do() {
        let (one, two) = (("foo", "1"), ("foo", "2"));
        let (bar, baz) = (("bar", "abc"), ("baz", "789"));
        check(&[], &[one], &[two], true);
        check(&["Foo"], &[one], &[one], true);
        check(&["Foo"], &[one], &[two], false);
        check(&["Foo"], &[one], &[], false);
        check(&["Foo"], &[], &[one], false);
        check(&["Foo"], &[("foo", "")], &[], false);
        check(&["Foo"], &[one, ("other", "2")], &[one, ("other", "3")], true);
        check(&["Foo, Bar"], &[one, bar], &[one, bar], true);
        check(&["Foo", "BAR, foo"], &[one, bar], &[two, bar], false);
        check(&["Foo", "Bar"], &[one], &[one, bar], false);
        check(&["Foo, Bar, Baz"], &[one, baz], &[baz, one], true);
        check(&["Foo, Bar, Baz"], &[one, bar, baz], &[one, ("bar", "abcd"), baz], false);
    }

    #[test]
    fn rfc9111_4_1_joins_lines_and_removes_white_space() {
        check(&["Foo"], &[("foo", "1, 2")], &[("foo", "1"), ("foo", "2")], true);
        check(&["Foo"], &[("foo", "1,2")], &[("foo", " 1,  2 ")], true);
        check(&["Foo"], &[("foo", "1,2")], &[("foo", "2,1")], false);
        check(&["Foo"], &[("foo", "a")], &[("foo", "A")], false);
        check(&["Foo"], &[("foo", "a b")], &[("foo", "ab")], false);
        check(&["Foo"], &[("foo", "\"a, b\"")], &[("foo", "\"a,b\"")], false);
    }

    #[test]
    fn rfc9110_12_5_ignores_case_order_space_and_full_weight_of_preferences() {
        for name in ["accept-language", "accept-encoding"] {
            let same = |one, other| check(&[name], &[(name, one)], &[(name, other)], true);
            same("en, de", "de, en");
            same("en, de", "eN, De");
            same("en, de", "  en  ,   de");
            same("en, de;q=0.5", "de ; Q=0.5,en;q=1");
            same("en;q=1.000", "en");
            check(&[name], &[(name, "en, de")], &[(name, "en"), (name, "de")], true);
            check(&[name], &[(name, "en, de")], &[(name, "en")], false);
            check(&[name], &[(name, "en")], &[(name, "en, de")], false);
            check(&[name], &[(name, "en;q=0.5")], &[(name, "en")], false);
            check(&[name], &[(name, "en;q=1.01")], &[(name, "en")], false);
            check(&[name], &[(name, "")], &[], false);
        }
        let many: Vec<_> = (10..60).map(|number| format!("x{number}")).collect();
        let back: Vec<_> = many.iter().rev().cloned().collect();
        let name = "accept-language";
        check(&[name], &[(name, &many.join(","))], &[(name, &back.join(", "))], true);
    }

    #[test]
    fn rfc9110_12_5_5_nothing_matches_a_star() {
        for lines in [
            vec!["*"],
            vec!["*, *"],
            vec!["*", "*"],
            vec![", *"],
            vec!["", "*"],
            vec!["*, Foo"],
            vec!["Foo, *"],
            vec!["a b"],
        ] {
            let lines: Vec<_> = lines.into_iter().map(|value| ("vary", value)).collect();
            let key = VaryKey::of(&headers(&lines), &headers(&[("foo", "1")]));
            assert_eq!(key, Err(NoKey::Any), "{lines:?}");
        }
    }

    #[test]
    fn refuses_more_than_it_may_keep() {
        let many: Vec<_> = (0..=FIELDS_MAX).map(|number| format!("x{number}")).collect();
        let response = headers(&[("vary", &many.join(","))]);
        assert_eq!(VaryKey::of(&response, &HeaderMap::new()), Err(NoKey::TooLarge));
        let long = "x".repeat(BYTES_MAX);
        let request = headers(&[("cookie", &long)]);
        assert_eq!(VaryKey::of(&headers(&[("vary", "Cookie")]), &request), Err(NoKey::TooLarge));
    }

    proptest! {
        #[test]
        fn a_request_matches_its_own_key_and_matching_means_equal_keys(
            one in "[aAbB;q=01., ]{0,16}",
            other in "[aAbB;q=01., ]{0,16}",
        ) {
            for name in ["accept-language", "foo"] {
                let response = headers(&[("vary", name)]);
                let (one, other) = (headers(&[(name, one.as_str())]), headers(&[(name, other.as_str())]));
                let key = VaryKey::of(&response, &one).unwrap();
                prop_assert!(key.matches(&one));
                prop_assert_eq!(key.matches(&other), key == VaryKey::of(&response, &other).unwrap());
            }
        }
    }
}
