//! Reads rows into wire types. A row that does not fit is a fault of ours, never a guess.

use api_types::catalogue::{Availability, Category, Model, Product, ProductSummary, Variant};
use api_types::read_model::json_column;
use domain::{Currency, Money};
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
    let (has_ar, available) = (columns.flag()?, columns.flag()?);
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
        available,
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

/// Reads a row of `sql::VARIANTS`.
pub(crate) fn variant(row: Vec<SqlValue>, currency: Currency) -> Result<Variant, BadColumn> {
    let mut columns = Columns::of(row);
    Ok(Variant {
        sku: columns.named()?,
        title: columns.text()?,
        options: columns.json()?,
        image_url: columns.text()?,
        image_alt: columns.text()?,
        has_ar: columns.flag()?,
        price: Money::new(columns.integer()?, currency),
        availability: match columns.text()?.as_str() {
            "in_stock" => Availability::InStock,
            "low" => Availability::Low,
            _ => Availability::OutOfStock,
        },
    })
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
