//! Entity tags of answers, and what a conditional request says about them (RFC 9110, sections 8.8.3 and 13.1).
//!
//! A tag is XXH64 of the body: it only has to differ between versions of one address, nobody can gain by a
//! collision, and it costs a fraction of SHA-256 (which WebAssembly has no instructions for, and which would be the
//! largest part of a short catalogue answer).

use http::{HeaderMap, header};

const PRIME_1: u64 = 0x9E37_79B1_85EB_CA87;
const PRIME_2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const PRIME_3: u64 = 0x1656_67B1_9E37_79F9;
const PRIME_4: u64 = 0x85EB_CA77_C2B2_AE63;
const PRIME_5: u64 = 0x27D4_EB2F_1656_67C5;

/// Returns the strong entity tag of a body, quoted, 18 characters long.
#[must_use]
pub fn entity_tag(body: &[u8]) -> String {
    format!("\"{:016x}\"", digest(body))
}

/// Returns whether `If-None-Match` names `etag` (weak comparison, as the header demands), so that 304 is the answer.
#[must_use]
pub fn none_match_names(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = etag.strip_prefix("W/").unwrap_or(etag);
    headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(
        |list| {
            list.split(',').map(str::trim).any(|candidate| {
                candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == opaque
            })
        },
    )
}

/// Returns XXH64 with seed 0: quick, well spread, and the same on every host. Not for secrets.
#[must_use]
pub fn digest(bytes: &[u8]) -> u64 {
    let (blocks, mut rest) = bytes.as_chunks::<32>();
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let mut hash = if blocks.is_empty() { PRIME_5 } else { lanes(blocks) };
    hash = hash.wrapping_add(length);
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        hash ^= round(0, u64::from_le_bytes(*word));
        hash = hash.rotate_left(27).wrapping_mul(PRIME_1).wrapping_add(PRIME_4);
        rest = tail;
    }
    if let Some((word, tail)) = rest.split_first_chunk::<4>() {
        hash ^= u64::from(u32::from_le_bytes(*word)).wrapping_mul(PRIME_1);
        hash = hash.rotate_left(23).wrapping_mul(PRIME_2).wrapping_add(PRIME_3);
        rest = tail;
    }
    for byte in rest {
        hash ^= u64::from(*byte).wrapping_mul(PRIME_5);
        hash = hash.rotate_left(11).wrapping_mul(PRIME_1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(PRIME_2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(PRIME_3);
    hash ^ (hash >> 32)
}

fn lanes(blocks: &[[u8; 32]]) -> u64 {
    let mut a = PRIME_1.wrapping_add(PRIME_2);
    let mut b = PRIME_2;
    let mut c = 0_u64;
    let mut d = 0_u64.wrapping_sub(PRIME_1);
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        if let [w0, w1, w2, w3] = words {
            a = round(a, u64::from_le_bytes(*w0));
            b = round(b, u64::from_le_bytes(*w1));
            c = round(c, u64::from_le_bytes(*w2));
            d = round(d, u64::from_le_bytes(*w3));
        }
    }
    let mut hash = a
        .rotate_left(1)
        .wrapping_add(b.rotate_left(7))
        .wrapping_add(c.rotate_left(12))
        .wrapping_add(d.rotate_left(18));
    for lane in [a, b, c, d] {
        hash = (hash ^ round(0, lane)).wrapping_mul(PRIME_1).wrapping_add(PRIME_4);
    }
    hash
}

const fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(PRIME_2)).rotate_left(31).wrapping_mul(PRIME_1)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn digests_as_xxh64_does() {
        for (text, expected) in [
            ("", 0xef46_db37_51d8_e999_u64),
            ("a", 0xd24e_c4f1_a98c_6e5b),
            ("abc", 0x44bc_2cf5_ad77_0999),
            ("Nobody inspects the spammish repetition", 0xfbce_a83c_8a37_8bf1),
        ] {
            assert_eq!(digest(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn finds_its_tag_in_a_list_weak_or_strong_or_any() {
        let tag = entity_tag(b"abc");
        assert_eq!(tag, "\"44bc2cf5ad770999\"");
        for (sent, expected) in [
            (tag.clone(), true),
            (format!("W/{tag}"), true),
            (format!("\"x\", {tag}"), true),
            ("*".to_owned(), true),
            ("\"x\"".to_owned(), false),
            ("44bc2cf5ad770999".to_owned(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(&sent).unwrap());
            assert_eq!(none_match_names(&headers, &tag), expected, "{sent}");
        }
        assert!(!none_match_names(&HeaderMap::new(), &tag));
    }
}
