//! What makes a rule of the shop (promotion, tax, tariff) unusable.

/// Why a rule was refused when it was written down, or when a quote came upon it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// A text is empty or longer than [`TITLE_BYTES_MAX`](super::TITLE_BYTES_MAX).
    #[error("a title has 1 to 120 bytes")]
    Title,
    /// A discount of nothing.
    #[error("a promotion takes something off")]
    NothingOff,
    /// An amount is missing for every currency, or below what it may be.
    #[error("amounts are given for one currency at least and are not negative")]
    Amount,
    /// The class does not go with the effect.
    #[error("free shipping is of the class shipping, buy-and-get of the class line")]
    Class,
    /// Targets name nothing, or too many things.
    #[error("targets name 1 to 500 things")]
    Target,
    /// A window of time ends before it starts.
    #[error("a window of time ends after it starts")]
    Window,
    /// Pieces to buy or to get, or repeats, are out of range.
    #[error("pieces and repeats are from 1 to 4 950")]
    Count,
    /// A table has no steps, too many, or steps out of order.
    #[error("a table has 1 to 50 steps in rising order")]
    Table,
    /// A zone has too many rates, or two of one name for one class.
    #[error("a zone has at most 32 rates, each of its own name within its class")]
    Rates,
    /// A zone or a tariff names too many places.
    #[error("a zone names at most 200 places")]
    Places,
    /// Zones, methods or tariffs are too many, or two have one name.
    #[error("zones, methods and tariffs are limited in number and have names of their own")]
    Names,
    /// An estimate ends before it starts.
    #[error("an estimate's most days are not fewer than its least")]
    Days,
}

/// Returns `Ok` if `is_good`, else the error.
pub(super) fn ensure(is_good: bool, error: InvalidRule) -> Result<(), InvalidRule> {
    if is_good { Ok(()) } else { Err(error) }
}

/// Checks a text that people read.
pub(super) fn check_title(title: &str) -> Result<(), InvalidRule> {
    let is_good = !title.is_empty() && title.len() <= super::TITLE_BYTES_MAX;
    ensure(is_good, InvalidRule::Title)
}
