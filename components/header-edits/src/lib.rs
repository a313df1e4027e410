//! Changes to header fields, as a list that whoever holds the fields carries out.
//!
//! A middleware that only changes headers says what to change; it then needs neither to hand all fields back nor to be
//! called again when the answer is there.
//!
//! Layer: words (L0). Pure; knows HTTP and nothing of any product.
//! Not here: how a list travels between a component and its host (`express-wire`).
//! Start at [`Edit`] and [`apply`].
#![warn(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used,
    clippy::panic
)]

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// A media type and a value.
pub type Kind = (Cow<'static, str>, HeaderValue);

/// One change. A list's edits are carried out in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Takes a field out, however often it comes.
    Remove(HeaderName),
    /// Takes out all fields whose names begin so; in lower case.
    RemoveStarting(Cow<'static, str>),
    /// Takes out what is about one connection: see [`is_of_connection`].
    RemoveConnection,
    /// Puts one field in the place of all of its name.
    Set(HeaderName, HeaderValue),
    /// Adds a field beside those of its name.
    Append(HeaderName, HeaderValue),
    /// Like [`Edit::Set`] with a value that depends on the message's `Content-Type`.
    SetByType {
        /// The field.
        name: HeaderName,
        /// Media types without parameters, in lower case, and their values; the first that is meant counts.
        kinds: Cow<'static, [Kind]>,
        /// For every other type, and for messages without one; `None` leaves the field as it is.
        otherwise: Option<HeaderValue>,
    },
}

/// Carries edits out.
pub fn apply(edits: impl IntoIterator<Item = Edit>, headers: &mut HeaderMap) {
    for edit in edits {
        edit.apply(headers);
    }
}

impl Edit {
    /// Carries this edit out.
    pub fn apply(self, headers: &mut HeaderMap) {
        match self {
            Self::Remove(name) => {
                headers.remove(name);
            }
            Self::RemoveStarting(start) => {
                remove_where(headers, |name| name.starts_with(start.as_ref()));
            }
            Self::RemoveConnection => remove_where(headers, is_of_connection),
            Self::Set(name, value) => {
                headers.insert(name, value);
            }
            Self::Append(name, value) => {
                headers.append(name, value);
            }
            Self::SetByType { name, kinds, otherwise } => {
                let found = kind(headers).and_then(|kind| {
                    kinds
                        .iter()
                        .find(|(of, _)| kind.eq_ignore_ascii_case(of))
                        .map(|(_, value)| value)
                });
                if let Some(value) = found.cloned().or(otherwise) {
                    headers.insert(name, value);
                }
            }
        }
    }
}

/// The media type without its parameters.
fn kind(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

fn remove_where(headers: &mut HeaderMap, is_meant: impl Fn(&str) -> bool) {
    // One at a time: nearly always there is none.
    while let Some(name) = headers.keys().find(|name| is_meant(name.as_str())).cloned() {
        headers.remove(name);
    }
}

/// Returns whether a field, by its name in lower case, is about one connection and not about the message (RFC 9110,
/// section 7.6.1), `Host` included: whoever sends the message on says it anew.
#[must_use]
pub fn is_of_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "host"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        of.iter().map(field).collect()
    }

    fn set(name: &'static str, value: &'static str) -> Edit {
        Edit::Set(HeaderName::from_static(name), HeaderValue::from_static(value))
    }

    #[test]
    fn edits_do_what_they_say_in_their_order() {
        let append = Edit::Append(header::VARY, HeaderValue::from_static("origin"));
        for (edits, before, after) in [
            (
                vec![Edit::Remove(header::SERVER)],
                &[("server", "a"), ("x", "b")][..],
                &[("x", "b")][..],
            ),
            (vec![Edit::Remove(header::SERVER)], &[("server", "a"), ("server", "b")], &[]),
            (vec![Edit::Remove(header::SERVER)], &[("x", "b")], &[("x", "b")]),
            (
                vec![Edit::RemoveStarting("spin-".into())],
                &[("spin-a", "1"), ("spin-a", "2"), ("spin-b", "3"), ("spinner", "4")],
                &[("spinner", "4")],
            ),
            (
                vec![Edit::RemoveConnection],
                &[("connection", "x"), ("x", "1"), ("te", "trailers"), ("host", "h")],
                &[("x", "1")],
            ),
            (vec![set("x", "2")], &[("x", "0"), ("x", "1")], &[("x", "2")]),
            (vec![append], &[("vary", "accept")], &[("vary", "accept"), ("vary", "origin")]),
            (vec![set("x", "1"), Edit::RemoveStarting("x".into())], &[], &[]),
            (vec![Edit::RemoveStarting("x".into()), set("x", "1")], &[("x", "0")], &[("x", "1")]),
        ] {
            let mut edited = headers(before);
            apply(edits.clone(), &mut edited);
            assert_eq!(edited, headers(after), "{edits:?}");
        }
    }

    #[test]
    fn a_value_may_depend_on_the_type_of_the_content() {
        let by_type = |otherwise| Edit::SetByType {
            name: HeaderName::from_static("x"),
            kinds: vec![("text/html".into(), HeaderValue::from_static("page"))].into(),
            otherwise,
        };
        for (kind, otherwise, expected) in [
            ("text/html", None, Some("page")),
            ("Text/HTML; charset=utf-8", None, Some("page")),
            ("text/html ;a", Some("other"), Some("page")),
            ("text/htmlx", Some("other"), Some("other")),
            ("", Some("other"), Some("other")),
            ("image/png", None, None),
        ] {
            let mut edited = headers(&[("content-type", kind)]);
            by_type(otherwise.map(HeaderValue::from_static)).apply(&mut edited);
            let found = edited.get("x").map(|value| value.to_str().unwrap());
            assert_eq!(found, expected, "{kind}");
        }
        let mut none = HeaderMap::new();
        by_type(Some(HeaderValue::from_static("other"))).apply(&mut none);
        assert_eq!(none["x"], "other");
    }
}
