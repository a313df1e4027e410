//! Papers that people keep: an order's invoice as a PDF.
//!
//! Layer: adapter (L3). Takes plain words and amounts and returns bytes; knows neither HTTP nor the store, and reads no clock.
//! A font is in the program: `DejaVu` Sans, for Latin, Greek, Cyrillic, Arabic, Hebrew, Armenian and Georgian letters. Others,
//! Chinese, Japanese and Korean among them, come from [`Fonts`] that the operator names; a letter that is in none of them is
//! printed as a question mark.
//! Not here: who may read it (`app`), what an order costs (`domain`).
//! Start at [`Invoice::to_pdf`].

mod fonts;
mod invoice;
mod page;
mod text;

pub use fonts::{FONT_BYTES_MAX, FONTS_MAX, FontError, Fonts};
pub use invoice::{Invoice, InvoiceLine, InvoiceSum, InvoiceTax};

/// Why a document could not be made. Its words are ours; nothing of a shopper is in them.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The font in the program cannot be read.
    #[error("read the font")]
    Font,
    /// The document could not be written.
    #[error("write the document: {0}")]
    Write(String),
}
