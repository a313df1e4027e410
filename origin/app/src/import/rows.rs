//! Makes commands of rows: what is wrong is told by column, and a row that is right can be carried out as it is.

use std::collections::BTreeMap;

use api_types::catalogue::Image;
use api_types::product::{NewPrice, NewProduct, NewVariant};
use domain::inventory::MAIN_LOCATION;
use domain::pricing::TaxClass;
use domain::{Currency, Handle, LocationId, Money, Sku, Timestamp};
use store::{
    CategoryEdit, Import, ImportChunk, ImportKind, ImportRow, ProductEdit, ProductTraits, RowError,
    VariantEdit,
};

use super::file::{Chunk, Fields};
use crate::listing::{self, Currencies};
use crate::{Error, Refusal};

/// Most pieces that can be counted: a million.
const COUNTED_MAX: u32 = 1_000_000;
/// What begins the names of columns with prices and with options.
const PRICE: &str = "price.";
const OPTION: &str = "option.";
/// The column with all options, as an export writes it: a JSON object.
pub(super) const OPTIONS: &str = "options";
/// Columns of a product that are taken, beside prices and options.
const PRODUCT_COLUMNS: [&str; 18] = [
    "handle",
    "title",
    "subtitle",
    "description",
    "category",
    "search_words",
    "featured",
    "tags",
    "sku",
    "variant_title",
    "image_url",
    "image_alt",
    "stock",
    "tax_class",
    "shippable",
    "discountable",
    "grams",
    OPTIONS,
];
const CATEGORY_COLUMNS: [&str; 6] =
    ["handle", "title", "description", "position", "image_url", "parent"];
/// Heaviest piece: 10 t.
const GRAMS_MAX: u32 = 10_000_000;
/// What stands for no parent: an empty cell says nothing, as in every column.
pub(crate) const TOP: &str = "/";
/// Farthest place of a category in lists.
const POSITION_MAX: u32 = 1_000_000;
/// Columns that an export writes and an import leaves alone.
const EXPORTED_COLUMNS: [&str; 4] = ["on_hand", "reserved", "version", "archived_at"];

/// What is wrong with one row: column, code, and what it must be.
type Wrong = Vec<(String, String, String)>;

/// Makes the command of a chunk.
pub(super) fn command(
    import: &Import,
    chunk: Chunk,
    sold_in: &Currencies,
    now: Timestamp,
) -> ImportChunk {
    let first = import.rows_done.saturating_add(import.rows_failed).saturating_add(1);
    let (mut rows, mut errors, mut wrong) = (Vec::new(), Vec::new(), 0_u64);
    for (number, row) in (first..).zip(chunk.rows) {
        let read = match row {
            Ok(fields) => read(import.kind, &fields, sold_in, now),
            Err((code, detail)) => Err(vec![("row".to_owned(), code.to_owned(), detail)]),
        };
        match read {
            Ok(row) => rows.push((number, row)),
            Err(found) => {
                wrong = wrong.saturating_add(1);
                let error = |(field, code, detail)| RowError { row: number, field, code, detail };
                errors.extend(found.into_iter().map(error));
            }
        }
    }
    ImportChunk {
        import: import.id,
        from: import.bytes_done,
        to: import.bytes_done.saturating_add(chunk.bytes),
        columns: chunk.columns,
        rows,
        errors,
        wrong,
        is_last: chunk.is_last,
        now,
    }
}

fn read(
    kind: ImportKind,
    fields: &Fields,
    sold_in: &Currencies,
    now: Timestamp,
) -> Result<ImportRow, Wrong> {
    match kind {
        ImportKind::Categories => read_category(fields),
        ImportKind::Products => read_product(fields, sold_in, now),
        ImportKind::Prices => read_prices(fields, sold_in),
        ImportKind::Stock => read_stock(fields),
    }
}

fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

fn wrong(field: &str, code: &str, detail: impl Into<String>) -> (String, String, String) {
    (field.to_owned(), code.to_owned(), detail.into())
}

/// Names the columns that are not known.
fn strangers(fields: &Fields, known: &[&str], prefixes: &[&str]) -> Wrong {
    let is_known = |name: &str| {
        known.contains(&name)
            || EXPORTED_COLUMNS.contains(&name)
            || prefixes.iter().any(|prefix| name.starts_with(prefix))
    };
    let strange = fields.keys().filter(|name| !is_known(name));
    strange.map(|name| wrong(name, "unknown-column", "is no column of this kind of file")).collect()
}

fn read_sku(fields: &Fields, found: &mut Wrong) -> Option<Sku> {
    let sku = text(fields, "sku").parse().ok();
    if sku.is_none() {
        let code = crate::validate::required_or_invalid(text(fields, "sku"));
        found.push(wrong("sku", code, "must be capital letters, digits and hyphens between them"));
    }
    sku
}

fn read_number(fields: &Fields, name: &str, most: u32, found: &mut Wrong) -> Option<u32> {
    let number = text(fields, name).parse().ok().filter(|number| *number <= most);
    if number.is_none() {
        let code = crate::validate::required_or_invalid(text(fields, name));
        found.push(wrong(name, code, format!("must be a whole number from 0 to {most}")));
    }
    number
}

/// Reads a number where there is one.
fn read_optional(fields: &Fields, name: &str, most: u32, found: &mut Wrong) -> Option<u32> {
    match text(fields, name) {
        "" => None,
        _ => read_number(fields, name, most, found),
    }
}

fn read_truth(fields: &Fields, name: &str, found: &mut Wrong) -> Option<bool> {
    match text(fields, name) {
        "" => None,
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => {
            found.push(wrong(name, "invalid", "must be true or false"));
            None
        }
    }
}

fn read_handle(fields: &Fields, name: &str, found: &mut Wrong) -> Option<Handle> {
    let handle = text(fields, name).parse().ok();
    if handle.is_none() {
        let code = crate::validate::required_or_invalid(text(fields, name));
        let detail = "must be small letters, digits and hyphens between them";
        found.push(wrong(name, code, detail));
    }
    handle
}

fn read_stock(fields: &Fields) -> Result<ImportRow, Wrong> {
    let mut found = strangers(fields, &["sku", "location", "counted", "safety"], &[]);
    let sku = read_sku(fields, &mut found);
    let location = match text(fields, "location") {
        "" => Some(MAIN_LOCATION),
        id => id.parse::<LocationId>().ok(),
    };
    if location.is_none() {
        found.push(wrong("location", "invalid", "must be the id of a location"));
    }
    // A file as it was exported says what is in the house; one of the staff's what was counted.
    let is_exported = text(fields, "counted").is_empty() && !text(fields, "on_hand").is_empty();
    let name = if is_exported { "on_hand" } else { "counted" };
    let counted = read_number(fields, name, COUNTED_MAX, &mut found);
    let safety = read_optional(fields, "safety", COUNTED_MAX, &mut found);
    match (sku, location, counted, found.is_empty()) {
        (Some(sku), Some(location), Some(counted), true) => {
            Ok(ImportRow::Stock { sku, location, counted, safety })
        }
        _ => Err(found),
    }
}

fn read_category(fields: &Fields) -> Result<ImportRow, Wrong> {
    let mut found = strangers(fields, &CATEGORY_COLUMNS, &[]);
    let handle = read_handle(fields, "handle", &mut found);
    let position = read_optional(fields, "position", POSITION_MAX, &mut found).map(i64::from);
    let parent = match fields.get("parent").map(String::as_str) {
        None => None,
        Some(TOP) => Some(None),
        Some(_) => read_handle(fields, "parent", &mut found).map(Some),
    };
    let given = |name: &str| fields.get(name).cloned();
    let mut edit = listing::Category {
        title: text(fields, "title").to_owned(),
        description: given("description"),
        image_url: given("image_url"),
    };
    if let Err(refusal) = edit.check() {
        found.extend(by_column(refusal));
    }
    match (handle, found.is_empty()) {
        (Some(handle), true) => Ok(ImportRow::Category(Box::new(CategoryEdit {
            handle,
            title: std::mem::take(&mut edit.title),
            description: edit.description,
            position,
            image_url: edit.image_url,
            parent,
        }))),
        _ => Err(found),
    }
}

fn read_prices(fields: &Fields, sold_in: &Currencies) -> Result<ImportRow, Wrong> {
    let mut found = strangers(fields, &["sku"], &[PRICE]);
    let sku = read_sku(fields, &mut found);
    let prices = amounts(fields, sold_in, &mut found);
    if prices.is_empty() && found.is_empty() {
        found.push(wrong("price", "required", "must have a price, for instance in price.EUR"));
    }
    match (sku, found.is_empty()) {
        (Some(sku), true) => Ok(ImportRow::Prices { sku, prices }),
        _ => Err(found),
    }
}

/// Reads the columns with prices: decimal amounts, as people write them.
fn amounts(fields: &Fields, sold_in: &Currencies, found: &mut Wrong) -> Vec<Money> {
    let mut amounts = Vec::new();
    for (name, text) in fields {
        let Some(code) = name.strip_prefix(PRICE) else { continue };
        let known = code.parse::<Currency>().ok().filter(|known| sold_in.all.contains(known));
        let Some(currency) = known else {
            found.push(wrong(name, "unknown", "is no currency of this shop"));
            continue;
        };
        match minor_of(text, currency) {
            Some(minor) => amounts.push(Money::new(minor, currency)),
            None => {
                let digits = currency.exponent();
                let detail =
                    format!("must be an amount with a point and at most {digits} digits after it");
                found.push(wrong(name, "invalid", detail));
            }
        }
    }
    amounts
}

/// Reads `19.9` as 1990 of a currency with two digits. No sign, no grouping, no more digits than the currency has.
fn minor_of(text: &str, currency: Currency) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = usize::try_from(currency.exponent()).ok()?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > digits || !is_number(whole) || !is_number(part) {
        return None;
    }
    format!("{whole}{part:0<digits$}")
        .parse()
        .ok()
        .filter(|minor| *minor <= listing::PRICE_MINOR_MAX)
}

fn read_product(fields: &Fields, sold_in: &Currencies, now: Timestamp) -> Result<ImportRow, Wrong> {
    let mut found = strangers(fields, &PRODUCT_COLUMNS, &[PRICE, OPTION]);
    let prices = amounts(fields, sold_in, &mut found);
    let featured = read_truth(fields, "featured", &mut found);
    let stock = read_optional(fields, "stock", COUNTED_MAX, &mut found);
    let traits = ProductTraits {
        tax_class: match text(fields, "tax_class") {
            "" => None,
            _ => read_handle(fields, "tax_class", &mut found).map(TaxClass),
        },
        is_shippable: read_truth(fields, "shippable", &mut found),
        is_discountable: read_truth(fields, "discountable", &mut found),
    };
    let grams = read_optional(fields, "grams", GRAMS_MAX, &mut found);
    let options = read_options(fields, &mut found);
    let has_options = options.is_some();
    let variant = variant(fields, &prices, options.unwrap_or_default(), stock.unwrap_or(0));
    let request = request(fields, variant, featured);
    let mut product = match listing::product(request, sold_in, now) {
        Ok(product) => product,
        Err(Error::Refused(refusal)) => {
            found.extend(by_column(*refusal));
            return Err(found);
        }
        Err(error) => return Err(vec![wrong("row", "invalid", error.to_string())]),
    };
    if !found.is_empty() {
        return Err(found);
    }
    product.traits = traits.clone();
    for variant in &mut product.variants {
        variant.grams = grams;
    }
    let given = |name: &str| fields.get(name).cloned();
    let edit = ProductEdit {
        title: Some(product.title.clone()),
        subtitle: given("subtitle"),
        description: given("description"),
        category: Some(product.category.clone()),
        search_words: given("search_words"),
        is_featured: featured,
        tags: given("tags").map(|text| words(&text)),
        images: None,
        options: None,
        traits,
    };
    let first = product.variants.first();
    let variant = VariantEdit {
        title: first.map(|variant| variant.title.clone()),
        options_json: first.filter(|_| has_options).map(|variant| variant.options_json.clone()),
        image_url: given("image_url"),
        image_alt: given("image_alt"),
        prices,
        grams,
    };
    let (product, edit, variant) = (Box::new(product), Box::new(edit), Box::new(variant));
    Ok(ImportRow::Product { product, edit, variant })
}

/// Reads a variant's options: all of them in one column, or one in each; nothing where the file names none.
fn read_options(fields: &Fields, found: &mut Wrong) -> Option<BTreeMap<String, String>> {
    let mut options: Option<BTreeMap<String, String>> = match text(fields, OPTIONS) {
        "" => None,
        text => {
            let read = serde_json::from_str(text).ok();
            if read.is_none() {
                let detail = "must be a JSON object of texts, for instance {\"Colour\":\"Red\"}";
                found.push(wrong(OPTIONS, "invalid", detail));
            }
            read
        }
    };
    for (name, value) in fields {
        if let Some(name) = name.strip_prefix(OPTION) {
            options.get_or_insert_default().insert(name.to_owned(), value.clone());
        }
    }
    options
}

fn words(text: &str) -> Vec<String> {
    text.split('|').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Writes a row's variant as the staff would ask for it, so that it is checked by the same rules.
fn variant(
    fields: &Fields,
    prices: &[Money],
    options: BTreeMap<String, String>,
    initial_stock: u32,
) -> NewVariant {
    let take = |name: &str| text(fields, name).to_owned();
    let price =
        |price: &Money| NewPrice { minor: price.minor, currency: price.currency.code().to_owned() };
    NewVariant {
        sku: take("sku"),
        title: take("variant_title"),
        options,
        image_url: take("image_url"),
        image_alt: take("image_alt"),
        model: None,
        prices: prices.iter().map(price).collect(),
        initial_stock,
    }
}

/// The same of its product, which has the variant's picture.
fn request(fields: &Fields, variant: NewVariant, featured: Option<bool>) -> NewProduct {
    let take = |name: &str| text(fields, name).to_owned();
    let image = Image { url: variant.image_url.clone(), alt: variant.image_alt.clone() };
    NewProduct {
        handle: take("handle"),
        title: take("title"),
        subtitle: take("subtitle"),
        description: take("description"),
        category: take("category"),
        search_words: take("search_words"),
        featured: featured.unwrap_or(false),
        tags: words(text(fields, "tags")),
        images: if image.url.is_empty() { Vec::new() } else { vec![image] },
        options: Vec::new(),
        variants: vec![variant],
    }
}

/// Tells what is wrong by column, where the rules tell it by JSON pointer.
fn by_column(refusal: Refusal) -> Wrong {
    let column = |pointer: &str| {
        let parts: Vec<&str> = pointer.split('/').skip(1).collect();
        match parts.as_slice() {
            ["variants", _, "title"] => "variant_title".to_owned(),
            ["variants", _, "prices", ..] => "price".to_owned(),
            ["variants", _, "initial_stock"] => "stock".to_owned(),
            ["variants", _, name, ..] => (*name).to_owned(),
            ["images", _, "url"] => "image_url".to_owned(),
            ["images", _, "alt"] => "image_alt".to_owned(),
            [name, ..] => (*name).to_owned(),
            [] => "row".to_owned(),
        }
    };
    let mut found: Wrong = refusal
        .fields
        .into_iter()
        .map(|one| (column(&one.pointer), one.code, one.detail))
        .collect();
    // A product and its variant have the same picture.
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sold_in() -> Currencies {
        Currencies {
            default: Currency::Eur,
            all: vec![Currency::Eur, Currency::Jpy, Currency::Kwd],
        }
    }

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn amounts_are_exact_in_the_digits_of_their_currency() {
        for (text, currency, minor) in [
            ("19.90", Currency::Eur, Some(1_990)),
            ("19.9", Currency::Eur, Some(1_990)),
            ("19", Currency::Eur, Some(1_900)),
            ("0", Currency::Eur, Some(0)),
            ("1200", Currency::Jpy, Some(1_200)),
            ("1.250", Currency::Kwd, Some(1_250)),
            ("19.905", Currency::Eur, None),
            ("1.5", Currency::Jpy, None),
            ("-1", Currency::Eur, None),
            ("1,000.00", Currency::Eur, None),
            (".5", Currency::Eur, None),
            ("99999999999999999999", Currency::Eur, None),
        ] {
            assert_eq!(minor_of(text, currency), minor, "{text}");
        }
    }

    #[test]
    fn options_come_in_one_column_or_in_one_each() {
        let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
        };
        for (row, expected) in [
            (vec![], None),
            (vec![("options", "{}")], Some(pairs(&[]))),
            (vec![("option.Size", "L")], Some(pairs(&[("Size", "L")]))),
            (
                vec![("options", r#"{"Size":"S","Colour":"a|b=c"}"#), ("option.Size", "L")],
                Some(pairs(&[("Size", "L"), ("Colour", "a|b=c")])),
            ),
        ] {
            let mut found = Wrong::new();
            assert_eq!(read_options(&fields(&row), &mut found), expected, "{row:?}");
            assert!(found.is_empty(), "{row:?}");
        }
        for text in ["Size=L", "[]", r#"{"Size":1}"#, r#"{"Size":{"L":"L"}}"#] {
            let mut found = Wrong::new();
            read_options(&fields(&[("options", text)]), &mut found);
            assert_eq!(found.len(), 1, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_column() {
        let now = Timestamp::from_unix_ms(0);
        let row =
            fields(&[("handle", "Cup"), ("price.USD", "1"), ("colour", "red"), ("stock", "-1")]);
        let found = read(ImportKind::Products, &row, &sold_in(), now).unwrap_err();
        let columns: Vec<&str> = found.iter().map(|(column, ..)| column.as_str()).collect();
        assert_eq!(
            columns,
            [
                "colour",
                "price.USD",
                "stock",
                "category",
                "handle",
                "price",
                "sku",
                "title",
                "variant_title"
            ]
        );
        let row = fields(&[("sku", "CUP"), ("counted", "7")]);
        assert!(matches!(
            read(ImportKind::Stock, &row, &sold_in(), now),
            Ok(ImportRow::Stock { counted: 7, safety: None, .. })
        ));
        let row = fields(&[("sku", "CUP"), ("on_hand", "7"), ("safety", "2")]);
        assert!(matches!(
            read(ImportKind::Stock, &row, &sold_in(), now),
            Ok(ImportRow::Stock { counted: 7, safety: Some(2), .. })
        ));
        let row = fields(&[("sku", "CUP"), ("counted", "7"), ("safety", "-2")]);
        assert!(read(ImportKind::Stock, &row, &sold_in(), now).is_err());
        assert!(read(ImportKind::Prices, &fields(&[("sku", "CUP")]), &sold_in(), now).is_err());
    }
}
