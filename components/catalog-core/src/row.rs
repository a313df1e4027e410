//! Reads rows into wire types. A row that does not fit is a fault of ours, never a guess.

use api_types::catalogue::{Availability, Category, Model, Product, ProductSummary, Variant};
use api_types::read_model::json_column;
use domain::{Currency, Money, Timestamp};
use ports::SqlValue;

/// A column that is missing or of another type; by number, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("column {0} is not what the statement promises")]
pub(crate) struct BadColumn(usize);

/// Hands out a row's values in order, each once, without copying them.
pub(crate) struct Columns {
    values: std::vec::IntoIter<SqlValue>,
    at: usize,
}

impl Columns {
    pub(crate) fn of(row: Vec<SqlValue>) -> Self {
        Self { values: row.into_iter(), at: 0 }
    }

    const fn bad(&self) -> BadColumn {
        BadColumn(self.at)
    }

    pub(crate) fn any(&mut self) -> Result<SqlValue, BadColumn> {
        self.at = self.at.saturating_add(1);
        self.values.next().ok_or_else(|| self.bad())
    }

    pub(crate) fn text(&mut self) -> Result<String, BadColumn> {
        self.optional_text()?.ok_or_else(|| self.bad())
    }

    fn optional_text(&mut self) -> Result<Option<String>, BadColumn> {
        match self.any()? {
            SqlValue::Text(text) => Ok(Some(text)),
            SqlValue::Null => Ok(None),
            SqlValue::Integer(_) | SqlValue::Real(_) | SqlValue::Blob(_) => Err(self.bad()),
        }
    }

    pub(crate) fn integer(&mut self) -> Result<i64, BadColumn> {
        self.optional_integer()?.ok_or_else(|| self.bad())
    }

    fn optional_integer(&mut self) -> Result<Option<i64>, BadColumn> {
        match self.any()? {
            SqlValue::Integer(number) => Ok(Some(number)),
            SqlValue::Null => Ok(None),
            SqlValue::Text(_) | SqlValue::Real(_) | SqlValue::Blob(_) => Err(self.bad()),
        }
    }

    fn moment(&mut self) -> Result<Option<Timestamp>, BadColumn> {
        Ok(self.optional_integer()?.map(Timestamp::from_unix_ms))
    }

    fn flag(&mut self) -> Result<bool, BadColumn> {
        Ok(self.integer()? != 0)
    }

    /// A SKU or a handle: checked in place, the text is not copied.
    fn named<T: TryFrom<String>>(&mut self) -> Result<T, BadColumn> {
        T::try_from(self.text()?).map_err(|_| self.bad())
    }

    fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, BadColumn> {
        json_column(&self.text()?).ok_or_else(|| self.bad())
    }

    fn currency(&mut self) -> Result<Option<Currency>, BadColumn> {
        self.optional_text()?.map(|code| code.parse().map_err(|_| self.bad())).transpose()
    }
}

/// An item of a list, and what a cursor needs to go on after it.
pub(crate) struct Listed {
    pub(crate) item: ProductSummary,
    pub(crate) id: i64,
    pub(crate) key: SqlValue,
}

/// Reads a row of a list (`sql`'s `columns!`).
pub(crate) fn listed(row: Vec<SqlValue>) -> Result<Listed, BadColumn> {
    let mut columns = Columns::of(row);
    let (sku, handle) = (columns.named()?, columns.named()?);
    let (title, subtitle) = (columns.text()?, columns.text()?);
    let category = columns.named()?;
    let (image_url, image_alt) = (columns.text()?, columns.text()?);
    let has_ar = columns.flag()?;
    // As `sql`'s `best!` numbers them.
    let availability = match columns.optional_integer()? {
        Some(4) => Availability::InStock,
        Some(3) => Availability::Low,
        Some(2) => Availability::Preorder,
        Some(1) => Availability::Backorder,
        _ => Availability::OutOfStock,
    };
    let minor = columns.integer()?;
    let currency = columns.currency()?.ok_or_else(|| columns.bad())?;
    let (id, key) = (columns.integer()?, columns.any()?);
    let price = Money::new(minor, currency);
    let item = ProductSummary {
        sku,
        handle,
        title,
        subtitle,
        category,
        price,
        image_url,
        image_alt,
        has_ar,
        available: availability != Availability::OutOfStock,
        availability,
    };
    Ok(Listed { item, id, key })
}

/// A product without its variants, and its id.
pub(crate) struct Found {
    pub(crate) id: i64,
    pub(crate) product: Product,
}

/// Reads a row of `sql::PRODUCT`; `None` where it has no price in the currency.
pub(crate) fn product(row: Vec<SqlValue>) -> Result<Option<Found>, BadColumn> {
    let mut columns = Columns::of(row);
    let id = columns.integer()?;
    let (sku, handle) = (columns.named()?, columns.named()?);
    let (title, subtitle, description) = (columns.text()?, columns.text()?, columns.text()?);
    let category = columns.named()?;
    let (tags, images, options) = (columns.json()?, columns.json()?, columns.json()?);
    let model: Option<Model> = match columns.optional_text()? {
        Some(text) => Some(json_column(&text).ok_or_else(|| columns.bad())?),
        None => None,
    };
    let (minor, currency) = (columns.optional_integer()?, columns.currency()?);
    let (Some(minor), Some(currency)) = (minor, currency) else { return Ok(None) };
    let product = Product {
        sku,
        handle,
        title,
        subtitle,
        description,
        category,
        tags,
        price: Money::new(minor, currency),
        images,
        options,
        variants: Vec::new(),
        model,
        ar: None,
    };
    Ok(Some(Found { id, product }))
}

/// Reads a row of `sql::VARIANTS` as it is now.
pub(crate) fn variant(
    row: Vec<SqlValue>,
    currency: Currency,
    now: Timestamp,
) -> Result<Variant, BadColumn> {
    let mut columns = Columns::of(row);
    let (sku, title, options) = (columns.named()?, columns.text()?, columns.json()?);
    let (image_url, image_alt) = (columns.text()?, columns.text()?);
    let has_ar = columns.flag()?;
    let price = Money::new(columns.integer()?, currency);
    let (state, promise) = (columns.text()?, columns.optional_text()?);
    let (ships_at, until) = (columns.moment()?, columns.moment()?);
    let availability = availability(&state, promise.as_deref(), until, now);
    let is_promised = matches!(availability, Availability::Preorder | Availability::Backorder);
    // What is awaited ships with its delivery, and no pre-order before it comes out: the later one, as absent is first.
    // A delivery that is late comes at no known day.
    let ships_at = ships_at.max(until).filter(|&at| is_promised && now < at);
    Ok(Variant { sku, title, options, price, availability, ships_at, image_url, image_alt, has_ar })
}

/// Tells what a row of stock says: what is on the shelf first, then what is promised and still may be.
fn availability(
    state: &str,
    promise: Option<&str>,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Availability {
    match (state, promise) {
        ("in_stock", _) => Availability::InStock,
        ("low", _) => Availability::Low,
        _ if until.is_some_and(|until| until <= now) => Availability::OutOfStock,
        (_, Some("preorder")) => Availability::Preorder,
        (_, Some("backorder")) => Availability::Backorder,
        _ => Availability::OutOfStock,
    }
}

/// Reads a row of `sql::CATEGORIES`.
pub(crate) fn category(row: Vec<SqlValue>) -> Result<Category, BadColumn> {
    let mut columns = Columns::of(row);
    Ok(Category {
        handle: columns.named()?,
        title: columns.text()?,
        description: columns.text()?,
        image_url: columns.text()?,
        product_count: u32::try_from(columns.integer()?).map_err(|_| columns.bad())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shelf_comes_before_promises_and_promises_end_at_their_moment() {
        use Availability::{Backorder, InStock, Low, OutOfStock, Preorder};
        let now = Timestamp::from_unix_ms(1_000);
        let (passed, to_come) = (Some(1_000), Some(1_001));
        for (state, promise, until, expected) in [
            ("in_stock", None, None, InStock),
            ("in_stock", Some("preorder"), passed, InStock),
            ("low", Some("backorder"), None, Low),
            ("out_of_stock", None, None, OutOfStock),
            ("out_of_stock", Some("backorder"), None, Backorder),
            ("out_of_stock", Some("preorder"), to_come, Preorder),
            ("out_of_stock", Some("preorder"), passed, OutOfStock),
            ("out_of_stock", Some("of a later version"), None, OutOfStock),
        ] {
            let until = until.map(Timestamp::from_unix_ms);
            assert_eq!(availability(state, promise, until, now), expected, "{state} {promise:?}");
        }
    }
}
