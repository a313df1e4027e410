//! `CDN-Loop` (RFC 8586): the node marks what passes through it, and refuses what passed through it before.
//!
//! Without it, an origin that points back at the edge makes one request circle until something gives out.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};

const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");
/// Entries of the header that are read: 64. Each is a network that the request passed; more is no real path.
const ENTRIES_MAX: usize = 64;

/// The name under which this node's network stands in `CDN-Loop`: a token, or a host with or without port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CdnId(String);

impl FromStr for CdnId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 255 || !is_cdn_id(text) {
            return Err("a cdn-id is a token, or a host with or without port");
        }
        Ok(Self(text.to_owned()))
    }
}

impl CdnId {
    /// The name of a node that was given none of its own.
    pub(crate) fn of_node(node_id: &str) -> Self {
        Self(format!("vitrine-edge-{node_id}"))
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoopError {
    /// The header cannot be read, or has too many entries.
    Malformed,
    /// It has been here more often than is allowed.
    Loop,
}

/// What is asked of every request's `CDN-Loop`.
#[derive(Debug)]
pub(crate) struct LoopGuard {
    id: CdnId,
    /// How often a request may have been here before.
    passages_max: usize,
    /// The header of a request that comes from no other network: most of them.
    first: HeaderValue,
}

impl LoopGuard {
    pub(crate) fn new(id: CdnId, passages_max: usize) -> Self {
        // What makes a cdn-id makes a header value.
        let first =
            HeaderValue::from_str(&id.0).unwrap_or(HeaderValue::from_static("vitrine-edge"));
        Self { id, passages_max, first }
    }

    /// Returns what a request says afterwards that has passed no other network.
    pub(crate) const fn first(&self) -> &HeaderValue {
        &self.first
    }

    /// Refuses a request that was here too often; otherwise adds this node to what the request says.
    pub(crate) fn pass(&self, headers: &mut HeaderMap) -> Result<(), LoopError> {
        if !headers.contains_key(CDN_LOOP) {
            headers.insert(CDN_LOOP, self.first.clone());
            return Ok(());
        }
        let mut passages = 0_usize;
        let mut entries = 0_usize;
        let mut all = String::new();
        for line in headers.get_all(CDN_LOOP) {
            let line = line.to_str().map_err(|_| LoopError::Malformed)?;
            for entry in split_unquoted(line, ',').map(str::trim).filter(|entry| !entry.is_empty())
            {
                entries += 1;
                if entries > ENTRIES_MAX {
                    return Err(LoopError::Malformed);
                }
                let id = cdn_info(entry).ok_or(LoopError::Malformed)?;
                // Hosts are compared without case (RFC 3986, 3.2.2).
                passages += usize::from(id.eq_ignore_ascii_case(&self.id.0));
                all.push_str(entry);
                all.push_str(", ");
            }
        }
        if passages > self.passages_max {
            return Err(LoopError::Loop);
        }
        // Every entry stays as it was (RFC 8586, 2): the list may be joined, never shortened.
        all.push_str(&self.id.0);
        let all = HeaderValue::from_str(&all).map_err(|_| LoopError::Malformed)?;
        headers.insert(CDN_LOOP, all);
        Ok(())
    }
}

/// Reads `cdn-id *( OWS ";" OWS parameter )`; returns the id.
fn cdn_info(entry: &str) -> Option<&str> {
    let mut parts = split_unquoted(entry, ';').map(str::trim);
    let id = parts.next().filter(|id| is_cdn_id(id))?;
    parts.all(is_parameter).then_some(id)
}

/// `token "=" ( token / quoted-string )`.
fn is_parameter(text: &str) -> bool {
    let Some((name, value)) = text.split_once('=') else { return false };
    is_token(name) && (is_token(value) || is_quoted(value))
}

fn is_quoted(text: &str) -> bool {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else { return false };
    let mut escaped = false;
    for byte in inner.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return false,
            _ => {}
        }
    }
    !escaped
}

/// A pseudonym, or a host with or without port; an IPv6 address in brackets.
fn is_cdn_id(text: &str) -> bool {
    if is_token(text) {
        return true;
    }
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else { return false };
        let has_good_end = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        return address.parse::<std::net::Ipv6Addr>().is_ok() && has_good_end;
    }
    text.split_once(':').is_some_and(|(host, port)| is_token(host) && is_port(port))
}

/// RFC 9110, 5.6.2.
fn is_token(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_good)
}

/// Splits at `mark` where it does not stand in a quoted string.
fn split_unquoted(text: &str, mark: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    text.split(move |letter| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match letter {
            '"' if !was_escaped => is_quoted = !is_quoted,
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            _ => return letter == mark && !is_quoted,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn passed(given: &[&str], passages_max: usize) -> Result<String, LoopError> {
        let mut headers = HeaderMap::new();
        for line in given {
            headers.append(CDN_LOOP, HeaderValue::from_str(line).expect("is a value"));
        }
        LoopGuard::new("edge-1".parse().expect("is an id"), passages_max).pass(&mut headers)?;
        let mut lines = headers.get_all(CDN_LOOP).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { panic!("not one line") };
        Ok(line.to_str().expect("is text").to_owned())
    }

    #[test]
    fn adds_this_node_to_what_the_request_says() {
        for (given, expected) in [
            (&[][..], "edge-1"),
            (&[""], "edge-1"),
            (&["other"], "other, edge-1"),
            (&["other; a=b", "cdn.example:8080"], "other; a=b, cdn.example:8080, edge-1"),
            (
                &["a; x=\"edge-1, edge-1; \\\" y\" , [2001:db8::1]:80"],
                "a; x=\"edge-1, edge-1; \\\" y\", [2001:db8::1]:80, edge-1",
            ),
            (&["edge-11, xedge-1"], "edge-11, xedge-1, edge-1"),
        ] {
            assert_eq!(passed(given, 0).as_deref(), Ok(expected), "{given:?}");
        }
    }

    #[test]
    fn refuses_what_was_here_too_often() {
        assert_eq!(passed(&["edge-1"], 0), Err(LoopError::Loop));
        assert_eq!(passed(&["other, EDGE-1; a=b"], 0), Err(LoopError::Loop));
        assert_eq!(passed(&["edge-1"], 1).as_deref(), Ok("edge-1, edge-1"));
        assert_eq!(passed(&["edge-1, x", "edge-1"], 1), Err(LoopError::Loop));
    }

    #[test]
    fn refuses_what_cannot_be_read() {
        let long = "a,".repeat(ENTRIES_MAX + 1);
        for bad in [
            "a b",
            "(a)",
            "a;",
            "a; b",
            "a; b=",
            "a; =c",
            "a; b=\"c",
            "a; b=\"c\"d\"",
            "a:b",
            "[::1",
            "[x]",
            "a; b=\"c\\\"",
            "\"a\"",
            &long,
        ] {
            assert_eq!(passed(&[bad], 0), Err(LoopError::Malformed), "{bad}");
        }
    }

    #[test]
    fn takes_only_ids_that_can_stand_in_the_header() {
        for good in ["vitrine-edge", "cdn.example", "cdn.example:80", "[::1]", "[::1]:80"] {
            assert!(good.parse::<CdnId>().is_ok(), "{good}");
        }
        for bad in ["", "a,b", "a b", "a;b", "é", "a:b:c", &"x".repeat(256)] {
            assert!(bad.parse::<CdnId>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_read_without_harm(line in "[ -~]{0,200}") {
            if let Ok(all) = passed(&[&line], 0) {
                prop_assert!(all.ends_with("edge-1"));
                // What has been here is known the next time.
                prop_assert_eq!(passed(&[&all], 0), Err(LoopError::Loop));
            }
        }
    }
}
