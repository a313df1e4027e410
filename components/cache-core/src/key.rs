//! The name under which answers for an address are kept (RFC 9111, section 2), and addresses relative to it.

use core::{borrow::Borrow, fmt};

/// A cache key: the target URI in one form.
///
/// Made the same are what RFC 3986 calls equal and no origin tells apart: the case of scheme and host, user
/// information, a default or empty port, an empty path, and the case of percent-encoded digits (section 6.2.2.1). The
/// rest stays as it was asked for, even where section 6.2.2 would allow more: `%7E` and `~`, or `/a/../b` and `/b`, are
/// two keys, for origins exist that answer them differently, and one answer in the other's place can be made an
/// attack.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// Makes the key of a request. `authority` is the `Host` or `:authority`; a fragment is dropped.
    #[must_use]
    pub fn of(scheme: &str, authority: &str, path_and_query: &str) -> Self {
        let room =
            scheme.len().saturating_add(authority.len()).saturating_add(path_and_query.len());
        let mut key = String::with_capacity(room.saturating_add(4));
        Self::write(&mut key, scheme, authority, path_and_query);
        Self(key)
    }

    /// Appends to `key` what [`Key::of`] would hold: keys are found by their text as well.
    pub fn write(key: &mut String, scheme: &str, authority: &str, path_and_query: &str) {
        let path_and_query = path_and_query.split('#').next().unwrap_or_default();
        push_lower(key, scheme);
        key.push_str("://");
        let (host, port) = host_and_port(authority);
        push_host(key, host);
        if let Some(port) = port.filter(|port| Some(*port) != default_port(scheme)) {
            key.push(':');
            key.push_str(port);
        }
        if !path_and_query.starts_with('/') {
            key.push('/');
        }
        push_with_upper_digits(key, path_and_query);
    }

    /// Returns the key as text: a URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns scheme and authority, of which [`Key::path_and_query`] is the rest.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.0.get(..self.path_at()).unwrap_or_default()
    }

    /// Returns the path and what follows it; it starts with `/`.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        self.0.get(self.path_at()..).unwrap_or_default()
    }

    /// Resolves a `Location` or `Content-Location` against this address (RFC 3986, section 5.2). `None` when it is of
    /// another origin, or not an address of HTTP.
    #[must_use]
    pub fn resolve(&self, reference: &str) -> Option<Self> {
        let reference = reference.trim().split('#').next()?;
        let own_scheme = self.0.split(':').next()?;
        let (scheme, rest) = match split_scheme(reference) {
            Some((scheme, rest)) => (scheme, rest),
            None => (own_scheme, reference),
        };
        let resolved = if let Some(rest) = rest.strip_prefix("//") {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(end)?;
            let path = if path.starts_with('/') { without_dots(path) } else { format!("/{path}") };
            Self::of(scheme, authority, &path)
        } else if rest.len() < reference.len() {
            return None;
        } else {
            Self::of(own_scheme, self.origin().split_once("://")?.1, &self.merged(rest))
        };
        (resolved.origin() == self.origin()).then_some(resolved)
    }

    /// A relative reference without authority, as path and query.
    fn merged(&self, reference: &str) -> String {
        let own = self.path_and_query();
        let own_path = own.split('?').next().unwrap_or("/");
        match reference.chars().next() {
            None => own.to_owned(),
            Some('/') => without_dots(reference),
            Some('?') => format!("{own_path}{reference}"),
            Some(_) => {
                let folder = own_path.rsplit_once('/').map_or("", |(folder, _)| folder);
                without_dots(&format!("{folder}/{reference}"))
            }
        }
    }

    fn path_at(&self) -> usize {
        let authority_at = self.0.find("://").map_or(0, |at| at.saturating_add(3));
        let authority = self.0.get(authority_at..).unwrap_or_default();
        authority.find('/').map_or(self.0.len(), |at| at.saturating_add(authority_at))
    }
}

/// A key is equal to its text, and has its hash.
impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn default_port(scheme: &str) -> Option<&'static str> {
    if scheme.eq_ignore_ascii_case("http") {
        Some("80")
    } else if scheme.eq_ignore_ascii_case("https") {
        Some("443")
    } else {
        None
    }
}

/// Colons in brackets are of an IPv6 address. With several outside there is no telling which one is the port's.
fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (name.ends_with(']') || !name.contains(':')) =>
        {
            (name, Some(port).filter(|port| !port.is_empty()))
        }
        _ => (host, None),
    }
}

fn push_lower(key: &mut String, text: &str) {
    if text.bytes().all(|byte| byte.is_ascii_lowercase()) {
        key.push_str(text);
        return;
    }
    key.extend(text.chars().map(|letter| letter.to_ascii_lowercase()));
}

/// A host that holds what ends a host would be another host's key with a longer path: it must not get there.
fn push_host(key: &mut String, host: &str) {
    let is_usual =
        |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'-'..=b'.' | b'0'..=b'9');
    if host.bytes().all(is_usual) {
        key.push_str(host);
        return;
    }
    for letter in host.chars() {
        match letter {
            '/' => key.push_str("%2f"),
            '?' => key.push_str("%3f"),
            '#' => key.push_str("%23"),
            '\\' => key.push_str("%5c"),
            _ => key.push(letter.to_ascii_lowercase()),
        }
    }
}

fn push_with_upper_digits(key: &mut String, text: &str) {
    let mut encoded = 0_u8;
    if !text.contains('%') {
        key.push_str(text);
        return;
    }
    for letter in text.chars() {
        match (letter, encoded) {
            ('%', _) => encoded = 2,
            _ => {
                if encoded > 0 && letter.is_ascii_hexdigit() {
                    encoded = encoded.saturating_sub(1);
                    key.push(letter.to_ascii_uppercase());
                    continue;
                }
                encoded = 0;
            }
        }
        key.push(letter);
    }
}

fn split_scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

/// RFC 3986, section 5.2.4; the query is left as it is.
fn without_dots(path_and_query: &str) -> String {
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => {
                let _ = kept.pop();
            }
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if segments.peek().is_none() {
            kept.push("");
        }
    }
    let mut text = format!("/{}", kept.join("/"));
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(scheme: &str, authority: &str, path: &str, expected: &str) {
        assert_eq!(Key::of(scheme, authority, path).as_str(), expected);
    }

    #[test]
    fn rfc3986_6_2_2_and_6_2_3_make_equal_addresses_one_key() {
        check("http", "Shop.Example", "", "http://shop.example/");
        check("HTTP", "shop.example:80", "/", "http://shop.example/");
        check("https", "shop.example:443", "/A?b", "https://shop.example/A?b");
        check("https", "shop.example:80", "/", "https://shop.example:80/");
        check("http", "shop.example:", "?a=b", "http://shop.example/?a=b");
        check("http", "me:pw@shop.example:8080", "/#x", "http://shop.example:8080/");
        check("http", "[::1]:80", "/", "http://[::1]/");
        check("http", "[::1]", "/", "http://[::1]/");
        check("http", "a", "/%e2%82%ac%zz%a", "http://a/%E2%82%AC%zz%A");
    }

    #[test]
    fn rfc3986_6_2_2_keeps_apart_what_origins_tell_apart() {
        check("http", "a", "/%7E/../b//c?x=%41", "http://a/%7E/../b//c?x=%41");
        assert_ne!(Key::of("http", "a", "/"), Key::of("https", "a", "/"));
        assert_ne!(Key::of("http", "a", "/"), Key::of("http", "a", "/?"));
    }

    #[test]
    fn a_host_cannot_reach_into_the_path_of_another() {
        check("http", "a/b", "/c", "http://a%2fb/c");
        check("http", "a?b#c\\d", "/", "http://a%3fb%23c%5cd/");
    }

    #[test]
    fn rfc3986_5_2_resolves_references_of_the_same_origin() {
        let base = Key::of("http", "a:8080", "/b/c/d?q");
        for (reference, expected) in [
            ("", Some("http://a:8080/b/c/d?q")),
            ("g", Some("http://a:8080/b/c/g")),
            ("./g/", Some("http://a:8080/b/c/g/")),
            ("../g?y#s", Some("http://a:8080/b/g?y")),
            ("../../../g", Some("http://a:8080/g")),
            ("..", Some("http://a:8080/b/")),
            (".", Some("http://a:8080/b/c/")),
            ("?y=../z", Some("http://a:8080/b/c/d?y=../z")),
            ("/g/./h/../i", Some("http://a:8080/g/i")),
            ("//A:8080/g", Some("http://a:8080/g")),
            ("http://a:8080", Some("http://a:8080/")),
            ("HTTP://A:8080?x", Some("http://a:8080/?x")),
            ("g:h/i", None),
            ("g/h:i", Some("http://a:8080/b/c/g/h:i")),
            ("http:g", None),
            ("https://a:8080/g", None),
            ("http://a/g", None),
            ("//b/g", None),
            ("mailto:x@a", None),
        ] {
            let resolved = base.resolve(reference);
            assert_eq!(resolved.as_ref().map(Key::as_str), expected, "{reference}");
        }
    }

    proptest! {
        #[test]
        fn a_key_resolves_to_itself(authority in "[A-Za-z0-9.:@/?\\]]{1,12}", path in "/[a-z%0-9?&=]{0,20}") {
            let key = Key::of("https", &authority, &path);
            prop_assert_eq!(&Key::of("https", key.origin().split_once("://").unwrap().1, key.path_and_query()), &key);
            prop_assert_eq!(key.resolve(""), Some(key.clone()));
            prop_assert_eq!(format!("{}{}", key.origin(), key.path_and_query()), key.as_str());
        }

        #[test]
        fn resolving_never_panics(reference in ".{0,40}") {
            let _ = Key::of("http", "a", "/b").resolve(&reference);
        }
    }
}
