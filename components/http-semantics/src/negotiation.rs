//! Which content coding a client gets (RFC 9110, section 12.5.3).

use http::{HeaderMap, header};

/// How content is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coding {
    /// Brotli (RFC 7932).
    Brotli,
    /// Zstandard (RFC 8878), with a window of at most 8 MiB (RFC 9659).
    Zstd,
    /// gzip (RFC 1952).
    Gzip,
    /// Not at all.
    Identity,
}

impl Coding {
    /// The order for files that are packed once and sent often: the smallest first.
    pub const STATIC: [Self; 4] = [Self::Brotli, Self::Zstd, Self::Gzip, Self::Identity];

    /// The order for answers that are packed as they are sent: the quickest for its size first.
    pub const DYNAMIC: [Self; 4] = [Self::Zstd, Self::Brotli, Self::Gzip, Self::Identity];

    /// Returns its name in `Content-Encoding`. Identity is not named there.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    fn is_named(self, name: &str) -> bool {
        // Section 8.4.1.3: `x-gzip` is the same as `gzip`.
        name.eq_ignore_ascii_case(self.name())
            || (self == Self::Gzip && name.eq_ignore_ascii_case("x-gzip"))
    }

    const fn place(self) -> usize {
        match self {
            Self::Brotli => 0,
            Self::Zstd => 1,
            Self::Gzip => 2,
            Self::Identity => 3,
        }
    }
}

/// How much a client wants each coding: 0 not at all, up to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    listed: [Option<u16>; 4],
    others: Option<u16>,
}

impl Accepted {
    /// Reads `Accept-Encoding` over all its lines. Members that cannot be read are ignored; of a coding that is named
    /// twice, the first counts.
    ///
    /// A request without the header accepts anything by the RFC, but gets the content unpacked: programs that do not name
    /// a coding seldom know one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut accepted = Self { listed: [None; 4], others: None };
        let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
        let members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        for member in members.filter_map(|member| core::str::from_utf8(member).ok()) {
            let Some((name, quality)) = read(member) else { continue };
            if name == "*" {
                accepted.others.get_or_insert(quality);
            }
            let codings = Coding::STATIC.into_iter().filter(|coding| coding.is_named(name));
            for coding in codings {
                if let Some(place) = accepted.listed.get_mut(coding.place()) {
                    place.get_or_insert(quality);
                }
            }
        }
        accepted
    }

    /// Returns how much the client wants a coding, from 0 (not at all) to 1,000. An identity that nobody mentions is
    /// acceptable, but whatever is mentioned is wanted more; here it has 0, see [`Self::is_acceptable`].
    #[must_use]
    pub fn quality(&self, coding: Coding) -> u16 {
        let listed = self.listed.get(coding.place()).copied().flatten();
        listed.or(self.others).unwrap_or(0)
    }

    /// Returns whether the client takes a coding.
    #[must_use]
    pub fn is_acceptable(&self, coding: Coding) -> bool {
        let listed = self.listed.get(coding.place()).copied().flatten();
        match listed.or(self.others) {
            Some(quality) => quality > 0,
            None => coding == Coding::Identity,
        }
    }

    /// Returns those of `available` that the client takes: what it wants most first, and among equals in the order of
    /// `available`, which is the server's.
    #[must_use]
    pub fn ranked(&self, available: &[Coding]) -> Vec<Coding> {
        let mut ranked: Vec<Coding> =
            available.iter().copied().filter(|coding| self.is_acceptable(*coding)).collect();
        ranked.sort_by_key(|coding| core::cmp::Reverse(self.quality(*coding)));
        ranked
    }

    /// Returns the best of `available`; `None` where the client takes none of them. Then it is best sent unpacked all the
    /// same: section 12.1 lets a server do so, and a 406 helps nobody.
    #[must_use]
    pub fn choose(&self, available: &[Coding]) -> Option<Coding> {
        self.ranked(available).first().copied()
    }
}

/// Reads a member: a coding and its weight.
fn read(member: &str) -> Option<(&str, u16)> {
    let (name, weight) = match member.split_once(';') {
        Some((name, weight)) => (name, Some(weight)),
        None => (member, None),
    };
    let name = name.trim();
    let quality = match weight {
        None => 1_000,
        Some(weight) => {
            let (key, value) = weight.trim().split_once('=')?;
            key.eq_ignore_ascii_case("q").then_some(())?;
            quality(value)?
        }
    };
    (!name.is_empty()).then_some((name, quality))
}

/// Reads a weight in thousandths (section 12.4.2): `0`, `1`, with up to three digits after a point.
fn quality(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_short = fraction.len() <= 3 && fraction.bytes().all(|b| b.is_ascii_digit());
    let fraction = format!("{fraction:0<3}").parse::<u16>().ok().filter(|_| is_short)?;
    match (whole, fraction) {
        ("0", _) => Some(fraction),
        ("1", 0) => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use Coding::{Brotli, Gzip, Identity, Zstd};
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn accepted(lines: &[&str]) -> Accepted {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            headers.append(header::ACCEPT_ENCODING, value);
        }
        Accepted::of(&headers)
    }

    #[test]
    fn rfc9110_12_5_3_chooses_by_weight_and_then_by_the_servers_order() {
        for (line, expected) in [
            ("gzip, deflate, br, zstd", &[Brotli, Zstd, Gzip, Identity][..]),
            ("gzip, deflate", &[Gzip, Identity]),
            ("gzip;q=1.0, br;q=0.5", &[Gzip, Brotli, Identity]),
            ("br;q=0, gzip;q=0.5", &[Gzip, Identity]),
            ("zstd;q=0.9, br;q=0.9, gzip", &[Gzip, Brotli, Zstd, Identity]),
            ("identity", &[Identity]),
            ("identity;q=1, gzip;q=0.5", &[Identity, Gzip]),
            ("gzip;q=0.5, identity;q=0.1", &[Gzip, Identity]),
            ("gzip;q=0.001", &[Gzip, Identity]),
            ("identity;q=0", &[]),
            ("gzip, identity;q=0", &[Gzip]),
            ("*", &[Brotli, Zstd, Gzip, Identity]),
            ("*;q=0", &[]),
            ("*;q=0, gzip", &[Gzip]),
            ("gzip;q=0.3, *;q=0.5", &[Brotli, Zstd, Identity, Gzip]),
            ("*;q=0, identity;q=0.2", &[Identity]),
            ("br;q=0, *", &[Zstd, Gzip, Identity]),
            ("compress, deflate", &[Identity]),
            ("", &[Identity]),
            ("  ,, , ", &[Identity]),
        ] {
            assert_eq!(accepted(&[line]).ranked(&Coding::STATIC), expected, "{line}");
        }
        assert_eq!(accepted(&[]).ranked(&Coding::STATIC), [Identity], "no header");
    }

    #[test]
    fn rfc9110_12_5_3_chooses_among_what_there_is() {
        let browser = accepted(&["gzip, deflate, br, zstd"]);
        assert_eq!(browser.choose(&Coding::DYNAMIC), Some(Zstd));
        assert_eq!(browser.choose(&[Gzip, Identity]), Some(Gzip));
        assert_eq!(browser.choose(&[Identity]), Some(Identity));
        assert_eq!(browser.choose(&[]), None);
        assert_eq!(accepted(&["gzip, identity;q=0"]).choose(&[Brotli, Identity]), None);
    }

    #[test]
    fn rfc9110_8_4_1_3_names_do_not_depend_on_case_and_x_gzip_is_gzip() {
        assert_eq!(accepted(&["GZIP"]).choose(&[Gzip]), Some(Gzip));
        assert_eq!(accepted(&["x-gzip;Q=0.5"]).quality(Gzip), 500);
        assert_eq!(accepted(&["Br ; q=0.7"]).quality(Brotli), 700);
    }

    #[test]
    fn rfc9110_12_4_2_ignores_members_that_cannot_be_read() {
        for bad in [
            "gzip;q=1.001",
            "gzip;q=2",
            "gzip;q=-1",
            "gzip;q=0.1234",
            "gzip;q=.5",
            "gzip;q=1.x",
            "gzip;q=",
            "gzip;q",
            "gzip;level=9",
            "gzip;q=0.5;q=1",
            "gz ip",
            ";q=1",
            "gzip;q=é",
        ] {
            assert!(!accepted(&[bad]).is_acceptable(Gzip), "{bad}");
            assert!(accepted(&[&format!("{bad}, br")]).is_acceptable(Brotli), "{bad}");
        }
        for (good, expected) in
            [("gzip;q=0.", 0), ("gzip;q=1.000", 1_000), ("gzip;q=0.25", 250), ("gzip; q=0.007", 7)]
        {
            assert_eq!(accepted(&[good]).quality(Gzip), expected, "{good}");
        }
    }

    #[test]
    fn lines_are_one_list_and_the_first_mention_counts() {
        let both = accepted(&["gzip;q=0.2", "br;q=0.4, gzip"]);
        assert_eq!((both.quality(Gzip), both.quality(Brotli)), (200, 400));
    }

    proptest! {
        #[test]
        fn weights_are_read_as_they_are_written(thousandths in 0_u16..=1_000) {
            let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
            prop_assert_eq!(quality(&text), Some(thousandths));
        }

        #[test]
        fn whatever_is_ranked_is_acceptable_and_in_order(line in "[a-z*;=q0-9., -]{0,40}") {
            let accepted = accepted(&[&line]);
            let ranked = accepted.ranked(&Coding::STATIC);
            prop_assert!(ranked.iter().all(|coding| accepted.is_acceptable(*coding)));
            let qualities: Vec<_> = ranked.iter().map(|coding| accepted.quality(*coding)).collect();
            prop_assert!(qualities.is_sorted_by(|one, other| one >= other));
        }
    }
}
