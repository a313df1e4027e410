//! Requests: commands as JSON arrays, for one database.

use core::fmt;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Uri, header};
use serde::Serialize;

use crate::{COMMANDS_MAX, Error, REQUEST_BYTES_MAX};

/// A Redis command: its name and arguments. All are sent as text, so integers of any size stay exact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Command(Vec<String>);

impl Command {
    /// Makes a command without arguments.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl fmt::Display) -> Self {
        self.0.push(argument.to_string());
        self
    }
}

/// A database of Upstash and the right to use it.
#[derive(Clone)]
pub struct Endpoint {
    scheme: Scheme,
    authority: Authority,
    authorization: HeaderValue,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({}://{}, ***)", self.scheme, self.authority)
    }
}

impl Endpoint {
    /// Takes the `UPSTASH_REDIS_REST_URL` and `UPSTASH_REDIS_REST_TOKEN` of a database.
    ///
    /// # Errors
    /// [`Error::Endpoint`] unless the address is `http(s)://host[:port]` and the token is visible ASCII.
    pub fn new(url: &str, token: &str) -> Result<Self, Error> {
        let parts = url.parse::<Uri>().map_err(|_unreadable| BAD_URL)?.into_parts();
        let is_bare = parts.path_and_query.is_none_or(|path| path.as_str() == "/");
        let (Some(scheme), Some(authority), true) = (parts.scheme, parts.authority, is_bare) else {
            return Err(BAD_URL);
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS || authority.as_str().contains('@') {
            return Err(BAD_URL);
        }
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Endpoint("the token is not visible ASCII"));
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_unfit| Error::Endpoint("the token is unfit for a header"))?;
        authorization.set_sensitive(true);
        Ok(Self { scheme, authority, authorization })
    }

    /// Makes the request for one command; [`crate::answer::read`] reads its answer.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn single(&self, command: &Command) -> Result<Request<Bytes>, Error> {
        self.post("/", command)
    }

    /// Makes the request for several commands, done in order with others' commands between them;
    /// [`crate::answer::read_pipeline`] reads its answer.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn pipeline(&self, commands: &[Command]) -> Result<Request<Bytes>, Error> {
        check_count(commands)?;
        self.post("/pipeline", commands)
    }

    /// Makes the request for several commands, done at once or not at all; [`crate::answer::read_transaction`] reads
    /// its answer.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn transaction(&self, commands: &[Command]) -> Result<Request<Bytes>, Error> {
        check_count(commands)?;
        self.post("/multi-exec", commands)
    }

    fn post<T: Serialize + ?Sized>(
        &self,
        path: &'static str,
        commands: &T,
    ) -> Result<Request<Bytes>, Error> {
        // Text in lists is always fit for JSON.
        let body = serde_json::to_vec(commands).map_err(|_unwritable| Error::TooLarge)?;
        if body.len() > REQUEST_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(PathAndQuery::from_static(path))
            .build()
            .map_err(|_impossible| BAD_URL)?;
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(request)
    }
}

const BAD_URL: Error = Error::Endpoint("the address is not http(s)://host[:port]");

fn check_count(commands: &[Command]) -> Result<(), Error> {
    if (1..=COMMANDS_MAX).contains(&commands.len()) { Ok(()) } else { Err(Error::TooLarge) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint::new("https://eu1-example.upstash.io", "s3cret").unwrap()
    }

    #[test]
    fn a_command_is_a_list_of_text_under_the_token() {
        let request = endpoint().single(&Command::new("INCRBY").arg("a \"key\"").arg(7)).unwrap();
        assert_eq!(request.uri(), "https://eu1-example.upstash.io/");
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.headers()["authorization"], "Bearer s3cret");
        assert_eq!(request.headers()["content-type"], "application/json");
        assert_eq!(request.body(), r#"["INCRBY","a \"key\"","7"]"#);
    }

    #[test]
    fn several_commands_are_a_list_of_lists() {
        let commands = [Command::new("GET").arg("a"), Command::new("DEL").arg("b")];
        let body = r#"[["GET","a"],["DEL","b"]]"#;
        let pipeline = endpoint().pipeline(&commands).unwrap();
        assert_eq!(
            (pipeline.uri().path(), pipeline.body().as_ref()),
            ("/pipeline", body.as_bytes())
        );
        let transaction = endpoint().transaction(&commands).unwrap();
        assert_eq!(
            (transaction.uri().path(), transaction.body().as_ref()),
            ("/multi-exec", body.as_bytes())
        );
    }

    #[test]
    fn an_unusable_endpoint_is_refused_and_the_token_is_never_shown() {
        for (url, token) in [
            ("", "t"),
            ("eu1-example.upstash.io", "t"),
            ("redis://host:6379", "t"),
            ("https://host/path", "t"),
            ("https://host?query", "t"),
            ("https://user@host", "t"),
            ("https://host", ""),
            ("https://host", "a b"),
            ("https://host", "a\nb"),
            ("https://host", "ü"),
        ] {
            assert!(matches!(Endpoint::new(url, token), Err(Error::Endpoint(_))), "{url} {token}");
        }
        for url in ["http://127.0.0.1:8079", "https://host/"] {
            assert!(Endpoint::new(url, "t").is_ok(), "{url}");
        }
        let request = endpoint().single(&Command::new("PING")).unwrap();
        assert!(!format!("{:?} {request:?}", endpoint()).contains("s3cret"));
    }

    #[test]
    fn limits_are_kept() {
        let ping = || Command::new("PING");
        assert_eq!(endpoint().pipeline(&[]).unwrap_err(), Error::TooLarge);
        assert_eq!(endpoint().transaction(&[]).unwrap_err(), Error::TooLarge);
        assert!(endpoint().pipeline(&vec![ping(); COMMANDS_MAX]).is_ok());
        assert_eq!(
            endpoint().pipeline(&vec![ping(); COMMANDS_MAX + 1]).unwrap_err(),
            Error::TooLarge
        );
        let long = ping().arg("x".repeat(REQUEST_BYTES_MAX));
        assert_eq!(endpoint().single(&long).unwrap_err(), Error::TooLarge);
    }
}
