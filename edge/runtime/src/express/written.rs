//! Edits of fields that are written already: what `header_edits::apply` does to a map, done to lines.

use express_wire::Edit;
use header_edits::is_of_connection;

/// Fields that say how a message is framed, or what the other edits depend on: their edits are made in a map.
const UNUSUAL: [&str; 6] =
    ["content-length", "content-range", "content-type", "date", "trailer", "transfer-encoding"];

/// The name that an edit is about, if it is about one.
pub(super) fn name<'a>(edit: &Edit<'a>) -> Option<&'a str> {
    match edit {
        Edit::Remove(name) | Edit::Set(name, _) | Edit::Append(name, _) => Some(name),
        Edit::SetByType { name, .. } => Some(name),
        Edit::RemoveStarting(_) | Edit::RemoveConnection => None,
    }
}

/// What edits do to written fields of an answer, worked out.
pub(super) struct Change {
    gone: Gone,
    /// What is added: lines.
    added: Vec<u8>,
}

impl Change {
    /// Works it out; `None` where it can only be done in a map. Edits of `replaced` fields only take them out.
    pub(super) fn of(
        edits: &[Edit<'_>],
        media_type: Option<&[u8]>,
        replaced: &[&str],
    ) -> Option<Self> {
        let mut gone = Gone::default();
        replaced.iter().for_each(|name| gone.name(name));
        let mut added = Vec::with_capacity(edits.len());
        for edit in edits {
            step(edit, media_type, &mut gone, &mut added)?;
        }
        let mut lines = Vec::new();
        for (name, value) in added {
            if replaced.contains(&name) {
                continue;
            }
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                lines.extend_from_slice(part);
            }
        }
        Some(Self { gone, added: lines })
    }

    /// Writes `fields`, each a line with its CRLF, with the edits carried out; `None`, with anything written, if one is
    /// no line.
    pub(super) fn write(&self, fields: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let mut rest = fields;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest)?;
            let (line, others) = rest.split_at_checked(end + 1)?;
            if !self.gone.has(line.get(..line.iter().position(|byte| *byte == b':')?)?) {
                out.extend_from_slice(line);
            }
            rest = others;
        }
        out.extend_from_slice(&self.added);
        Some(())
    }
}

/// Carries out one edit: what goes of the written fields, and what is added.
fn step<'a>(
    edit: &'a Edit<'a>,
    media_type: Option<&[u8]>,
    gone: &mut Gone,
    added: &mut Vec<(&'a str, &'a [u8])>,
) -> Option<()> {
    if let Some(name) = name(edit)
        && (!is_name(name) || UNUSUAL.contains(&name))
    {
        return None;
    }
    let (name, value) = match edit {
        Edit::Remove(name) => {
            gone.name(name);
            added.retain(|(other, _)| other != name);
            return Some(());
        }
        Edit::RemoveStarting(start) => {
            gone.starts.push(start.as_bytes().to_vec());
            added.retain(|(other, _)| !other.starts_with(start));
            return Some(());
        }
        Edit::RemoveConnection => {
            gone.of_connection = true;
            added.retain(|(other, _)| !is_of_connection(other));
            return Some(());
        }
        Edit::Append(name, value) => {
            added.push((name, is_value(value).then_some(value)?));
            return Some(());
        }
        Edit::Set(name, value) => (*name, *value),
        Edit::SetByType { name, kinds, otherwise } => {
            let kind = media_type.map(|kind| {
                kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
            });
            let is_meant = |(of, _): &&(&str, &[u8])| {
                kind.is_some_and(|kind| kind.eq_ignore_ascii_case(of.as_bytes()))
            };
            let value = kinds.iter().find(is_meant).map(|(_, value)| *value).or(*otherwise);
            let Some(value) = value else { return Some(()) };
            (*name, value)
        }
    };
    gone.name(name);
    added.retain(|(other, _)| *other != name);
    added.push((name, is_value(value).then_some(value)?));
    Some(())
}

/// Which written fields go.
#[derive(Default)]
struct Gone {
    names: Vec<Vec<u8>>,
    /// A bit for each length of a name, so that most fields are told by their length alone.
    lengths: u64,
    starts: Vec<Vec<u8>>,
    of_connection: bool,
}

impl Gone {
    fn name(&mut self, name: &str) {
        self.names.push(name.as_bytes().to_vec());
        self.lengths |= 1 << (name.len() & 63);
    }

    fn has(&self, name: &[u8]) -> bool {
        let is_of_length = (self.lengths >> (name.len() & 63)) & 1 == 1;
        (is_of_length && self.names.iter().any(|one| one == name))
            || self.starts.iter().any(|start| name.starts_with(start))
            || (self.of_connection && std::str::from_utf8(name).is_ok_and(is_of_connection))
    }
}

/// Whether it is a field's name in lower case that a component may set.
fn is_name(name: &str) -> bool {
    let is_token = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
    };
    !name.is_empty() && name.bytes().all(is_token) && !is_of_connection(name)
}

/// Whether it may stand in a field (RFC 9110, section 5.5).
pub(super) fn is_value(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use express_wire::Verdict;
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;
    use crate::express::message;

    const FIELDS: [(&str, &str); 7] = [
        ("content-type", "text/html; charset=utf-8"),
        ("etag", "\"1\""),
        ("server", "x"),
        ("vary", "accept-encoding"),
        ("x-vitrine-a", "1"),
        ("age", "3"),
        ("x-request-id", "old"),
    ];

    /// What the edits make of the fields: written, and in a map.
    fn both(edits: &[Edit<'_>], replaced: &[&str]) -> Option<[BTreeMap<String, Vec<String>>; 2]> {
        let lines: String =
            FIELDS.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut out = Vec::new();
        let media_type = Some(FIELDS[0].1.as_bytes());
        Change::of(edits, media_type, replaced)?.write(lines.as_bytes(), &mut out)?;
        let text = String::from_utf8(out).expect("is text");
        let written = text.lines().map(|line| line.split_once(": ").expect("is a field"));
        let mut map: HeaderMap = FIELDS
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        let message = Verdict::write_pass([], express_wire::Body::Unread, edits.to_vec());
        let message = Bytes::from(message);
        let Ok(Verdict::Pass { answer, .. }) = Verdict::read(&message) else { panic!("passes") };
        header_edits::apply(message::edits(answer, &message).expect("are edits"), &mut map);
        for name in replaced {
            map.remove(*name);
        }
        let mapped = map.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text")));
        Some([grouped(written), grouped(mapped)])
    }

    fn grouped<'a>(
        fields: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> BTreeMap<String, Vec<String>> {
        let mut grouped: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in fields {
            grouped.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        grouped
    }

    /// Every list of up to three edits out of a dozen: the ways do the same.
    #[test]
    fn lines_are_edited_as_a_map_is() {
        let pages = || vec![("text/html", &b"page"[..]), ("image/svg+xml", b"svg")];
        let by_type = |name, kinds, otherwise| Edit::SetByType { name, kinds, otherwise };
        let edits = [
            Edit::Remove("server"),
            Edit::Remove("x-new"),
            Edit::RemoveStarting("x-vitrine-"),
            Edit::RemoveStarting("x-"),
            Edit::RemoveConnection,
            Edit::Set("x-new", b"1"),
            Edit::Set("vary", b"origin"),
            Edit::Append("vary", b"origin"),
            Edit::Append("x-new", b"2"),
            Edit::Set("x-request-id", b"new"),
            by_type("x-policy", pages(), Some(b"data")),
            by_type("etag", vec![("text/plain", &b"plain"[..])], None),
            by_type("server", vec![("text/plain", &b"plain"[..])], Some(b"other")),
        ];
        for first in &edits {
            for second in &edits {
                for third in &edits {
                    let list = [first.clone(), second.clone(), third.clone()];
                    for replaced in [&[][..], &["x-request-id", "age"]] {
                        let [written, mapped] = both(&list, replaced).expect("can be written");
                        assert_eq!(written, mapped, "{list:?} {replaced:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_field_or_frames_the_message_is_left_to_the_usual_way() {
        for edit in [
            Edit::Set("content-length", b"1"),
            Edit::Remove("content-type"),
            Edit::Set("X-Upper", b"1"),
            Edit::Set("x new", b"1"),
            Edit::Set("", b"1"),
            Edit::Set("connection", b"close"),
            Edit::Set("x-a", b"1\r\nx-b: 2"),
            Edit::Append("x-a", b"\0"),
            Edit::SetByType { name: "x-a", kinds: vec![], otherwise: Some(b"\n") },
        ] {
            assert!(Change::of(std::slice::from_ref(&edit), None, &[]).is_none(), "{edit:?}");
        }
    }
}
