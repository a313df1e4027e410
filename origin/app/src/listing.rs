//! Checks products, variants and prices as they are written, by whatever way; says every wrong field at once.

use api_types::catalogue::{Image, ProductOption};
use api_types::product::{NewPrice, NewProduct, NewVariant, ProductChange, VariantModel};
use domain::{Currency, Handle, Money, Sku, Timestamp};
use store::{ProductEdit, ProductRow, ProductTraits, VariantRow};

use crate::validate::required_or_invalid;
use crate::{Error, Refusal};

/// Longest title, subtitle and word: 200 characters.
const LINE_CHARS_MAX: usize = 200;
/// Longest description and search words: 10 000 characters.
const TEXT_CHARS_MAX: usize = 10_000;
/// Longest URL: 500 bytes.
const URL_BYTES_MAX: usize = 500;
/// Most tags, pictures, and values of an option: 50.
const WORDS_MAX: usize = 50;
/// Most options: 5.
const OPTIONS_MAX: usize = 5;
/// Most variants of one request: 100.
const VARIANTS_MAX: usize = 100;
/// Largest price: 9 999 999.99 of a currency with two digits, far below where sums could overflow.
pub(crate) const PRICE_MINOR_MAX: i64 = 999_999_999;
/// Most pieces that are received with a new SKU: a million.
const STOCK_MAX: u32 = 1_000_000;
/// Largest measure: 100 m.
const MILLIMETRES_MAX: i64 = 100_000;

/// What the shop sells in.
#[derive(Debug, Clone)]
pub(crate) struct Currencies {
    /// The one that every variant has a price in.
    pub(crate) default: Currency,
    /// Every one.
    pub(crate) all: Vec<Currency>,
}

/// Collects what is wrong.
struct Check<'a> {
    refusal: &'a mut Refusal,
    at: &'a str,
}

impl Check<'_> {
    fn wrong(&mut self, name: &str, code: &str, detail: impl Into<String>) {
        let pointer = format!("{}/{name}", self.at);
        *self.refusal =
            std::mem::replace(self.refusal, Refusal::invalid()).field(pointer, code, detail);
    }

    /// A line of text for people.
    fn line(&mut self, name: &str, text: &str, is_required: bool, chars_max: usize) {
        let count = text.chars().count();
        let is_plain = !text.contains(|c: char| c.is_control() && c != '\n');
        if (is_required && text.trim().is_empty()) || count > chars_max || !is_plain {
            let least = usize::from(is_required);
            let detail = format!("must have {least} to {chars_max} characters, none of control");
            self.wrong(name, required_or_invalid(text), detail);
        }
    }

    /// A path of this shop, or a secure URL.
    fn url(&mut self, name: &str, url: &str) {
        let is_ours = url.starts_with('/') && !url.starts_with("//");
        // A browser takes a backslash for a slash.
        let is_fine = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        let is_plain = url.bytes().all(is_fine) && url.len() <= URL_BYTES_MAX;
        if !url.is_empty() && !(is_plain && (is_ours || url.starts_with("https://"))) {
            let detail = format!(
                "must be a path of this shop or an https URL of at most {URL_BYTES_MAX} bytes"
            );
            self.wrong(name, "invalid", detail);
        }
    }

    fn count(&mut self, name: &str, count: usize, least: usize, most: usize) {
        if !(least..=most).contains(&count) {
            let code = if count == 0 { "required" } else { "too-many" };
            self.wrong(name, code, format!("must be {least} to {most}"));
        }
    }

    fn words(&mut self, name: &str, words: &[String]) {
        self.count(name, words.len(), 0, WORDS_MAX);
        for (index, word) in words.iter().take(WORDS_MAX).enumerate() {
            self.line(&format!("{name}/{index}"), word, true, LINE_CHARS_MAX);
        }
    }

    fn images(&mut self, images: &[Image]) {
        self.count("images", images.len(), 0, WORDS_MAX);
        for (index, image) in images.iter().take(WORDS_MAX).enumerate() {
            self.url(&format!("images/{index}/url"), &image.url);
            self.line(&format!("images/{index}/alt"), &image.alt, false, LINE_CHARS_MAX);
        }
    }

    fn options(&mut self, options: &[ProductOption]) {
        self.count("options", options.len(), 0, OPTIONS_MAX);
        for (index, option) in options.iter().take(OPTIONS_MAX).enumerate() {
            self.line(&format!("options/{index}/name"), &option.name, true, LINE_CHARS_MAX);
            self.words(&format!("options/{index}/values"), &option.values);
        }
    }

    fn handle(&mut self, name: &str, text: &str) -> Option<Handle> {
        let handle = text.parse().ok();
        if handle.is_none() {
            let detail = "must be small letters, digits and hyphens between them";
            self.wrong(name, required_or_invalid(text), detail);
        }
        handle
    }
}

/// A category's words, as they are brought in.
pub(crate) struct Category {
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) image_url: Option<String>,
}

impl Category {
    /// Checks them by the rules of a product's.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let mut refusal = Refusal::invalid();
        let mut check = Check { refusal: &mut refusal, at: "" };
        let text = self.description.as_deref().unwrap_or_default();
        check.line("title", &self.title, true, LINE_CHARS_MAX);
        check.line("description", text, false, TEXT_CHARS_MAX);
        check.url("image_url", self.image_url.as_deref().unwrap_or_default());
        if refusal.fields.is_empty() { Ok(()) } else { Err(refusal) }
    }
}

/// Checks a new product.
pub(crate) fn product(
    request: NewProduct,
    sold_in: &Currencies,
    now: Timestamp,
) -> Result<ProductRow, Error> {
    let mut refusal = Refusal::invalid();
    let mut check = Check { refusal: &mut refusal, at: "" };
    let handle = check.handle("handle", &request.handle);
    let category = check.handle("category", &request.category);
    check.line("title", &request.title, true, LINE_CHARS_MAX);
    check.line("subtitle", &request.subtitle, false, LINE_CHARS_MAX);
    check.line("description", &request.description, false, TEXT_CHARS_MAX);
    check.line("search_words", &request.search_words, false, TEXT_CHARS_MAX);
    check.words("tags", &request.tags);
    check.images(&request.images);
    check.options(&request.options);
    check.count("variants", request.variants.len(), 1, VARIANTS_MAX);
    let mut variants: Vec<VariantRow> = Vec::new();
    for (index, one) in request.variants.into_iter().take(VARIANTS_MAX).enumerate() {
        let at = format!("/variants/{index}");
        let Some(row) = variant(&at, one, sold_in, &mut refusal) else { continue };
        if variants.iter().any(|other| other.sku == row.sku) {
            let mut check = Check { refusal: &mut refusal, at: &at };
            check.wrong("sku", "repeated", "must be another one than that of a variant before");
        }
        variants.push(row);
    }
    let (Some(handle), Some(category), true) = (handle, category, refusal.fields.is_empty()) else {
        return Err(refusal.into());
    };
    Ok(ProductRow {
        handle,
        category,
        title: request.title.trim().to_owned(),
        subtitle: request.subtitle,
        description: request.description,
        search_words: request.search_words,
        is_featured: request.featured,
        created_at: now,
        tags_json: json(&request.tags)?,
        images_json: json(&request.images)?,
        options_json: json(&request.options)?,
        model_json: None,
        traits: ProductTraits::default(),
        variants,
    })
}

/// Checks a change of a product.
pub(crate) fn change(request: ProductChange) -> Result<ProductEdit, Error> {
    let mut refusal = Refusal::invalid();
    let mut check = Check { refusal: &mut refusal, at: "" };
    if let Some(title) = &request.title {
        check.line("title", title, true, LINE_CHARS_MAX);
    }
    for (name, text, chars_max) in [
        ("subtitle", &request.subtitle, LINE_CHARS_MAX),
        ("description", &request.description, TEXT_CHARS_MAX),
        ("search_words", &request.search_words, TEXT_CHARS_MAX),
    ] {
        if let Some(text) = text {
            check.line(name, text, false, chars_max);
        }
    }
    let category = request.category.as_deref().map(|text| check.handle("category", text));
    check.words("tags", request.tags.as_deref().unwrap_or_default());
    check.images(request.images.as_deref().unwrap_or_default());
    check.options(request.options.as_deref().unwrap_or_default());
    if !refusal.fields.is_empty() {
        return Err(refusal.into());
    }
    Ok(ProductEdit {
        title: request.title.map(|title| title.trim().to_owned()),
        subtitle: request.subtitle,
        description: request.description,
        category: category.flatten(),
        search_words: request.search_words,
        is_featured: request.featured,
        tags: request.tags,
        images: request.images,
        options: request.options,
        traits: ProductTraits::default(),
    })
}

/// Checks a variant whose fields lie below `at`.
pub(crate) fn variant(
    at: &str,
    request: NewVariant,
    sold_in: &Currencies,
    refusal: &mut Refusal,
) -> Option<VariantRow> {
    let mut check = Check { refusal, at };
    let sku = request.sku.parse::<Sku>().ok();
    if sku.is_none() {
        let detail = "must be capital letters, digits and hyphens between them";
        check.wrong("sku", required_or_invalid(&request.sku), detail);
    }
    check.line("title", &request.title, true, LINE_CHARS_MAX);
    check.url("image_url", &request.image_url);
    check.line("image_alt", &request.image_alt, false, LINE_CHARS_MAX);
    check.count("options", request.options.len(), 0, OPTIONS_MAX);
    for (name, value) in request.options.iter().take(OPTIONS_MAX) {
        check.line("options", name, true, LINE_CHARS_MAX);
        check.line("options", value, true, LINE_CHARS_MAX);
    }
    let model = request.model.unwrap_or_default();
    check_model(&mut check, &model);
    if request.initial_stock > STOCK_MAX {
        check.wrong("initial_stock", "too-large", format!("must be at most {STOCK_MAX}"));
    }
    let prices = prices(&format!("{at}/prices"), &request.prices, sold_in, refusal);
    Some(VariantRow {
        sku: sku?,
        title: request.title.trim().to_owned(),
        options_json: json(&request.options).ok()?,
        image_url: request.image_url,
        image_alt: request.image_alt,
        material_variant: model.material_variant,
        web_glb_url: model.web_glb_url,
        plain_glb_url: model.plain_glb_url,
        usdz_url: model.usdz_url,
        poster_url: model.poster_url,
        dimensions_mm: model.dimensions_mm,
        prices,
        initial_stock: i64::from(request.initial_stock),
        grams: None,
    })
}

fn check_model(check: &mut Check<'_>, model: &VariantModel) {
    check.line("model/material_variant", &model.material_variant, false, LINE_CHARS_MAX);
    for (name, url) in [
        ("model/web_glb_url", &model.web_glb_url),
        ("model/plain_glb_url", &model.plain_glb_url),
        ("model/usdz_url", &model.usdz_url),
        ("model/poster_url", &model.poster_url),
    ] {
        check.url(name, url);
    }
    if !model.dimensions_mm.iter().all(|measure| (0..=MILLIMETRES_MAX).contains(measure)) {
        let detail = format!("must be 0 to {MILLIMETRES_MAX} each");
        check.wrong("model/dimensions_mm", "out-of-range", detail);
    }
}

/// Checks all prices of a variant.
pub(crate) fn prices(
    at: &str,
    prices: &[NewPrice],
    sold_in: &Currencies,
    refusal: &mut Refusal,
) -> Vec<Money> {
    let mut check = Check { refusal, at };
    let mut read: Vec<Money> = Vec::new();
    for (index, price) in prices.iter().take(Currency::ALL.len()).enumerate() {
        let known = price.currency.parse().ok().filter(|code| sold_in.all.contains(code));
        let Some(currency) = known else {
            let words: Vec<&str> = sold_in.all.iter().map(|code| code.code()).collect();
            let code = if price.currency.is_empty() { "required" } else { "unknown" };
            let detail = format!("must be one of {}", words.join(", "));
            check.wrong(&format!("{index}/currency"), code, detail);
            continue;
        };
        if !(0..=PRICE_MINOR_MAX).contains(&price.minor) {
            let detail = format!("must be 0 to {PRICE_MINOR_MAX}");
            check.wrong(&format!("{index}/minor"), "out-of-range", detail);
        }
        if read.iter().any(|other| other.currency == currency) {
            let detail = "must be another one than that of a price before";
            check.wrong(&format!("{index}/currency"), "repeated", detail);
        }
        read.push(Money::new(price.minor, currency));
    }
    let has_default = read.iter().any(|price| price.currency == sold_in.default);
    if prices.len() > Currency::ALL.len() || !has_default {
        let parent = at.rsplit_once('/').map_or("", |(parent, _)| parent);
        let mut check = Check { refusal, at: parent };
        let detail = format!("must have one of {}, and one for each currency", sold_in.default);
        check.wrong("prices", if prices.is_empty() { "required" } else { "invalid" }, detail);
    }
    read
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Fault("write a product", Box::new(error)))
}
