//! The list of origins.

use core::fmt;
use core::str::FromStr;

use http::Uri;
use http::uri::{Authority, Scheme};

/// Most origins in a list: 8. Every one may be asked once per request before a client is turned away.
pub const ORIGINS_MAX: usize = 8;

/// One origin: scheme and authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
}

impl Origin {
    /// Returns the address of `path_and_query` at this origin.
    ///
    /// # Errors
    /// When `path_and_query` is not one.
    pub fn uri(&self, path_and_query: &str) -> Result<Uri, http::Error> {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path_and_query)
            .build()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// Why a list of origins was refused. Names the entry's place, never its text, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginsError {
    /// No entry at all.
    #[error("the list of origins is empty")]
    Empty,
    /// More than [`ORIGINS_MAX`].
    #[error("more than {ORIGINS_MAX} origins")]
    TooMany,
    /// Not `http://host[:port]` or `https://host[:port]`.
    #[error("origin {0} of the list is not http(s)://host[:port]")]
    Invalid(usize),
}

/// How several origins are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Balance {
    /// The first one serves, the others stand by: of origins that cannot serve one shop at the same time.
    #[default]
    Standby,
    /// All of them serve: of origins over one database.
    Share,
}

impl FromStr for Balance {
    type Err = UnknownBalance;

    fn from_str(text: &str) -> Result<Self, UnknownBalance> {
        match text.trim() {
            "" | "standby" => Ok(Self::Standby),
            "share" => Ok(Self::Share),
            _ => Err(UnknownBalance),
        }
    }
}

/// Refused text for a [`Balance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("origins are used as \"standby\" or \"share\"")]
pub struct UnknownBalance;

/// Origins in order of preference; the first is the primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    listed: Vec<Origin>,
    balance: Balance,
}

impl Origins {
    /// Reads a comma-separated list. Spaces around entries, empty entries and repetitions are ignored, and so are
    /// hosts under `.invalid` (RFC 2606): a manifest must grant some address even where there is no second origin.
    ///
    /// # Errors
    /// See [`OriginsError`].
    pub fn parse(list: &str) -> Result<Self, OriginsError> {
        let mut origins = Vec::new();
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        for (index, entry) in entries.enumerate() {
            let origin = parse_origin(entry).ok_or(OriginsError::Invalid(index))?;
            let is_nobody = origin.authority.host().ends_with(".invalid");
            if !is_nobody && !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        match origins.len() {
            0 => Err(OriginsError::Empty),
            1..=ORIGINS_MAX => Ok(Self { listed: origins, balance: Balance::Standby }),
            _ => Err(OriginsError::TooMany),
        }
    }

    /// Returns the same origins, used in this way.
    #[must_use]
    pub fn balanced(self, balance: Balance) -> Self {
        Self { balance, ..self }
    }

    /// Returns how they are used.
    #[must_use]
    pub const fn balance(&self) -> Balance {
        self.balance
    }

    /// Returns the origin at a place of the list.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<&Origin> {
        self.listed.get(index)
    }

    /// Returns all of them, in order of preference.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        self.listed.iter()
    }

    /// Returns how many there are: at least 1.
    #[must_use]
    pub fn count(&self) -> usize {
        self.listed.len()
    }
}

fn parse_origin(entry: &str) -> Option<Origin> {
    let parts = entry.parse::<Uri>().ok()?.into_parts();
    let (scheme, authority) = (parts.scheme?, parts.authority?);
    let is_http = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
    let has_path = parts.path_and_query.is_some_and(|path| path.as_str() != "/");
    let has_user = authority.as_str().contains('@');
    (is_http && !has_path && !has_user).then_some(Origin { scheme, authority })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_and_names_the_wrong_entry() {
        for (list, expected) in [
            ("http://127.0.0.1:8081", Ok(1)),
            ("http://a:1, https://b ,", Ok(2)),
            ("http://a/,http://a", Ok(1)),
            ("http://[::1]:9", Ok(1)),
            ("http://a:1,http://none.invalid", Ok(1)),
            ("http://none.invalid", Err(OriginsError::Empty)),
            ("", Err(OriginsError::Empty)),
            (" , ", Err(OriginsError::Empty)),
            ("a:1", Err(OriginsError::Invalid(0))),
            ("http://a,ftp://b", Err(OriginsError::Invalid(1))),
            ("http://user:secret@a", Err(OriginsError::Invalid(0))),
            ("http://a/base", Err(OriginsError::Invalid(0))),
            ("http://a?x", Err(OriginsError::Invalid(0))),
            ("/only/a/path", Err(OriginsError::Invalid(0))),
            (
                "http://a,http://b,http://c,http://d,http://e,http://f,http://g,http://h,http://i",
                Err(OriginsError::TooMany),
            ),
        ] {
            assert_eq!(Origins::parse(list).map(|origins| origins.count()), expected, "{list}");
        }
    }

    #[test]
    fn reads_how_they_are_used() {
        for (text, expected) in [
            ("", Ok(Balance::Standby)),
            ("standby", Ok(Balance::Standby)),
            (" share ", Ok(Balance::Share)),
            ("Share", Err(UnknownBalance)),
            ("both", Err(UnknownBalance)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn builds_addresses() {
        let origins = Origins::parse("https://a:444").unwrap();
        let uri = origins.at(0).unwrap().uri("/v1/me?x=%20y").unwrap();
        assert_eq!(uri, "https://a:444/v1/me?x=%20y");
    }
}
