//! Verdicts that were read before: most of a gate's verdicts are the same but for a few values.
//!
//! What a verdict comes to is worked out once, and found again by its bytes: all of them are compared, but for values
//! that make no difference to the answer that is written.

use express_wire::{Body, Edit, Verdict};

use super::written::{self, Change, is_value};

/// Most verdicts that an instance remembers: 8 of some 4 KB each. Pages, scripts, styles, models and pictures are one
/// kind of verdict each; with more than that they take each other's place.
const KNOWN_MAX: usize = 8;

/// What one instance has said.
#[derive(Default)]
pub(super) struct Known {
    all: Vec<Meaning>,
    /// The place of the next one once all are taken.
    next: usize,
}

/// The answer that is to be written.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// Its fields, each a line with its CRLF, names in lower case.
    pub fields: &'a [u8],
    /// `Content-Type`.
    pub media_type: Option<&'a [u8]>,
    /// Names of fields that whoever asks will write anew.
    pub replaced: &'a [&'a str],
}

/// What a verdict that lets its request pass comes to, for answers of one media type.
pub(super) struct Meaning {
    /// The verdict's bytes, cut where a value with its length may be any.
    pieces: Vec<Vec<u8>>,
    /// Names of fields that the request gets or loses.
    pub(super) changed: Vec<String>,
    pub(super) answer: Change,
    media_type: Option<Vec<u8>>,
    replaced: Vec<String>,
}

impl Known {
    /// Says what `verdict` comes to; `None` if it is not known how to do that to lines, or does not let the request pass
    /// as it came.
    pub(super) fn meaning(&mut self, verdict: &[u8], draft: &Draft<'_>) -> Option<&Meaning> {
        let known = self.all.iter().position(|one| one.is_of(verdict, draft));
        let place = match known {
            Some(place) => place,
            None => self.keep(Meaning::of(verdict, draft)?),
        };
        self.all.get(place)
    }

    fn keep(&mut self, meaning: Meaning) -> usize {
        if self.all.len() < KNOWN_MAX {
            self.all.push(meaning);
            return self.all.len() - 1;
        }
        let place = self.next % KNOWN_MAX;
        self.next = place + 1;
        self.all[place] = meaning;
        place
    }
}

impl Meaning {
    fn of(verdict: &[u8], draft: &Draft<'_>) -> Option<Self> {
        let Ok(Verdict::Pass { request, body: Body::Unread | Body::Whole([]), answer }) =
            Verdict::read(verdict)
        else {
            return None;
        };
        // Whoever writes the answer has no use for these values: the request goes nowhere, and some fields are written
        // anew.
        let asked = request.iter().filter_map(set);
        let replaced = answer.iter().filter_map(set);
        let replaced = replaced.filter(|(name, _)| draft.replaced.contains(name));
        let mut pieces = Vec::new();
        let mut from = 0;
        for (_, value) in asked.chain(replaced) {
            let start = value.as_ptr().addr().checked_sub(verdict.as_ptr().addr())?;
            pieces.push(verdict.get(from..start.checked_sub(LENGTH_BYTES)?)?.to_vec());
            from = start + value.len();
        }
        pieces.push(verdict.get(from..)?.to_vec());
        Some(Self {
            pieces,
            changed: request.iter().filter_map(written::name).map(str::to_owned).collect(),
            answer: Change::of(&answer, draft.media_type, draft.replaced)?,
            media_type: draft.media_type.map(<[u8]>::to_vec),
            replaced: draft.replaced.iter().map(|name| (*name).to_owned()).collect(),
        })
    }

    /// Whether it is what `verdict` comes to.
    fn is_of(&self, verdict: &[u8], draft: &Draft<'_>) -> bool {
        let is_of_draft =
            self.media_type.as_deref() == draft.media_type && self.replaced == draft.replaced;
        is_of_draft && self.is_written(verdict).is_some()
    }

    fn is_written(&self, verdict: &[u8]) -> Option<()> {
        let (last, pieces) = self.pieces.split_last()?;
        let mut rest = verdict;
        for piece in pieces {
            let (length, after) = rest.strip_prefix(piece.as_slice())?.split_first_chunk()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (value, after) = after.split_at_checked(length)?;
            rest = is_value(value).then_some(after)?;
        }
        (rest == last).then_some(())
    }
}

/// Bytes of a length in a message.
const LENGTH_BYTES: usize = 4;

/// The field that an edit sets, and its value.
fn set<'a>(edit: &Edit<'a>) -> Option<(&'a str, &'a [u8])> {
    match edit {
        Edit::Set(name, value) => Some((name, value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAFT: Draft<'_> = Draft {
        fields: b"server: x\r\netag: 1\r\n",
        media_type: Some(b"text/html"),
        replaced: &["x-request-id"],
    };

    fn verdict(client: &str, id: &str, other: &str) -> Vec<u8> {
        Verdict::write_pass(
            [Edit::Remove("cookie"), Edit::Set("x-client", client.as_bytes())],
            Body::Unread,
            [
                Edit::Remove("server"),
                Edit::Set("x-request-id", id.as_bytes()),
                Edit::Set("x-other", other.as_bytes()),
            ],
        )
    }

    fn written(known: &mut Known, verdict: &[u8], draft: &Draft<'_>) -> Option<String> {
        let mut out = Vec::new();
        known.meaning(verdict, draft)?.answer.write(draft.fields, &mut out)?;
        Some(String::from_utf8(out).expect("is text"))
    }

    #[test]
    fn a_verdict_is_known_again_whatever_the_values_that_make_no_difference() {
        let mut known = Known::default();
        for (client, id) in [("a", "1"), ("another", "22"), ("", "")] {
            let said = verdict(client, id, "o");
            let expected = "etag: 1\r\nx-other: o\r\n";
            assert_eq!(written(&mut known, &said, &DRAFT).as_deref(), Some(expected));
            assert_eq!(known.all.len(), 1);
        }
        assert_eq!(known.all[0].changed, ["cookie", "x-client"]);
    }

    #[test]
    fn what_differs_elsewhere_is_another() {
        let mut known = Known::default();
        let said = verdict("a", "1", "o");
        assert!(written(&mut known, &said, &DRAFT).is_some());
        let other = verdict("a", "1", "p");
        let expected = "etag: 1\r\nx-other: p\r\n";
        assert_eq!(written(&mut known, &other, &DRAFT).as_deref(), Some(expected));
        let kept = Draft { replaced: &[], ..DRAFT };
        let expected = "etag: 1\r\nx-request-id: 1\r\nx-other: o\r\n";
        assert_eq!(written(&mut known, &said, &kept).as_deref(), Some(expected));
        assert!(written(&mut known, &said, &Draft { media_type: None, ..DRAFT }).is_some());
        assert_eq!(known.all.len(), 4);
        for cut in 0..said.len() {
            assert!(known.meaning(&said[..cut], &DRAFT).is_none(), "{cut}");
        }
        assert!(known.meaning(&[said.as_slice(), b"\0"].concat(), &DRAFT).is_none());
        assert!(known.meaning(&verdict("a", "1\r\n", "o"), &DRAFT).is_none());
        assert!(known.meaning(&Verdict::write_standard(), &DRAFT).is_none());
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut known = Known::default();
        for turn in 0..2 {
            for other in 0..3 * KNOWN_MAX {
                let said = verdict("a", "1", &other.to_string());
                let expected = format!("etag: 1\r\nx-other: {other}\r\n");
                assert_eq!(written(&mut known, &said, &DRAFT), Some(expected), "{turn}");
                assert!(known.all.len() <= KNOWN_MAX);
            }
        }
    }
}
