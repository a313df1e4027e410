//! How an order is paid, as it is kept: a word, never what pays.

use core::fmt;

use super::TestMethod;

/// How an order is paid, as it is kept with its payment.
///
/// What pays is not in it: a token is sealed and kept apart until the provider has it, and card data never comes here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptMethod {
    /// What a provider is asked to play.
    Test(TestMethod),
    /// A token of the payer's, by the provider's own field.
    Token,
    /// The payer gives a method on the provider's own page or field, after the order is placed.
    Hosted,
}

impl KeptMethod {
    /// Returns the word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Test(method) => method.as_str(),
            Self::Token => "token",
            Self::Hosted => "hosted",
        }
    }

    /// Reads the word; nothing for one that names no method.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "token" => Some(Self::Token),
            "hosted" => Some(Self::Hosted),
            text => text.parse().ok().map(Self::Test),
        }
    }
}

impl fmt::Display for KeptMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        let methods = TestMethod::ALL
            .map(KeptMethod::Test)
            .into_iter()
            .chain([KeptMethod::Token, KeptMethod::Hosted]);
        for method in methods {
            assert_eq!(KeptMethod::parse(&method.to_string()), Some(method));
        }
        assert_eq!(KeptMethod::parse("4242 4242 4242 4242"), None);
    }
}
