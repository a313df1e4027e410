//! Cross-origin reading, by the Fetch standard's CORS protocol. Credentials are never allowed: nothing here uses
//! cookies, so a foreign page can only do what any client can.

use header_edits::Edit;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use crate::config::entries;
use crate::policy::Cors;

#[cfg(test)]
mod tests;

/// How long browsers may keep a preflight: 2 h, the most that Chromium does.
const PREFLIGHT_MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Request headers that foreign pages may send.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "accept, accept-language, authorization, content-type, idempotency-key, if-match, if-none-match, range, \
     traceparent, vitrine-pass, vitrine-position, vitrine-ticket, x-request-id",
);

/// Answer headers that foreign pages may read, beside those that they always may.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "content-range, etag, idempotent-replayed, link, location, ratelimit, ratelimit-policy, retry-after, \
     vitrine-cache, vitrine-edge, vitrine-pass, vitrine-position, vitrine-stale, vitrine-ticket, x-ar-decision, \
     x-request-id",
);

const PRIVATE_NETWORK_ASKED: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const PRIVATE_NETWORK_ALLOWED: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// The variable `cors_origins`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// `*`.
    All,
    /// Serialised origins, as browsers send them.
    Listed(Vec<String>),
}

impl Origins {
    /// Reads `*` or a comma-separated list of `scheme://host[:port]`.
    #[must_use]
    pub fn parse(list: &str) -> Option<Self> {
        if list.trim() == "*" {
            return Some(Self::All);
        }
        entries(list).map(parse_origin).collect::<Option<_>>().map(Self::Listed)
    }
}

/// Browsers send scheme and host in lower case and without a default port; `null` is nobody in particular.
fn parse_origin(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let is_web = scheme == "http" || scheme == "https";
    let is_bare = uri.path() == "/" && uri.query().is_none() && !authority.as_str().contains('@');
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let host = authority.as_str().to_ascii_lowercase();
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    (is_web && is_bare && !text.ends_with('/')).then(|| format!("{scheme}://{host}"))
}

/// What an answer says about cross-origin reading.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Value of `Access-Control-Allow-Origin`, if any.
    allow: Option<HeaderValue>,
    /// Whether the answer depends on `Origin`.
    varies: bool,
}

/// A verdict that is the same for every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fixed {
    /// No other site may read it.
    Nobody,
    /// All may.
    Everybody,
}

impl Fixed {
    /// Returns the verdict, if it does not depend on the request.
    pub(crate) const fn of(policy: Cors, origins: &Origins) -> Option<Self> {
        match (policy, origins) {
            (Cors::Never, _) => Some(Self::Nobody),
            (Cors::Everybody, _) | (Cors::Listed, Origins::All) => Some(Self::Everybody),
            (Cors::Listed, Origins::Listed(_)) => None,
        }
    }

    pub(crate) fn verdict(self) -> Verdict {
        let allow = match self {
            Self::Nobody => None,
            Self::Everybody => Some(HeaderValue::from_static("*")),
        };
        Verdict { allow, varies: false }
    }
}

/// Decides about a request.
#[must_use]
pub fn decide(policy: Cors, origins: &Origins, headers: &HeaderMap) -> Verdict {
    if let Some(fixed) = Fixed::of(policy, origins) {
        return fixed.verdict();
    }
    match origins {
        Origins::All => Verdict::default(),
        Origins::Listed(listed) => {
            let origin = headers.get(header::ORIGIN);
            let is_listed =
                |value: &&HeaderValue| listed.iter().any(|one| one.as_bytes() == value.as_bytes());
            // Without any listed origin no answer differs, and caches are spared the Vary.
            Verdict { allow: origin.filter(is_listed).cloned(), varies: !listed.is_empty() }
        }
    }
}

/// Returns whether a request is a preflight: OPTIONS with both of its headers.
#[must_use]
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

impl Verdict {
    /// Says what an actual answer's headers become.
    pub(crate) fn edit(&self, edits: &mut Vec<Edit>) {
        edits.push(Edit::Remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        match &self.allow {
            Some(allow) => {
                edits.push(Edit::Set(header::ACCESS_CONTROL_ALLOW_ORIGIN, allow.clone()));
                edits.push(Edit::Set(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS));
            }
            None => {
                edits.push(Edit::Remove(header::ACCESS_CONTROL_ALLOW_ORIGIN));
                edits.push(Edit::Remove(header::ACCESS_CONTROL_EXPOSE_HEADERS));
            }
        }
        if self.varies {
            edits.push(Edit::Append(header::VARY, HeaderValue::from_static("origin")));
        }
    }

    /// Writes a preflight's headers. A foreign page that may not gets none, which its browser takes as a no.
    pub fn write_preflight(&self, asked: &HeaderMap, methods: &str, headers: &mut HeaderMap) {
        headers.append(
            header::VARY,
            HeaderValue::from_static(
                "origin, access-control-request-method, access-control-request-headers, \
                 access-control-request-private-network",
            ),
        );
        let (Some(allow), Ok(methods)) = (&self.allow, HeaderValue::from_str(methods)) else {
            return;
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allow.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE);
        if asked.get(PRIVATE_NETWORK_ASKED).is_some_and(|value| value == "true") {
            headers.insert(PRIVATE_NETWORK_ALLOWED, HeaderValue::from_static("true"));
        }
    }
}
