//! How something is paid: with a token of the provider, never with card data.

use std::fmt;
use std::str::FromStr;

use domain::payment::TestMethod;
use serde::{Deserialize, Serialize};

use crate::card::looks_like_card_number;

/// Longest token: 255 bytes.
const TOKEN_BYTES_MAX: usize = 255;
/// The word for a method that the payer chooses later, on the provider's own field.
const HOSTED: &str = "hosted";

/// How something is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Method {
    /// What a provider is asked to play; none of them moves money.
    Test(TestMethod),
    /// A method that the payer gave to the provider's own field, by the name it has there.
    Token(Token),
    /// None yet: the payer gives it to the provider's own field, with the intent's client secret.
    Hosted,
}

/// A provider's name for a method of payment. Not a secret, and not printed either.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why a text is no method of payment. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// It looks like a card number, which must not come here.
    #[error("a card number in place of a token")]
    CardNumber,
    /// It is empty, too long, or has other characters than letters, digits, `_`, `-`, `.` and `:`.
    #[error("not a token of a provider")]
    Malformed,
}

impl Token {
    /// Takes a provider's token.
    ///
    /// # Errors
    /// See [`MethodError`]. Card numbers are looked for first.
    pub fn parse(text: &str) -> Result<Self, MethodError> {
        if looks_like_card_number(text) {
            return Err(MethodError::CardNumber);
        }
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        if text.is_empty() || text.len() > TOKEN_BYTES_MAX || !text.bytes().all(is_fine) {
            return Err(MethodError::Malformed);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Method {
    /// Returns the word on the wire and in storage.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Test(method) => method.as_str(),
            Self::Token(token) => token.as_str(),
            Self::Hosted => HOSTED,
        }
    }
}

impl FromStr for Method {
    type Err = MethodError;

    fn from_str(text: &str) -> Result<Self, MethodError> {
        if let Ok(method) = text.parse() {
            return Ok(Self::Test(method));
        }
        if text == HOSTED { Ok(Self::Hosted) } else { Token::parse(text).map(Self::Token) }
    }
}

impl TryFrom<String> for Method {
    type Error = MethodError;

    fn try_from(text: String) -> Result<Self, MethodError> {
        text.parse()
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_methods_read_back() {
        let methods = TestMethod::ALL
            .map(Method::Test)
            .into_iter()
            .chain([Method::Hosted, Method::Token(Token::parse("pm_card_visa").unwrap())]);
        for method in methods {
            assert_eq!(method.as_str().parse(), Ok(method.clone()));
            let json = serde_json::to_string(&method).unwrap();
            assert_eq!(serde_json::from_str::<Method>(&json).unwrap(), method);
        }
    }

    #[test]
    fn a_card_number_is_refused_and_not_repeated() {
        let number = "4242 4242 4242 4242";
        assert_eq!(number.parse::<Method>(), Err(MethodError::CardNumber));
        let error = serde_json::from_value::<Method>(number.into()).unwrap_err().to_string();
        assert_eq!(error, "a card number in place of a token");
        for text in ["", "a b", "pm_\u{e9}", &"x".repeat(256)] {
            assert_eq!(text.parse::<Method>(), Err(MethodError::Malformed), "{text}");
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let method: Method = "pm_1234".parse().unwrap();
        assert_eq!(format!("{method:?}"), "Token(***)");
    }
}
