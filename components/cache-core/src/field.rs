//! Parts of field values: members of lists, directives, seconds (RFC 9110, section 5.6; RFC 9111, section 1.2.2).

use http::{HeaderMap, HeaderName};

/// What a number of seconds too large to be counted becomes (RFC 9111, section 1.2.2): 2³¹, 68 years.
pub(crate) const SECONDS_MAX: u32 = 2_147_483_648;

/// The members of a comma-separated list, without white space around them and without empty ones.
///
/// Commas in quoted strings do not count. Where a quote is never closed, quotes are characters like others from there
/// on: otherwise one stray quote would hide a `no-store` behind it. Takes time in proportion to the list's length.
#[derive(Debug, Clone)]
pub(crate) struct Members<'a> {
    rest: &'a [u8],
    knows_quotes: bool,
}

impl<'a> Members<'a> {
    pub(crate) fn of(value: &'a [u8]) -> Self {
        Self { rest: value, knows_quotes: true }
    }

    fn split(&mut self) -> &'a [u8] {
        let comma = self.rest.iter().position(|byte| *byte == b',');
        let before = self.rest.get(..comma.unwrap_or(self.rest.len())).unwrap_or_default();
        let mut end = comma;
        if self.knows_quotes && before.contains(&b'"') {
            let outside = unquoted_comma(self.rest);
            self.knows_quotes = outside.is_some();
            end = outside.or(comma);
        }
        let (member, rest) =
            end.and_then(|end| self.rest.split_at_checked(end)).unwrap_or((self.rest, &[]));
        self.rest = rest.get(1..).unwrap_or_default();
        member
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let member = self.split().trim_ascii();
            if !member.is_empty() {
                return Some(member);
            }
        }
        None
    }
}

/// Where the first comma outside of quotes is, at the latest the end; `None` when a quote stays open.
fn unquoted_comma(text: &[u8]) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => return Some(at),
            _ => {}
        }
    }
    (!is_quoted).then_some(text.len())
}

/// The members of all lines of a field, in order.
pub(crate) fn members<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    headers.get_all(name).iter().flat_map(|line| Members::of(line.as_bytes()))
}

/// A directive: its name in any case, and its argument as it stands.
///
/// White space around `=` is not trimmed: `max-age =1` is a directive that nobody knows, and ` 1` is no number.
pub(crate) fn directive(member: &[u8]) -> (&[u8], Option<&[u8]>) {
    match member.iter().position(|byte| *byte == b'=').and_then(|at| member.split_at_checked(at)) {
        Some((name, argument)) => (name, argument.get(1..)),
        None => (member, None),
    }
}

/// An argument without its quotes, if it has any.
pub(crate) fn unquoted(argument: &[u8]) -> &[u8] {
    match argument {
        [b'"', inner @ .., b'"'] => inner,
        _ => argument,
    }
}

/// Reads `delta-seconds`: digits and nothing else. More than can be counted is [`SECONDS_MAX`].
pub(crate) fn seconds(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: Option<u64> = core::str::from_utf8(text).ok()?.parse().ok();
    let number = number.and_then(|number| u32::try_from(number).ok()).unwrap_or(SECONDS_MAX);
    Some(number.min(SECONDS_MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(list: &str, expected: &[&str]) {
        let members: Vec<_> =
            Members::of(list.as_bytes()).map(|member| str::from_utf8(member).unwrap()).collect();
        assert_eq!(members, expected, "{list}");
    }

    #[test]
    fn rfc9110_5_6_1_splits_lists() {
        check("", &[]);
        check(" , ,", &[]);
        check("a, b ,c", &["a", "b", "c"]);
        check("a=\"b, c\", d", &["a=\"b, c\"", "d"]);
        check("a=\"b\\\", c\", d", &["a=\"b\\\", c\"", "d"]);
        check("a, \"b", &["a", "\"b"]);
        check("\"a\", b=\"c, d", &["\"a\"", "b=\"c", "d"]);
    }

    #[test]
    fn an_open_quote_hides_nothing() {
        check("a=\"b, no-store", &["a=\"b", "no-store"]);
    }

    #[test]
    fn rfc9111_1_2_2_reads_seconds() {
        for (text, expected) in [
            ("0", Some(0)),
            ("003600", Some(3_600)),
            ("2147483647", Some(2_147_483_647)),
            ("2147483649", Some(SECONDS_MAX)),
            ("99999999999", Some(SECONDS_MAX)),
            ("99999999999999999999999999", Some(SECONDS_MAX)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.0", None),
            ("1a", None),
            (" 1", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), expected, "{text}");
        }
    }

    /// Each member could be read as an open quote that reaches to the end.
    #[test]
    fn splitting_takes_linear_time() {
        let list = "\"\\\",".repeat(250_000);
        assert!(Members::of(list.as_bytes()).count() >= 249_999);
        let list = "a,".repeat(500_000);
        assert_eq!(Members::of(list.as_bytes()).count(), 500_000);
    }

    proptest! {
        #[test]
        fn splitting_ends_and_loses_no_text(list in proptest::collection::vec(any::<u8>(), 0..80)) {
            let total: usize = Members::of(&list).map(<[u8]>::len).sum();
            prop_assert!(total <= list.len());
        }
    }
}
