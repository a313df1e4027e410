//! Entity tags (RFC 9110, section 8.8.3) as bytes, for they may hold more than ASCII.

use http::HeaderValue;

/// An entity tag as it was received, so that it can be sent back unchanged.
///
/// A tag without quotes, or with a weakness flag in another form (`w/`, `W\`, `W`), is none by the grammar, but exists.
/// It is read as a weak one: it may name a version, but no parts of it are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTag(HeaderValue);

impl EntityTag {
    /// Takes the value of an `ETag`; `None` for an empty one.
    #[must_use]
    pub fn of(value: &HeaderValue) -> Option<Self> {
        (!opaque(value.as_bytes()).is_empty()).then(|| Self(value.clone()))
    }

    /// Returns the tag as it was received, for `If-None-Match`.
    #[must_use]
    pub fn value(&self) -> &HeaderValue {
        &self.0
    }

    /// Returns whether equal tags mean equal bytes (section 8.8.1).
    #[must_use]
    pub fn is_strong(&self) -> bool {
        is_strong(self.0.as_bytes())
    }

    /// Compares by the strong function (section 8.8.3.2): both are strong and the same.
    #[must_use]
    pub fn is_strongly(&self, other: &[u8]) -> bool {
        self.is_strong() && self.0.as_bytes() == other
    }

    /// Compares by the weak function (section 8.8.3.2): the same but for the flag.
    #[must_use]
    pub fn is_weakly(&self, other: &[u8]) -> bool {
        opaque(self.0.as_bytes()) == opaque(other)
    }
}

/// Returns whether a tag has the form of a strong one: `"…"`.
#[must_use]
pub fn is_strong(tag: &[u8]) -> bool {
    matches!(tag, [b'"', .., b'"'])
}

/// Returns what a tag says without flag and quotes.
#[must_use]
pub fn opaque(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    let unflagged = match tag {
        [b'W' | b'w', b'/' | b'\\', rest @ ..] | [b'W' | b'w', rest @ ..]
            if rest.starts_with(b"\"") =>
        {
            rest
        }
        _ => tag,
    };
    match unflagged {
        [b'"', inner @ .., b'"'] => inner,
        _ => unflagged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> EntityTag {
        EntityTag::of(&HeaderValue::from_bytes(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn rfc9110_8_8_3_2_compares_as_the_table_of_the_rfc() {
        for (one, other, strongly, weakly) in [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
            ("\"1\"", "\"2\"", false, false),
        ] {
            assert_eq!(tag(one).is_strongly(other.as_bytes()), strongly, "{one} {other}");
            assert_eq!(tag(one).is_weakly(other.as_bytes()), weakly, "{one} {other}");
        }
    }

    #[test]
    fn reads_forms_outside_the_grammar_as_weak() {
        for text in ["abc", "w/\"abc\"", "W\\\"abc\"", "W\"abc\"", " abc "] {
            assert!(!tag(text).is_strong(), "{text}");
            assert!(tag(text).is_weakly(b"\"abc\""), "{text}");
        }
        for text in ["W", "Wabc", "\"", "W/abc"] {
            assert_eq!(opaque(text.as_bytes()), text.as_bytes());
        }
        assert!(EntityTag::of(&HeaderValue::from_static("\"\"")).is_none());
    }

    #[test]
    fn compares_bytes_beyond_ascii() {
        assert!(tag("\"ü\"").is_strongly("\"ü\"".as_bytes()));
    }
}
