//! Letters: which font has them, in which order they stand, and how wide they are.

use std::ops::Range;
use std::sync::LazyLock;

use krilla::Data;
use krilla::text::{Font, TextDirection};
use rustybuzz::{Direction, Face, UnicodeBuffer};
use unicode_bidi::BidiInfo;
use unicode_normalization::UnicodeNormalization as _;
use unicode_script::{Script, UnicodeScript as _};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::{DocumentError, Fonts};

/// `DejaVu` Sans 2.37; its licence lies beside it.
static BYTES: &[u8] = include_bytes!("../fonts/DejaVuSans.ttf");

/// What stands for a letter that no font has.
const UNKNOWN: char = '?';

static FACE: LazyLock<Option<Face<'static>>> = LazyLock::new(|| Face::from_slice(BYTES, 0));

/// Letters, ready to be printed and measured.
pub(crate) struct Letters<'a> {
    fonts: Vec<(Face<'a>, Font)>,
}

/// Letters of one font, one script and one direction, as they stand beside others on a line.
#[derive(Debug)]
pub(crate) struct Run<'t> {
    pub(crate) font: Font,
    pub(crate) direction: TextDirection,
    pub(crate) text: &'t str,
    /// In points.
    pub(crate) width: f32,
}

/// Where a run is in its text, and which font it has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    font: usize,
    script: Script,
    is_rtl: bool,
    range: Range<usize>,
}

impl std::fmt::Debug for Letters<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Letters({} fonts)", self.fonts.len())
    }
}

impl<'a> Letters<'a> {
    pub(crate) fn load(fonts: &'a Fonts) -> Result<Self, DocumentError> {
        let own = Font::new(Data::from(BYTES), 0).ok_or(DocumentError::Font)?;
        let face = FACE.as_ref().ok_or(DocumentError::Font)?;
        let mut all = vec![(face.clone(), own)];
        for further in fonts.further() {
            all.push((further.face().ok_or(DocumentError::Font)?, further.font()));
        }
        Ok(Self { fonts: all })
    }

    /// Returns the text in letters that there are: on one line, each with its marks, and nothing that only steers. What
    /// can be written as one sign is: fonts have it rather than its parts.
    pub(crate) fn printable(&self, text: &str) -> String {
        let composed: String = text.nfc().filter(|letter| !is_steering(*letter)).collect();
        let mut printable = String::with_capacity(composed.len());
        for cluster in composed.graphemes(true) {
            let mut letters = cluster.chars();
            match letters.next() {
                Some(first) if first.is_whitespace() => printable.push(' '),
                Some(_) if self.font_of(cluster).is_some() => printable.push_str(cluster),
                // A letter is more than nothing where its mark is in no font that has it.
                Some(first) if letters.next().is_some() && self.has(first) => {
                    printable.extend([first, UNKNOWN]);
                }
                _ => printable.push(UNKNOWN),
            }
        }
        printable
    }

    /// Returns how wide a text is, in points.
    pub(crate) fn width(&self, text: &str, size: f32) -> f32 {
        self.runs(text, size).iter().map(|run| run.width).sum()
    }

    /// Returns what stands on a line from left to right.
    pub(crate) fn runs<'t>(&self, text: &'t str, size: f32) -> Vec<Run<'t>> {
        let run = |piece: Piece| {
            let text = text.get(piece.range.clone())?;
            let (face, font) = self.fonts.get(piece.font)?;
            let direction =
                if piece.is_rtl { TextDirection::RightToLeft } else { TextDirection::LeftToRight };
            let width = width_of(face, text, piece.is_rtl, size);
            Some(Run { font: font.clone(), direction, text, width })
        };
        self.pieces(text).into_iter().filter_map(run).collect()
    }

    /// Breaks a text where font, script or direction change; the order is that of the eye.
    fn pieces(&self, text: &str) -> Vec<Piece> {
        let bidi = BidiInfo::new(text, None);
        let mut pieces = Vec::new();
        for paragraph in &bidi.paragraphs {
            let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
            for run in runs {
                let is_rtl = levels.get(run.start).is_some_and(unicode_bidi::Level::is_rtl);
                let mut own = self.pieces_of(text, run, is_rtl);
                if is_rtl {
                    own.reverse();
                }
                pieces.append(&mut own);
            }
        }
        pieces
    }

    /// Breaks what has one direction, in the order in which it is read.
    fn pieces_of(&self, text: &str, range: Range<usize>, is_rtl: bool) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        let start = range.start;
        for (at, cluster) in text.get(range).unwrap_or_default().grapheme_indices(true) {
            let range = start + at..start + at + cluster.len();
            let script = script_of(cluster);
            let last = pieces.last_mut();
            // Spaces and points belong to what stands before them, if its font has them.
            let is_common = script == Script::Common;
            let font = match &last {
                Some(last) if is_common && self.is_in(last.font, cluster) => last.font,
                _ => self.font_of(cluster).unwrap_or(0),
            };
            match last {
                Some(last)
                    if last.font == font
                        && (is_common
                            || last.script == script
                            || last.script == Script::Common) =>
                {
                    last.range.end = range.end;
                    if last.script == Script::Common {
                        last.script = script;
                    }
                }
                _ => pieces.push(Piece { font, script, is_rtl, range }),
            }
        }
        pieces
    }

    /// Finds the first font that has a letter with all its marks.
    fn font_of(&self, cluster: &str) -> Option<usize> {
        (0..self.fonts.len()).find(|font| self.is_in(*font, cluster))
    }

    fn is_in(&self, font: usize, cluster: &str) -> bool {
        self.fonts.get(font).is_some_and(|(face, _)| {
            cluster.chars().all(|letter| is_joining(letter) || has(face, letter))
        })
    }

    fn has(&self, letter: char) -> bool {
        self.fonts.iter().any(|(face, _)| has(face, letter))
    }

    /// Breaks a text into lines that are no wider than `width`. A word that is wider is cut.
    pub(crate) fn wrap(&self, text: &str, size: f32, width: f32) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.width(&longer, size) <= width {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            line = self.cut(word, size, width, &mut lines);
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines
    }

    /// Cuts a word into full lines, never between a letter and its marks; returns what is left.
    fn cut(&self, word: &str, size: f32, width: f32, lines: &mut Vec<String>) -> String {
        let mut part = String::new();
        for cluster in word.graphemes(true) {
            let longer = format!("{part}{cluster}");
            if self.width(&longer, size) > width && !part.is_empty() {
                lines.push(std::mem::replace(&mut part, cluster.to_owned()));
            } else {
                part = longer;
            }
        }
        part
    }
}

fn has(face: &Face<'_>, letter: char) -> bool {
    !letter.is_control() && face.glyph_index(letter).is_some()
}

/// Tells whether a sign says how others are joined or drawn, and needs no letter of its own.
const fn is_joining(letter: char) -> bool {
    matches!(letter, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Tells whether a sign only steers the text: a name must not turn what stands beside it round.
const fn is_steering(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// Returns the first script of a letter with its marks that is one.
fn script_of(cluster: &str) -> Script {
    let own = cluster.chars().map(|letter| letter.script());
    let mut own = own.filter(|script| !matches!(script, Script::Common | Script::Inherited));
    own.next().unwrap_or(Script::Common)
}

fn width_of(face: &Face<'_>, text: &str, is_rtl: bool, size: f32) -> f32 {
    let mut buffer = UnicodeBuffer::new();
    buffer.push_str(text);
    buffer.guess_segment_properties();
    buffer.set_direction(if is_rtl { Direction::RightToLeft } else { Direction::LeftToRight });
    let shaped = rustybuzz::shape(face, &[], buffer);
    let units: i64 = shaped.glyph_positions().iter().map(|glyph| i64::from(glyph.x_advance)).sum();
    #[expect(
        clippy::as_conversions,
        clippy::cast_precision_loss,
        reason = "a line is far shorter than the units that a float holds exactly"
    )]
    let units = units as f32;
    units * size / f32::from(u16::try_from(face.units_per_em()).unwrap_or(2_048))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Chinese, Japanese and Korean letters of the tests; where it is from is told beside it.
    fn with_cjk() -> Fonts {
        let mut fonts = Fonts::default();
        fonts.add(include_bytes!("../tests/fonts/cjk.otf").to_vec(), 0).unwrap();
        fonts
    }

    #[test]
    fn letters_that_a_font_has_stay_and_others_are_marked() {
        let (own, more) = (Fonts::default(), with_cjk());
        let check = |fonts: &Fonts, text: &str, expected: &str| {
            assert_eq!(Letters::load(fonts).unwrap().printable(text), expected);
        };
        for kept in ["Zażółć gęślą", "Ελένη", "Юлія", "שלום", "مرحبا", "Ångström & Söhne – 12 €"]
        {
            check(&own, kept, kept);
        }
        check(&own, "山田 a\nb\u{7}", "?? a b?");
        check(&more, "山田 太郎", "山田 太郎");
        check(&more, "김민수 鬱", "김민수 ?");
        // Written in parts: letters with marks, and a Korean syllable.
        check(&more, "A\u{30a}ngstro\u{308}m \u{1100}\u{1175}\u{11b7}", "Ångström 김");
        check(&own, "\u{1100}\u{1175}\u{11b7}", "?");
        // A mark that no font has with its letter, and one that has none.
        check(&more, "a\u{3099}", "a?");
        // What only steers is left out, so that it turns nothing round.
        check(&own, "a\u{202e}b\u{200b}c\u{feff}", "abc");
    }

    #[test]
    fn each_letter_comes_from_the_first_font_that_has_it() {
        let fonts = with_cjk();
        let letters = Letters::load(&fonts).unwrap();
        let check = |text: &str, expected: &[(usize, bool, &str)]| {
            let pieces = letters.pieces(text);
            let found: Vec<(usize, bool, &str)> = pieces
                .iter()
                .map(|piece| (piece.font, piece.is_rtl, &text[piece.range.clone()]))
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check("Tanaka 山田 12", &[(0, false, "Tanaka "), (1, false, "山田"), (0, false, " 12")]);
        // From left to right as it is seen: what is read first stands at the right.
        check("שלום abc", &[(0, false, "abc"), (0, true, "שלום ")]);
        check("abc שלום 12", &[(0, false, "abc "), (0, false, "12"), (0, true, "שלום ")]);
        check("مرحبا שלום", &[(0, true, "שלום"), (0, true, "مرحبا ")]);
        check("", &[]);
    }

    #[test]
    fn lines_are_no_wider_than_they_may_be_and_nothing_is_lost() {
        let fonts = with_cjk();
        let letters = Letters::load(&fonts).unwrap();
        for text in [
            "Lyra lounge chair with Donaudampfschifffahrtsgesellschaftskapitänsmützenhalter in oak",
            &"山田太郎東京".repeat(20),
            &"e\u{323}\u{304}".repeat(90),
        ] {
            let lines = letters.wrap(text, 10.0, 120.0);
            assert!(lines.len() > 3, "{lines:?}");
            assert!(lines.iter().all(|line| letters.width(line, 10.0) <= 120.0), "{lines:?}");
            let letters_of = |text: &str| text.replace(' ', "");
            assert_eq!(letters_of(&lines.concat()), letters_of(text));
            let is_whole = |line: &String| !line.starts_with(['\u{323}', '\u{304}']);
            assert!(lines.iter().all(is_whole), "{lines:?}");
        }
        assert_eq!(letters.wrap("", 10.0, 120.0), Vec::<String>::new());
    }
}
