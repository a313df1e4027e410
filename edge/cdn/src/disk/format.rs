//! What a file with the heads of an address holds: pure, and strict about what it reads.
//!
//! `magic and version (8) · epoch (8) · length of the rest (4) · checksum (4) · rest`, all numbers little-endian. The rest
//! is the address and, for each variant, where purges stood, `cache-core`'s facts, the fields, and the body or its place.
//! The checksum is CRC-32 over epoch, length and rest: it finds what is torn, cut or flipped. It is no protection from
//! whoever may write the directory.

use bytes::Bytes;
use cache_core::Meta;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::store::VARIANTS_MAX;

/// The last byte is the version: files of others are thrown away.
const MAGIC: [u8; 8] = *b"vtrhead\x01";
const FRAME_BYTES: usize = 24;
/// Longest file with heads: 1 MiB, of 32 variants with 32 KiB each. Answers with more are not written.
pub(super) const HEAD_BYTES_MAX: usize = 1 << 20;
/// Bodies up to here lie beside their heads: 4 KiB, which a file of their own would take anyway.
pub(super) const INLINE_BYTES_MAX: u64 = 4096;
/// Fields of one answer that are read: 1 024; `http1` takes no more.
const FIELDS_MAX: usize = 1024;

/// The heads of all variants of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heads {
    pub(super) key: String,
    pub(super) variants: Vec<Variant>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variant {
    /// Where purges stood when it was asked for.
    pub(super) sequence: u64,
    pub(super) meta: Meta,
    pub(super) headers: HeaderMap,
    pub(super) body: BodyAt,
}

/// Where a body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BodyAt {
    /// Beside its head.
    Here(Bytes),
    /// In a file of its own.
    File(Place),
}

/// A body in a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// By what the file is named.
    pub(super) id: u64,
    /// In bytes.
    pub(super) length: u64,
    /// CRC-32 of all of it.
    pub(super) checksum: u32,
}

/// Why a file cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is of another version, another time, or of somebody else.
    Foreign,
    /// It is not what was written.
    Damaged,
}

impl Heads {
    /// Writes the file. `None`: it would be longer than [`HEAD_BYTES_MAX`].
    pub(super) fn encode(&self, epoch: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(1024);
        bytes.extend(MAGIC);
        bytes.extend(epoch.to_le_bytes());
        bytes.extend([0; 8]);
        push_long(&mut bytes, self.key.as_bytes())?;
        bytes.extend(u16::try_from(self.variants.len()).ok()?.to_le_bytes());
        for variant in &self.variants {
            variant.encode(&mut bytes)?;
        }
        if bytes.len() > HEAD_BYTES_MAX {
            return None;
        }
        let length = u32::try_from(bytes.len() - FRAME_BYTES).ok()?.to_le_bytes();
        bytes.get_mut(16..20)?.copy_from_slice(&length);
        let checksum = checksum_of(&bytes)?.to_le_bytes();
        bytes.get_mut(20..24)?.copy_from_slice(&checksum);
        Some(bytes)
    }

    /// Reads what [`Heads::encode`] wrote in the same epoch, and nothing else.
    pub(super) fn decode(bytes: &Bytes, epoch: u64) -> Result<Self, Unreadable> {
        if !bytes.starts_with(&MAGIC) && !MAGIC.starts_with(bytes) {
            return Err(Unreadable::Foreign);
        }
        Self::read(bytes, epoch).unwrap_or(Err(Unreadable::Damaged))
    }

    fn read(bytes: &Bytes, epoch: u64) -> Option<Result<Self, Unreadable>> {
        let mut reader = Reader { whole: bytes, left: bytes.get(MAGIC.len()..)? };
        let written_in = u64::from_le_bytes(reader.array()?);
        let length = usize::try_from(u32::from_le_bytes(reader.array()?)).ok()?;
        let checksum = u32::from_le_bytes(reader.array()?);
        let is_whole = bytes.len() <= HEAD_BYTES_MAX && reader.left.len() == length;
        if !is_whole || checksum_of(bytes)? != checksum {
            return None;
        }
        if written_in != epoch {
            return Some(Err(Unreadable::Foreign));
        }
        let key = std::str::from_utf8(reader.long()?).ok()?.to_owned();
        let count = reader.count()?;
        if count > VARIANTS_MAX {
            return None;
        }
        let variants = (0..count).map(|_| Variant::read(&mut reader)).collect::<Option<_>>()?;
        reader.left.is_empty().then_some(Ok(Self { key, variants }))
    }
}

impl Variant {
    fn encode(&self, bytes: &mut Vec<u8>) -> Option<()> {
        bytes.extend(self.sequence.to_le_bytes());
        push_long(bytes, &self.meta.encode())?;
        // The length is the body's, and comes back with it.
        let fields = || self.headers.iter().filter(|(name, _)| **name != header::CONTENT_LENGTH);
        bytes.extend(u16::try_from(fields().count()).ok()?.to_le_bytes());
        for (name, value) in fields() {
            push_long(bytes, name.as_str().as_bytes())?;
            push_long(bytes, value.as_bytes())?;
        }
        match &self.body {
            BodyAt::Here(body) => {
                bytes.push(0);
                push_long(bytes, body)?;
            }
            BodyAt::File(place) => {
                bytes.push(1);
                bytes.extend(place.id.to_le_bytes());
                bytes.extend(place.length.to_le_bytes());
                bytes.extend(place.checksum.to_le_bytes());
            }
        }
        Some(())
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let sequence = u64::from_le_bytes(reader.array()?);
        let meta = Meta::decode(reader.long()?)?;
        let count = reader.count()?;
        if count > FIELDS_MAX {
            return None;
        }
        let mut headers = HeaderMap::with_capacity(count.saturating_add(1));
        for _ in 0..count {
            let name = HeaderName::from_bytes(reader.long()?).ok()?;
            headers.append(name, HeaderValue::from_bytes(reader.long()?).ok()?);
        }
        let body = match reader.array()? {
            [0] => BodyAt::Here(reader.shared()?),
            [1] => BodyAt::File(Place {
                id: u64::from_le_bytes(reader.array()?),
                length: u64::from_le_bytes(reader.array()?),
                checksum: u32::from_le_bytes(reader.array()?),
            }),
            _ => return None,
        };
        Some(Self { sequence, meta, headers, body })
    }

    /// Returns the file in which its body lies.
    pub(super) const fn place(&self) -> Option<Place> {
        match &self.body {
            BodyAt::Here(_) => None,
            BodyAt::File(place) => Some(*place),
        }
    }
}

/// Over everything but magic and checksum.
fn checksum_of(bytes: &[u8]) -> Option<u32> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes.get(8..20)?);
    hasher.update(bytes.get(FRAME_BYTES..)?);
    Some(hasher.finalize())
}

fn push_long(bytes: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    bytes.extend(u32::try_from(text.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(text);
    Some(())
}

/// Reads from the front; also the purge log's.
pub(super) struct Reader<'a> {
    pub(super) whole: &'a Bytes,
    pub(super) left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.left.split_first_chunk()?;
        self.left = rest;
        Some(*taken)
    }

    fn count(&mut self) -> Option<usize> {
        self.array().map(u16::from_le_bytes).map(usize::from)
    }

    pub(super) fn long(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
        let (taken, rest) = self.left.split_at_checked(length)?;
        self.left = rest;
        Some(taken)
    }

    /// The same without a copy.
    fn shared(&mut self) -> Option<Bytes> {
        let taken = self.long()?;
        Some(self.whole.slice_ref(taken))
    }
}

#[cfg(test)]
mod tests {
    use cache_core::{Exchange, Key, Rules, Storage, storage};
    use domain::Timestamp;
    use http::{Method, StatusCode};
    use proptest::prelude::*;

    use super::*;

    fn variant(sequence: u64, fields: &[(String, Vec<u8>)], body: BodyAt) -> Variant {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
        for (name, value) in fields {
            let name = HeaderName::try_from(format!("x-{name}")).expect("is a name");
            headers.append(name, HeaderValue::from_bytes(value).expect("is a value"));
        }
        let now = Timestamp::from_unix_ms(1_000_000);
        let exchange = Exchange {
            method: &Method::GET,
            target: &Key::of("http", "a", "/"),
            request: &HeaderMap::new(),
            status: StatusCode::OK,
            response: &headers,
            requested_at: now,
            responded_at: now,
        };
        let Storage::Store(meta) = storage::decide(&exchange, &Rules::default()) else {
            panic!("is not stored")
        };
        Variant { sequence, meta, headers, body }
    }

    fn body() -> impl Strategy<Value = BodyAt> {
        let place = |(id, length, checksum)| BodyAt::File(Place { id, length, checksum });
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200).prop_map(|body| BodyAt::Here(body.into())),
            any::<(u64, u64, u32)>().prop_map(place),
        ]
    }

    prop_compose! {
        fn heads()(
            key in "[a-z:/?=]{1,40}",
            variants in prop::collection::vec(
                (
                    any::<u64>(),
                    prop::collection::vec(("[a-z]{1,8}", prop::collection::vec(32_u8..126, 0..30)), 0..6),
                    body(),
                ),
                0..5,
            ),
        ) -> Heads {
            let variants = variants.into_iter();
            let variants = variants.map(|(sequence, fields, body)| variant(sequence, &fields, body));
            Heads { key, variants: variants.collect() }
        }
    }

    proptest! {
        #[test]
        fn comes_back_from_bytes(heads in heads(), epoch: u64) {
            let bytes = Bytes::from(heads.encode(epoch).unwrap());
            prop_assert_eq!(Heads::decode(&bytes, epoch), Ok(heads));
            prop_assert_eq!(Heads::decode(&bytes, epoch.wrapping_add(1)), Err(Unreadable::Foreign));
        }

        #[test]
        fn reads_nothing_that_was_cut_prolonged_or_flipped(
            heads in heads(),
            at: prop::sample::Index,
            bit in 0_u8..8,
        ) {
            let bytes = heads.encode(7).unwrap();
            let at = at.index(bytes.len());
            let cut = Bytes::copy_from_slice(&bytes[..at]);
            prop_assert!(Heads::decode(&cut, 7).is_err());
            let mut longer = bytes.clone();
            longer.push(0);
            prop_assert_eq!(Heads::decode(&longer.into(), 7), Err(Unreadable::Damaged));
            let mut flipped = bytes;
            flipped[at] ^= 1 << bit;
            prop_assert!(Heads::decode(&flipped.into(), 7).is_err());
        }

        #[test]
        fn reads_no_garbage(garbage in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Heads::decode(&garbage.clone().into(), 7).is_err());
            // With a frame that is right.
            let mut bytes = [&MAGIC[..], &7_u64.to_le_bytes(), &[0; 8], &garbage].concat();
            let length = u32::try_from(garbage.len()).unwrap().to_le_bytes();
            bytes[16..20].copy_from_slice(&length);
            let checksum = checksum_of(&bytes).unwrap().to_le_bytes();
            bytes[20..24].copy_from_slice(&checksum);
            // Whatever it says, it says it without a panic and without more memory than it has bytes.
            if let Ok(read) = Heads::decode(&bytes.into(), 7) {
                prop_assert!(read.variants.len() <= garbage.len());
            }
        }
    }

    #[test]
    fn writes_nothing_that_it_would_not_read() {
        let large = vec![b'x'; HEAD_BYTES_MAX];
        let variants = vec![variant(1, &[], BodyAt::Here(large.into()))];
        assert_eq!(Heads { key: "http://a/".into(), variants }.encode(1), None);
    }
}
