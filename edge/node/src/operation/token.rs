//! Who may operate the node: whoever knows the token, or, without one, whoever is on this machine.

use std::{
    fs::File,
    io::{self, Read as _},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use http::{HeaderMap, header, uri::Authority};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Shortest token: 16 characters, which nobody guesses where they are random.
const TOKEN_CHARS_MIN: usize = 16;
/// Longest token: 512 characters. A longer first line is refused.
const TOKEN_CHARS_MAX: usize = 512;

/// Why nobody can be let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuardError {
    /// Everybody could operate the node.
    #[error(
        "`--admin {0}` is open to other machines: give `--admin-token-file` too, or a loopback address"
    )]
    Open(SocketAddr),
    /// The file with the token cannot be read.
    #[error("read the token in {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// What is in the file is no token.
    #[error("the first line of {} is no token: 16 to 512 letters, digits or `-._~+/=`", .0.display())]
    NoToken(PathBuf),
}

/// Lets operators in.
pub(crate) enum Guard {
    /// Who has the token of which this is the digest: texts of any length are compared in the same time.
    Token([u8; 32]),
    /// Who is on this machine, and no web page that a browser on it shows.
    Machine,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// No token, or a wrong one.
    Token,
    /// The name by which the node was asked is none of this machine: a name that a stranger's page was loaded from may
    /// be made to lead here (DNS rebinding).
    Host,
}

impl Guard {
    /// Decides for a listener on `address` and the token in `file`.
    pub(crate) fn new(address: SocketAddr, file: Option<&Path>) -> Result<Self, GuardError> {
        match file {
            Some(path) => Ok(Self::Token(digest(read(path)?.as_bytes()))),
            None if address.ip().is_loopback() => Ok(Self::Machine),
            None => Err(GuardError::Open(address)),
        }
    }

    /// Lets a request in, or not.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        match self {
            Self::Machine => is_local(headers).then_some(()).ok_or(Denied::Host),
            Self::Token(expected) => {
                let given = bearer(headers).map(digest).ok_or(Denied::Token)?;
                let is_same = bool::from(given.ct_eq(expected));
                is_same.then_some(()).ok_or(Denied::Token)
            }
        }
    }
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// RFC 6750, section 2.1; one field only.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    let (scheme, token) = field.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// Whether the node was asked by an address or as `localhost`: nobody else can own these names.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(Ok(authority)) = host.map(str::parse::<Authority>) else { return false };
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

fn read(path: &Path) -> Result<String, GuardError> {
    let unreadable = |cause| GuardError::Unreadable { path: path.to_owned(), cause };
    let no_token = || GuardError::NoToken(path.to_owned());
    let mut bytes = Vec::new();
    // A byte more than fits, so that what is cut is known to be.
    let bound = u64::try_from(TOKEN_CHARS_MAX + 2).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|file| file.take(bound).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| no_token())?;
    let token = text.lines().next().unwrap_or_default().trim_end();
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    let has_length = (TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&token.len());
    if !has_length || !token.bytes().all(is_good) {
        return Err(no_token());
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    fn headers(given: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(name, HeaderValue::from_str(value).expect("is a value"));
        }
        headers
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("makes a file");
        std::fs::write(file.path(), text).expect("writes");
        file
    }

    #[test]
    fn lets_in_who_has_the_token_and_nobody_else() {
        let file = file("0123456789abcdef\nignored\n");
        let guard = Guard::new(LOOPBACK, Some(file.path())).expect("is a token");
        for given in ["Bearer 0123456789abcdef", "bearer 0123456789abcdef"] {
            assert_eq!(guard.check(&headers(&[(header::AUTHORIZATION, given)])), Ok(()));
        }
        for given in [
            "Bearer 0123456789abcdeg",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer  0123456789abcdef",
            "Bearer ",
            "Bearer",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
        ] {
            let given = headers(&[(header::AUTHORIZATION, given)]);
            assert_eq!(guard.check(&given), Err(Denied::Token), "{given:?}");
        }
        assert_eq!(guard.check(&HeaderMap::new()), Err(Denied::Token));
        let twice = [0, 1].map(|_| (header::AUTHORIZATION, "Bearer 0123456789abcdef"));
        assert_eq!(guard.check(&headers(&twice)), Err(Denied::Token));
    }

    #[test]
    fn without_a_token_no_name_of_a_stranger_leads_here() {
        let guard = Guard::new(LOOPBACK, None).expect("is the machine");
        for host in ["127.0.0.1:9900", "localhost", "LOCALHOST:1", "[::1]:9900", "[::1]"] {
            assert_eq!(guard.check(&headers(&[(header::HOST, host)])), Ok(()), "{host}");
        }
        for host in ["evil.example", "evil.example:9900", "localhost.evil.example", "", "a b"] {
            assert_eq!(guard.check(&headers(&[(header::HOST, host)])), Err(Denied::Host), "{host}");
        }
        assert_eq!(guard.check(&HeaderMap::new()), Err(Denied::Host));
    }

    #[test]
    fn refuses_to_be_open_to_everybody_and_tokens_that_are_none() {
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 9900));
        assert!(matches!(Guard::new(everywhere, None), Err(GuardError::Open(_))));
        let long = "x".repeat(TOKEN_CHARS_MAX + 1);
        for bad in
            ["", "short", "\n0123456789abcdef", "with space 0123456789", &long, "0123456789abcdé"]
        {
            let file = file(bad);
            let refused = Guard::new(everywhere, Some(file.path())).err().expect("is refused");
            assert!(matches!(refused, GuardError::NoToken(_)), "{bad}");
            assert!(bad.is_empty() || !refused.to_string().contains(bad), "{refused}");
        }
        let longest = file(&"x".repeat(TOKEN_CHARS_MAX));
        assert!(Guard::new(everywhere, Some(longest.path())).is_ok());
        let gone = Guard::new(everywhere, Some(Path::new("/nowhere/token"))).err();
        assert!(matches!(gone, Some(GuardError::Unreadable { .. })));
    }
}
