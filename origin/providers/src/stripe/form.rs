//! Bodies and queries in the form that Stripe reads: `application/x-www-form-urlencoded`, with brackets for depth.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Fields in their order.
#[derive(Default)]
pub(crate) struct Form(String);

impl Form {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&mut self, name: &str, value: impl AsRef<str>) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.extend(utf8_percent_encode(name, ENCODED));
        self.0.push('=');
        self.0.extend(utf8_percent_encode(value.as_ref(), ENCODED));
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

/// Writes one segment of a path.
pub(crate) fn segment(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, ENCODED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_encoded() {
        let mut form = Form::new();
        form.add("metadata[a]", "b c&d=e+f\u{e9}");
        form.add("limit", "1");
        assert_eq!(form.into_text(), "metadata%5Ba%5D=b%20c%26d%3De%2Bf%C3%A9&limit=1");
        assert_eq!(segment("../refunds?a").to_string(), "..%2Frefunds%3Fa");
    }
}
