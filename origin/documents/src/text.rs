//! The font: which letters it has, and how wide words are.

use std::sync::LazyLock;

use krilla::Data;
use krilla::text::Font;
use rustybuzz::{Face, UnicodeBuffer};

use crate::DocumentError;

/// `DejaVu` Sans 2.37; its licence lies beside it.
static BYTES: &[u8] = include_bytes!("../fonts/DejaVuSans.ttf");

/// What stands for a letter that the font does not have.
const UNKNOWN: char = '?';

static FACE: LazyLock<Option<Face<'static>>> = LazyLock::new(|| Face::from_slice(BYTES, 0));

/// Letters, ready to be printed and measured.
#[derive(Clone)]
pub(crate) struct Letters {
    pub(crate) font: Font,
    face: &'static Face<'static>,
}

impl std::fmt::Debug for Letters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Letters(DejaVu Sans)")
    }
}

impl Letters {
    pub(crate) fn load() -> Result<Self, DocumentError> {
        let font = Font::new(Data::from(BYTES), 0).ok_or(DocumentError::Font)?;
        let face = FACE.as_ref().ok_or(DocumentError::Font)?;
        Ok(Self { font, face })
    }

    /// Returns the text in letters that there are: on one line, and nothing that cannot be seen.
    pub(crate) fn printable(&self, text: &str) -> String {
        let letter = |letter: char| match letter {
            letter if letter.is_whitespace() => ' ',
            letter if letter.is_control() || self.face.glyph_index(letter).is_none() => UNKNOWN,
            letter => letter,
        };
        text.chars().map(letter).collect()
    }

    /// Returns how wide a text is, in points.
    pub(crate) fn width(&self, text: &str, size: f32) -> f32 {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        let shaped = rustybuzz::shape(self.face, &[], buffer);
        let units: i64 =
            shaped.glyph_positions().iter().map(|glyph| i64::from(glyph.x_advance)).sum();
        #[expect(
            clippy::as_conversions,
            clippy::cast_precision_loss,
            reason = "a line is far shorter than the units that a float holds exactly"
        )]
        let units = units as f32;
        units * size / f32::from(u16::try_from(self.face.units_per_em()).unwrap_or(2_048))
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

    /// Cuts a word into full lines; returns what is left.
    fn cut(&self, word: &str, size: f32, width: f32, lines: &mut Vec<String>) -> String {
        let mut part = String::new();
        for letter in word.chars() {
            part.push(letter);
            if self.width(&part, size) > width && part.chars().count() > 1 {
                part.pop();
                lines.push(std::mem::replace(&mut part, letter.to_string()));
            }
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_the_font_has_stay_and_others_are_marked() {
        let letters = Letters::load().unwrap();
        for kept in ["Zażółć gęślą", "Ελένη", "Юлія", "שלום", "مرحبا", "Ångström & Söhne – 12 €"]
        {
            assert_eq!(letters.printable(kept), kept);
        }
        assert_eq!(letters.printable("山田 a\nb\u{7}"), "?? a b?");
    }

    #[test]
    fn lines_are_no_wider_than_they_may_be_and_nothing_is_lost() {
        let letters = Letters::load().unwrap();
        let text =
            "Lyra lounge chair with Donaudampfschifffahrtsgesellschaftskapitänsmützenhalter in oak";
        let lines = letters.wrap(text, 10.0, 120.0);
        assert!(lines.len() > 3, "{lines:?}");
        assert!(lines.iter().all(|line| letters.width(line, 10.0) <= 120.0), "{lines:?}");
        let letters_of = |text: &str| text.replace(' ', "");
        assert_eq!(letters_of(&lines.concat()), letters_of(text));
        assert_eq!(letters.wrap("", 10.0, 120.0), Vec::<String>::new());
    }
}
