//! Where a Redis is: `redis://[[user]:password@]host[:port][/database]`.

use manifest::Secret;
use percent_encoding::percent_decode_str;

/// An address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: u32,
}

/// Where Redis listens unless it is told otherwise.
const PORT: u16 = 6379;

impl Address {
    /// Reads an address; `None` if it is none, or of another scheme.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("redis://")?;
        let (authority, database) = match rest.split_once('/') {
            Some((authority, "")) => (authority, 0),
            Some((authority, database)) => (authority, database.parse().ok()?),
            None => (rest, 0),
        };
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (user, password) = match login {
            None => (None, None),
            Some(login) => {
                let (user, password) = login.split_once(':')?;
                let user = decoded(user)?;
                (Some(user).filter(|user| !user.is_empty()), Some(Secret::new(decoded(password)?)))
            }
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (place, PORT),
        };
        let is_host = !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte));
        is_host.then(|| Self { host: host.to_owned(), port, user, password, database })
    }
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_addresses_apart() {
        for (url, host, port, user, password, database) in [
            ("redis://cache", "cache", 6379, None, None, 0),
            ("redis://cache:7000/3", "cache", 7000, None, None, 3),
            ("redis://[::1]:7000/", "[::1]", 7000, None, None, 0),
            ("redis://[::1]", "[::1]", 6379, None, None, 0),
            ("redis://:p%40ss@10.0.0.1", "10.0.0.1", 6379, None, Some("p@ss"), 0),
            ("redis://u:p@a.b", "a.b", 6379, Some("u"), Some("p"), 0),
        ] {
            let expected = Address {
                host: host.to_owned(),
                port,
                user: user.map(str::to_owned),
                password: password.map(Secret::new),
                database,
            };
            assert_eq!(Address::parse(url), Some(expected), "{url}");
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        for url in [
            "",
            "cache",
            "http://cache",
            "rediss://cache",
            "redis://",
            "redis://:6379",
            "redis://cache:port",
            "redis://cache/x",
            "redis://user@cache",
            "redis://a b",
        ] {
            assert_eq!(Address::parse(url), None, "{url}");
        }
    }
}
