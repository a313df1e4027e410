//! Fonts besides the one in the program: files that the operator names.

use krilla::Data;
use krilla::text::Font;
use rustybuzz::Face;
use rustybuzz::ttf_parser::{Permissions, fonts_in_collection};

/// Longest font file: 64 MiB. The largest of Debian's are a third of it.
pub const FONT_BYTES_MAX: usize = 64 << 20;

/// Most fonts besides the one in the program.
pub const FONTS_MAX: usize = 8;

/// Why a font is not taken. It ends a sentence that began with the name of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FontError {
    /// One too many.
    #[error("is one font too many: {FONTS_MAX} may be named")]
    TooMany,
    /// The file is too long.
    #[error("is longer than 64 MiB")]
    TooLong,
    /// It is something else.
    #[error("is no TrueType or OpenType font")]
    Unreadable,
    /// A collection has fewer fonts.
    #[error("has {count} fonts, counted from 0, so there is no {index}")]
    NoSuchFont {
        /// Which one was asked for.
        index: u32,
        /// How many there are.
        count: u32,
    },
    /// Its letters are pictures, which a document would show but nobody could print well.
    #[error("has no outlines")]
    NoOutlines,
    /// The font itself says that its maker forbids it.
    #[error("must not be put into documents, by what its maker wrote into it")]
    Forbidden,
}

/// Fonts besides the one in the program.
///
/// A letter is taken from the first that has it; the program's own is the first of all. They are kept in memory as they are in their files; a document carries only the letters that it uses.
#[derive(Debug, Clone, Default)]
pub struct Fonts {
    further: Vec<Further>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Further {
    bytes: Data,
    index: u32,
    font: Font,
}

impl Fonts {
    /// Adds a font: the content of a file, and which of its fonts where it is a collection, counted from 0.
    ///
    /// # Errors
    /// [`FontError`].
    pub fn add(&mut self, bytes: Vec<u8>, index: u32) -> Result<(), FontError> {
        if self.further.len() >= FONTS_MAX {
            return Err(FontError::TooMany);
        }
        if bytes.len() > FONT_BYTES_MAX {
            return Err(FontError::TooLong);
        }
        check(&bytes, index)?;
        let bytes = Data::from(bytes);
        let font = Font::new(bytes.clone(), index).ok_or(FontError::Unreadable)?;
        self.further.push(Further { bytes, index, font });
        Ok(())
    }

    /// Returns how many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.further.len()
    }

    pub(crate) fn further(&self) -> &[Further] {
        &self.further
    }
}

impl Further {
    /// Returns what measures and shapes its letters.
    pub(crate) fn face(&self) -> Option<Face<'_>> {
        Face::from_slice(self.bytes.as_ref(), self.index)
    }

    /// Returns what draws them.
    pub(crate) fn font(&self) -> Font {
        self.font.clone()
    }
}

fn check(bytes: &[u8], index: u32) -> Result<(), FontError> {
    // A file that is no collection has one font.
    let count = fonts_in_collection(bytes).unwrap_or(1);
    if index >= count {
        return Err(FontError::NoSuchFont { index, count });
    }
    let face = Face::from_slice(bytes, index).ok_or(FontError::Unreadable)?;
    let tables = face.tables();
    if tables.glyf.is_none() && tables.cff.is_none() && tables.cff2.is_none() {
        return Err(FontError::NoOutlines);
    }
    if face.permissions() == Some(Permissions::Restricted) || !face.is_subsetting_allowed() {
        return Err(FontError::Forbidden);
    }
    Ok(())
}
