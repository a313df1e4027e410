//! Who may sign in, and how often somebody may try.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Longest e-mail address, in bytes (RFC 5321, section 4.5.3.1.3, without the angle brackets).
pub const EMAIL_BYTES_MAX: usize = 254;
/// Shortest password, in characters (NIST SP 800-63B: 8 at least).
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Longest password, in bytes. Hashing cost does not depend on it; the body limit does.
pub const PASSWORD_BYTES_MAX: usize = 256;
/// Wrong passwords for one account within [`LOGIN_WINDOW`] before it must wait: 5.
pub const LOGIN_FAILURES_MAX: u32 = 5;
/// The window in which failures count: 1 minute.
pub const LOGIN_WINDOW: Duration = Duration::from_mins(1);

/// An e-mail address, trimmed and in lower case: the name of an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

/// Refused text for an [`Email`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address")]
pub struct InvalidEmail;

impl Email {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    /// Takes `local@domain` with a dot in the domain. Whether mail arrives there only mail can tell.
    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim().to_lowercase();
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let is_plain =
            |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[]\\,;:\"@".contains(c);
        let labels_ok = domain
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
        let good = (1..=64).contains(&local.len())
            && text.len() <= EMAIL_BYTES_MAX
            && local.chars().all(is_plain)
            && domain.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '.')
            && domain.contains('.')
            && labels_ok;
        if good { Ok(Self(text)) } else { Err(InvalidEmail) }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Email {
    type Error = InvalidEmail;

    fn try_from(text: String) -> Result<Self, InvalidEmail> {
        text.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

/// Tells whether a password is long enough and not too long.
#[must_use]
pub fn is_password_acceptable(password: &str) -> bool {
    password.chars().count() >= PASSWORD_CHARS_MIN && password.len() <= PASSWORD_BYTES_MAX
}

/// Wrong passwords of one account in the present window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginFailures {
    /// How many.
    pub count: u32,
    /// When the first of them came.
    pub since: Timestamp,
}

impl LoginFailures {
    /// Returns how long the account must wait, or `None` when it may try now.
    #[must_use]
    pub fn wait(self, now: Timestamp) -> Option<Duration> {
        let left = LOGIN_WINDOW.checked_sub(now.since(self.since))?;
        (self.count >= LOGIN_FAILURES_MAX && !left.is_zero()).then_some(left)
    }

    /// Counts one more failure; a window that ended starts anew.
    #[must_use]
    pub fn failed(self, now: Timestamp) -> Self {
        if now.since(self.since) >= LOGIN_WINDOW {
            return Self { count: 1, since: now };
        }
        Self { count: self.count.saturating_add(1), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_lower_case_and_have_both_sides() {
        for (text, expected) in [(" Ada@Example.ORG ", "ada@example.org"), ("a+b@x.co", "a+b@x.co")]
        {
            assert_eq!(text.parse::<Email>().map(String::from), Ok(expected.to_owned()));
        }
        let long = format!("{}@example.org", "a".repeat(65));
        for bad in [
            "",
            "a",
            "@b.c",
            "a@",
            "a@b",
            "a b@c.d",
            "a@b..c",
            "a@-b.c",
            "a@b.c\n<x>",
            "<a@b.c>",
            &long,
        ] {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_have_8_characters_at_least() {
        assert!(!is_password_acceptable("seven77"));
        assert!(is_password_acceptable("eight888"));
        assert!(is_password_acceptable("ääääääää"));
        assert!(!is_password_acceptable(&"x".repeat(257)));
    }

    #[test]
    fn five_failures_close_the_account_until_the_minute_is_over() {
        let at = |s: i64| Timestamp::from_unix_ms(s * 1_000);
        let mut failures = LoginFailures { count: 0, since: at(0) };
        for second in 0..5 {
            assert_eq!(failures.wait(at(second)), None);
            failures = failures.failed(at(second));
        }
        assert_eq!(failures.wait(at(5)), Some(Duration::from_secs(55)));
        assert_eq!(failures.wait(at(60)), None);
        assert_eq!(failures.failed(at(61)), LoginFailures { count: 1, since: at(61) });
    }
}
