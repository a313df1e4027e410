//! Facts of a stored answer as bytes, for a store on disk.
//!
//! A version, then fixed fields in little-endian order, then validators, `Vary` and tags, each with its length.

use core::time::Duration;

use domain::Timestamp;
use http::{HeaderName, HeaderValue, StatusCode};
use http_semantics::entity_tag::EntityTag;

use super::Meta;
use crate::headers::{TAG_BYTES_MAX, TAGS_MAX};
use crate::vary::{self, Selecting, VaryKey};

/// Raised when the form changes; other versions decode to nothing, and their answers are fetched again.
const VERSION: u8 = 1;

/// Largest encoding that is written or read: 64 KiB, of which tags may take 33, fields of `Vary` 8, an entity tag 16.
pub const BYTES_MAX: usize = 65_536;

const IS_HEURISTIC: u8 = 1;
const MUST_REVALIDATE: u8 = 2;
const NO_CACHE: u8 = 4;
const IS_IMMUTABLE: u8 = 8;
const HAS_STALE_IF_ERROR: u8 = 16;
const HAS_ETAG: u8 = 32;
const HAS_LAST_MODIFIED: u8 = 64;
const IS_LAST_MODIFIED_STRONG: u8 = 128;

impl Meta {
    /// Writes the facts as at most [`BYTES_MAX`] bytes. An entity tag too long for that (no server sends one) is left
    /// out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let etag = self.etag.as_ref().map(|etag| etag.value().as_bytes());
        let etag = etag.filter(|etag| etag.len() <= BYTES_MAX / 4);
        let mut bytes = Vec::with_capacity(128);
        bytes.push(VERSION);
        bytes.push(self.flags(etag.is_some()));
        bytes.extend(self.status.as_u16().to_le_bytes());
        bytes.extend(self.responded_at.unix_ms().to_le_bytes());
        push_duration(&mut bytes, self.initial_age);
        push_duration(&mut bytes, self.lifetime);
        push_duration(&mut bytes, self.stale_while_revalidate);
        if let Some(window) = self.stale_if_error {
            push_duration(&mut bytes, window);
        }
        if let Some(etag) = etag {
            push_bytes(&mut bytes, etag);
        }
        if let Some(moment) = self.last_modified {
            bytes.extend(moment.unix_ms().to_le_bytes());
        }
        push_count(&mut bytes, self.vary.parts().len());
        for part in self.vary.parts() {
            push_bytes(&mut bytes, part.name.as_str().as_bytes());
            push_optional(&mut bytes, part.value.as_deref());
            push_optional(&mut bytes, part.sent.as_deref());
        }
        let tags = || self.tags.iter().take(TAGS_MAX).filter(|tag| tag.len() <= TAG_BYTES_MAX);
        push_count(&mut bytes, tags().count());
        tags().for_each(|tag| push_bytes(&mut bytes, tag.as_bytes()));
        bytes
    }

    /// Reads what [`Meta::encode`] wrote. `None` for anything else: another version, a cut or longer text, more than
    /// the bounds allow.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > BYTES_MAX {
            return None;
        }
        let mut reader = Reader(bytes);
        (reader.byte()? == VERSION).then_some(())?;
        let flags = reader.byte()?;
        let has = |flag: u8| flags & flag != 0;
        let meta = Self {
            status: StatusCode::from_u16(u16::from_le_bytes(reader.array()?)).ok()?,
            responded_at: reader.moment()?,
            initial_age: reader.duration()?,
            lifetime: reader.duration()?,
            stale_while_revalidate: reader.duration()?,
            stale_if_error: if has(HAS_STALE_IF_ERROR) { Some(reader.duration()?) } else { None },
            etag: if has(HAS_ETAG) { Some(reader.etag()?) } else { None },
            last_modified: if has(HAS_LAST_MODIFIED) { Some(reader.moment()?) } else { None },
            vary: reader.vary()?,
            tags: reader.tags()?,
            is_heuristic: has(IS_HEURISTIC),
            must_revalidate: has(MUST_REVALIDATE),
            no_cache: has(NO_CACHE),
            is_immutable: has(IS_IMMUTABLE),
            is_last_modified_strong: has(IS_LAST_MODIFIED_STRONG),
        };
        reader.0.is_empty().then_some(meta)
    }

    fn flags(&self, has_etag: bool) -> u8 {
        [
            (self.is_heuristic, IS_HEURISTIC),
            (self.must_revalidate, MUST_REVALIDATE),
            (self.no_cache, NO_CACHE),
            (self.is_immutable, IS_IMMUTABLE),
            (self.stale_if_error.is_some(), HAS_STALE_IF_ERROR),
            (has_etag, HAS_ETAG),
            (self.last_modified.is_some(), HAS_LAST_MODIFIED),
            (self.is_last_modified_strong, IS_LAST_MODIFIED_STRONG),
        ]
        .into_iter()
        .fold(0, |flags, (is_set, flag)| if is_set { flags | flag } else { flags })
    }
}

fn push_duration(bytes: &mut Vec<u8>, duration: Duration) {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    bytes.extend(ms.to_le_bytes());
}

/// Lengths are bounded far below what 16 bits hold.
fn push_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend(u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
}

fn push_bytes(bytes: &mut Vec<u8>, text: &[u8]) {
    push_count(bytes, text.len());
    bytes.extend(text.iter().take(usize::from(u16::MAX)));
}

fn push_optional(bytes: &mut Vec<u8>, text: Option<&[u8]>) {
    bytes.push(u8::from(text.is_some()));
    if let Some(text) = text {
        push_bytes(bytes, text);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn count(&mut self) -> Option<usize> {
        self.array().map(u16::from_le_bytes).map(usize::from)
    }

    fn duration(&mut self) -> Option<Duration> {
        self.array().map(u64::from_le_bytes).map(Duration::from_millis)
    }

    fn moment(&mut self) -> Option<Timestamp> {
        self.array().map(i64::from_le_bytes).map(Timestamp::from_unix_ms)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn etag(&mut self) -> Option<EntityTag> {
        EntityTag::of(&HeaderValue::from_bytes(self.bytes()?).ok()?)
    }

    fn vary(&mut self) -> Option<VaryKey> {
        let count = self.count()?;
        (count <= vary::FIELDS_MAX).then_some(())?;
        let mut parts = Vec::with_capacity(count);
        for _ in 0..count {
            parts.push(Selecting {
                name: HeaderName::from_bytes(self.bytes()?).ok()?,
                value: self.optional()?,
                sent: self.optional()?,
            });
        }
        Some(VaryKey::from_parts(parts))
    }

    fn optional(&mut self) -> Option<Option<Box<[u8]>>> {
        match self.byte()? {
            0 => Some(None),
            1 => Some(Some(self.bytes()?.into())),
            _ => None,
        }
    }

    fn tags(&mut self) -> Option<Vec<Box<str>>> {
        let count = self.count()?;
        (count <= TAGS_MAX).then_some(())?;
        let mut tags = Vec::with_capacity(count);
        for _ in 0..count {
            let tag = self.bytes()?;
            (tag.len() <= TAG_BYTES_MAX).then_some(())?;
            tags.push(core::str::from_utf8(tag).ok()?.into());
        }
        Some(tags)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::meta::tests::plain;
    use crate::testing::headers;

    fn rich() -> Meta {
        let response = headers(&[("vary", "Accept-Language, Foo")]);
        Meta {
            stale_if_error: Some(Duration::from_millis(7)),
            etag: EntityTag::of(&HeaderValue::from_static("W/\"a\"")),
            last_modified: Some(Timestamp::from_unix_ms(-1_000)),
            vary: VaryKey::of(&response, &headers(&[("accept-language", "en, de")])).unwrap(),
            tags: vec!["a".into(), "sku-1".into()],
            must_revalidate: true,
            ..plain()
        }
    }

    #[test]
    fn comes_back_from_bytes() {
        for meta in [plain(), rich()] {
            assert_eq!(Meta::decode(&meta.encode()), Some(meta));
        }
    }

    #[test]
    fn reads_no_other_version_and_nothing_cut_or_longer() {
        let bytes = rich().encode();
        for length in 0..bytes.len() {
            assert_eq!(Meta::decode(&bytes[..length]), None, "{length}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(Meta::decode(&longer), None);
        let mut other = bytes;
        other[0] = VERSION + 1;
        assert_eq!(Meta::decode(&other), None);
        assert_eq!(Meta::decode(&vec![VERSION; BYTES_MAX + 1]), None);
    }

    #[test]
    fn the_largest_facts_fit() {
        let tags = (0..TAGS_MAX).map(|number| format!("{number:0>256}").into()).collect();
        let etag = format!("\"{}\"", "x".repeat(BYTES_MAX / 4 - 2));
        let etag = EntityTag::of(&HeaderValue::from_str(&etag).unwrap());
        let cookie = "x".repeat(vary::BYTES_MAX - 6);
        let vary = VaryKey::of(&headers(&[("vary", "cookie")]), &headers(&[("cookie", &cookie)]));
        let meta = Meta { tags, etag, vary: vary.unwrap(), ..rich() };
        let bytes = meta.encode();
        assert!(bytes.len() <= BYTES_MAX);
        assert_eq!(Meta::decode(&bytes), Some(meta));
    }

    fn any_meta() -> impl Strategy<Value = Meta> {
        let numbers = (100_u16..1_000, any::<i64>(), any::<u64>(), any::<u64>(), any::<u64>());
        let flags = proptest::collection::vec(any::<bool>(), 5);
        let rest = (
            proptest::option::of(any::<u64>()),
            proptest::option::of("[!-~]{1,20}"),
            proptest::option::of(any::<i64>()),
            proptest::collection::vec("[a-z]{1,9}", 0..5),
            proptest::collection::vec("[!-~]{1,20}", 0..5),
        );
        (numbers, flags, rest).prop_map(|(numbers, flags, rest)| Meta {
            status: StatusCode::from_u16(numbers.0).unwrap(),
            responded_at: Timestamp::from_unix_ms(numbers.1),
            initial_age: Duration::from_millis(numbers.2),
            lifetime: Duration::from_millis(numbers.3),
            stale_while_revalidate: Duration::from_millis(numbers.4),
            is_heuristic: flags[0],
            must_revalidate: flags[1],
            no_cache: flags[2],
            is_immutable: flags[3],
            is_last_modified_strong: flags[4],
            stale_if_error: rest.0.map(Duration::from_millis),
            etag: rest.1.and_then(|text| EntityTag::of(&HeaderValue::from_str(&text).unwrap())),
            last_modified: rest.2.map(Timestamp::from_unix_ms),
            vary: VaryKey::of(&headers(&[("vary", &rest.3.join(","))]), &headers(&[("a", "1")]))
                .unwrap(),
            tags: rest.4.into_iter().map(Into::into).collect(),
        })
    }

    proptest! {
        #[test]
        fn any_facts_come_back(meta in any_meta()) {
            prop_assert_eq!(Meta::decode(&meta.encode()), Some(meta));
        }

        #[test]
        fn garbage_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Meta::decode(&bytes);
            bytes.insert(0, VERSION);
            if let Some(meta) = Meta::decode(&bytes) {
                prop_assert_eq!(Meta::decode(&meta.encode()), Some(meta));
            }
        }

        #[test]
        fn a_changed_byte_never_panics(at in 0_usize..60, byte in any::<u8>()) {
            let mut bytes = rich().encode();
            bytes[at] = byte;
            let _ = Meta::decode(&bytes);
        }
    }
}
