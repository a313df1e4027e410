//! Dictionaries of structured fields (RFC 9651, section 4.2.2), as much of them as RFC 9213 needs.
//!
//! Everything is checked, for a field with a mistake must be ignored as a whole; parameters are checked and forgotten.

/// Most members that a dictionary may have. More is taken for a mistake; the largest known set of directives has 15.
const MEMBERS_MAX: usize = 64;

/// A value of a dictionary. What no directive uses is told apart no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bare<'a> {
    /// Digits, perhaps after a minus sign.
    Integer(&'a [u8]),
    /// The inside of a string, escapes and all.
    String(&'a [u8]),
    /// A token.
    Token(&'a [u8]),
    /// True, also where there is no value.
    Boolean(bool),
    /// A decimal, a date, bytes, a display string, or an inner list.
    Other,
}

/// Reads the lines of a field as one dictionary. Of members with the same key the last one counts. `None` for a
/// mistake, and for a dictionary without members.
pub(crate) fn dictionary<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
) -> Option<Vec<(&'a [u8], Bare<'a>)>> {
    let mut members: Vec<(&[u8], Bare<'_>)> = Vec::new();
    for line in lines {
        let mut cursor = Cursor(line);
        cursor.skip(b" \t");
        while !cursor.0.is_empty() {
            let (key, value) = cursor.member()?;
            members.retain(|(known, _)| *known != key);
            if members.len() >= MEMBERS_MAX {
                return None;
            }
            members.push((key, value));
            cursor.skip(b" \t");
            if cursor.0.is_empty() {
                break;
            }
            cursor.expect(b',')?;
            cursor.skip(b" \t");
            // A comma with nothing behind it is a mistake.
            cursor.peek()?;
        }
    }
    (!members.is_empty()).then_some(members)
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn bump(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.bump()? == byte).then_some(())
    }

    fn skip(&mut self, bytes: &[u8]) {
        while self.peek().is_some_and(|byte| bytes.contains(&byte)) {
            let _ = self.bump();
        }
    }

    fn take_while(&mut self, is_part: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|byte| !is_part(*byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at_checked(end).unwrap_or((self.0, &[]));
        self.0 = rest;
        taken
    }

    fn member(&mut self) -> Option<(&'a [u8], Bare<'a>)> {
        let key = self.key()?;
        let value = match self.peek() {
            Some(b'=') => {
                self.bump()?;
                if self.peek() == Some(b'(') { self.inner_list()? } else { self.bare()? }
            }
            _ => Bare::Boolean(true),
        };
        self.parameters()?;
        Some((key, value))
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        matches!(self.peek()?, b'a'..=b'z' | b'*').then_some(())?;
        Some(self.take_while(
            |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*'),
        ))
    }

    fn parameters(&mut self) -> Option<()> {
        while self.peek() == Some(b';') {
            self.bump()?;
            self.skip(b" ");
            self.key()?;
            if self.peek() == Some(b'=') {
                self.bump()?;
                self.bare()?;
            }
        }
        Some(())
    }

    fn inner_list(&mut self) -> Option<Bare<'a>> {
        self.expect(b'(')?;
        loop {
            self.skip(b" ");
            if self.peek()? == b')' {
                self.bump()?;
                return Some(Bare::Other);
            }
            self.bare()?;
            self.parameters()?;
            matches!(self.peek()?, b' ' | b')').then_some(())?;
        }
    }

    fn bare(&mut self) -> Option<Bare<'a>> {
        match self.peek()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => Some(Bare::Token(self.take_while(|byte| {
                byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
            }))),
            b':' => {
                self.bump()?;
                self.take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
                self.expect(b':')?;
                Some(Bare::Other)
            }
            b'?' => {
                self.bump()?;
                match self.bump()? {
                    b'0' => Some(Bare::Boolean(false)),
                    b'1' => Some(Bare::Boolean(true)),
                    _ => None,
                }
            }
            b'@' => {
                self.bump()?;
                matches!(self.number()?, Bare::Integer(_)).then_some(Bare::Other)
            }
            b'%' => self.display_string(),
            _ => None,
        }
    }

    /// An integer of at most 15 digits, or a decimal of at most 12 and 3.
    fn number(&mut self) -> Option<Bare<'a>> {
        let start = self.0;
        if self.peek() == Some(b'-') {
            self.bump()?;
        }
        let whole = self.take_while(|byte| byte.is_ascii_digit());
        if self.peek() == Some(b'.') {
            self.bump()?;
            let fraction = self.take_while(|byte| byte.is_ascii_digit());
            let is_decimal = (1..=12).contains(&whole.len()) && (1..=3).contains(&fraction.len());
            return is_decimal.then_some(Bare::Other);
        }
        (1..=15).contains(&whole.len()).then_some(())?;
        let length = start.len().checked_sub(self.0.len())?;
        start.get(..length).map(Bare::Integer)
    }

    fn string(&mut self) -> Option<Bare<'a>> {
        self.expect(b'"')?;
        let start = self.0;
        loop {
            let rest = self.0;
            match self.bump()? {
                b'"' => {
                    let length = start.len().checked_sub(rest.len())?;
                    return start.get(..length).map(Bare::String);
                }
                b'\\' => matches!(self.bump()?, b'"' | b'\\').then_some(())?,
                0x20..=0x7e => {}
                _ => return None,
            }
        }
    }

    fn display_string(&mut self) -> Option<Bare<'a>> {
        self.expect(b'%')?;
        self.expect(b'"')?;
        loop {
            match self.bump()? {
                b'"' => return Some(Bare::Other),
                b'%' => {
                    for _ in 0..2 {
                        matches!(self.bump()?, b'0'..=b'9' | b'a'..=b'f').then_some(())?;
                    }
                }
                0x20..=0x7e => {}
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(lines: &[&str], expected: Option<&[(&str, Bare<'_>)]>) {
        let read = dictionary(lines.iter().map(|line| line.as_bytes()));
        let expected: Option<Vec<_>> =
            expected.map(|members| members.iter().map(|(k, v)| (k.as_bytes(), *v)).collect());
        assert_eq!(read, expected, "{lines:?}");
    }

    #[test]
    fn rfc9651_4_2_2_reads_dictionaries() {
        use Bare::{Boolean, Integer, Other, String, Token};
        check(&["max-age=60"], Some(&[("max-age", Integer(b"60"))]));
        check(&[" a=-1 ,\tb "], Some(&[("a", Integer(b"-1")), ("b", Boolean(true))]));
        check(&["a=?0, b=?1"], Some(&[("a", Boolean(false)), ("b", Boolean(true))]));
        check(
            &["a=\"x, \\\"y\"", "b=T/1"],
            Some(&[("a", String(b"x, \\\"y")), ("b", Token(b"T/1"))]),
        );
        check(
            &["a=1.5, b=:aGk=:, c=@1659578233, d=%\"a%c3%bc\""],
            Some(&[("a", Other), ("b", Other), ("c", Other), ("d", Other)]),
        );
        check(&["a=(1 \"b\";x  c);y=2"], Some(&[("a", Other)]));
        check(&["a=1;x;y=\"z\", b;q=0.5"], Some(&[("a", Integer(b"1")), ("b", Boolean(true))]));
    }

    #[test]
    fn rfc9651_3_2_takes_the_last_of_equal_keys() {
        check(&["a=1, b, a=2"], Some(&[("b", Bare::Boolean(true)), ("a", Bare::Integer(b"2"))]));
        check(&["a=1", "", "a=2"], Some(&[("a", Bare::Integer(b"2"))]));
    }

    #[test]
    fn rfc9651_4_2_refuses_the_whole_field_for_one_mistake() {
        for line in [
            "",
            "  ",
            "A=1",
            "max-age=",
            "max-age =1",
            "max-age= 1",
            "a=1,",
            "a=1 b",
            ",a",
            "a=1;",
            "a=\"x",
            "a='x'",
            "a=(1",
            "a=(1\"b\")",
            "a=1234567890123456",
            "a=1.",
            "a=1.2345",
            "a=?2",
            "a=@1.5",
            "a=:x",
            "a=\"ü\"",
            "a=%\"%C3\"",
            "a=\"\\x\"",
        ] {
            check(&[line], None);
        }
        check(&["a=1", "b c"], None);
    }

    proptest! {
        #[test]
        fn never_panics(line in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = dictionary([line.as_slice()].into_iter());
        }

        #[test]
        fn never_panics_on_what_looks_right(line in "[a-c=;,?01@%:()\" .-]{0,40}") {
            let _ = dictionary([line.as_bytes()].into_iter());
        }
    }
}
