//! Reads the parameters of a list into values that cannot be wrong.
//!
//! Unknown parameters are ignored: campaign links add their own (`utm_source`, `gclid`), and refusing them would
//! break honest visitors. A known parameter given twice is refused, an empty one counts as absent (forms send those).

use std::borrow::Cow;

use api_types::problem::Problem;
use api_types::validator;
use domain::{Currency, ErrorKind, Handle};
use percent_encoding::percent_decode_str;

use crate::cursor::Cursor;
use crate::search;

/// Most items of one page.
pub const LIMIT_MAX: u16 = 100;
/// Items of a page when nobody says how many: two screens of a phone, divisible by 2, 3 and 4 columns.
pub const LIMIT_DEFAULT: u16 = 24;

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Newest first.
    Newest,
    /// Cheapest first.
    PriceAsc,
    /// Dearest first.
    PriceDesc,
    /// By title.
    Title,
    /// Best match first; only with words.
    Relevance,
}

impl Sort {
    /// Every order with its name in URLs.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Newest, "newest"),
        (Self::PriceAsc, "price_asc"),
        (Self::PriceDesc, "price_desc"),
        (Self::Title, "title"),
        (Self::Relevance, "relevance"),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(sort, _)| *sort)
    }

    /// Returns its name in URLs.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(sort, _)| *sort == self).map_or("newest", |(_, name)| name)
    }
}

/// What a list is asked to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// Everything.
    Any,
    /// What matches this FTS5 expression (made by [`search::match_expression`]).
    Match(String),
    /// The text has neither letters nor digits: nothing matches.
    Nothing,
}

/// A list, fully decided.
#[derive(Debug, Clone, PartialEq)]
pub struct ListQuery {
    /// Items per page, 1 to [`LIMIT_MAX`].
    pub limit: u16,
    /// Where the last page ended.
    pub cursor: Option<Cursor>,
    /// Only this category.
    pub category: Option<Handle>,
    /// Only what these words find.
    pub words: Words,
    /// Only what can be bought, on the shelf or promised.
    pub only_available: bool,
    /// In this order.
    pub sort: Sort,
    /// Priced in this currency; the shop's own if absent.
    pub currency: Option<Currency>,
    /// Digest of everything above but limit and cursor: a cursor of another query does not open.
    pub seal: u64,
}

/// Whether a list must say what it looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// `/v1/products`.
    Optional,
    /// `/v1/search`.
    Words,
}

impl ListQuery {
    /// Reads a query string.
    ///
    /// # Errors
    /// An `invalid-input` problem that names every wrong parameter.
    pub fn parse(query: &str, need: Need) -> Result<Self, Box<Problem>> {
        let mut faults = Faults::default();
        let parameters = Parameters::read(query, &mut faults);
        let words = parameters.words(need, &mut faults);
        let sort = parameters.sort(&words, &mut faults);
        let limit = parameters.limit(&mut faults);
        let category = parameters.category(&mut faults);
        let currency = parameters.currency(&mut faults);
        let only_available = parameters.only_available(&mut faults);
        let seal = seal(sort, currency, category.as_ref(), &words, only_available);
        let cursor = parameters.cursor.as_deref().and_then(|text| {
            let cursor = Cursor::open(text, seal);
            if cursor.is_none() && faults.0.errors.is_empty() {
                faults.add("cursor", "mismatch", "The cursor does not belong to this query.");
            }
            cursor
        });
        faults.into_result(Self {
            limit,
            cursor,
            category,
            words,
            only_available,
            sort,
            currency,
            seal,
        })
    }
}

/// Reads `currency` alone, for addresses that take nothing else.
///
/// # Errors
/// An `invalid-input` problem.
pub fn currency(query: &str) -> Result<Option<Currency>, Box<Problem>> {
    let mut faults = Faults::default();
    let parameters = Parameters::read(query, &mut faults);
    let currency = parameters.currency(&mut faults);
    faults.into_result(currency)
}

/// Says that nothing is sold in a currency.
#[must_use]
pub fn untraded_currency() -> Problem {
    let mut faults = Faults::default();
    faults.add("currency", "unknown", "Nothing is sold here in that currency.");
    faults.0
}

struct Faults(Problem);

impl Default for Faults {
    fn default() -> Self {
        Self(Problem::of(ErrorKind::InvalidInput))
    }
}

impl Faults {
    fn add(&mut self, parameter: &str, code: &str, detail: &str) {
        let problem = std::mem::replace(&mut self.0, Problem::of(ErrorKind::InvalidInput));
        self.0 = problem.field(parameter, code, detail);
    }

    fn into_result<T>(self, value: T) -> Result<T, Box<Problem>> {
        if self.0.errors.is_empty() { Ok(value) } else { Err(Box::new(self.0)) }
    }
}

#[derive(Default)]
struct Parameters<'a> {
    limit: Option<Cow<'a, str>>,
    cursor: Option<Cow<'a, str>>,
    category: Option<Cow<'a, str>>,
    q: Option<Cow<'a, str>>,
    sort: Option<Cow<'a, str>>,
    currency: Option<Cow<'a, str>>,
    available: Option<Cow<'a, str>>,
}

impl<'a> Parameters<'a> {
    fn read(query: &'a str, faults: &mut Faults) -> Self {
        let mut parameters = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match name {
                "limit" => &mut parameters.limit,
                "cursor" => &mut parameters.cursor,
                "category" => &mut parameters.category,
                "q" => &mut parameters.q,
                "sort" => &mut parameters.sort,
                "currency" => &mut parameters.currency,
                "available" => &mut parameters.available,
                _ => continue,
            };
            let Some(value) = decode(value) else {
                faults.add(name, "unreadable", "The value is not percent-encoded UTF-8.");
                continue;
            };
            if value.trim().is_empty() {
                continue;
            }
            if slot.is_some() {
                faults.add(name, "repeated", "The parameter may be given once.");
            }
            *slot = Some(value);
        }
        parameters
    }

    fn words(&self, need: Need, faults: &mut Faults) -> Words {
        let Some(text) = self.q.as_deref() else {
            if need == Need::Words {
                faults.add("q", "required", "Say what to look for.");
            }
            return Words::Any;
        };
        if text.chars().count() > search::QUERY_CHARS_MAX {
            faults.add("q", "too_long", "At most 200 characters are looked for.");
        }
        search::match_expression(text).map_or(Words::Nothing, Words::Match)
    }

    fn sort(&self, words: &Words, faults: &mut Faults) -> Sort {
        let is_search = *words != Words::Any;
        let Some(name) = self.sort.as_deref() else {
            return if is_search { Sort::Relevance } else { Sort::Newest };
        };
        match Sort::named(name) {
            Some(Sort::Relevance) if !is_search => {
                faults.add("sort", "needs_q", "Relevance is an order of search results: add `q`.");
                Sort::Newest
            }
            Some(sort) => sort,
            None => {
                let known = "One of newest, price_asc, price_desc, title, relevance.";
                faults.add("sort", "unknown", known);
                Sort::Newest
            }
        }
    }

    fn limit(&self, faults: &mut Faults) -> u16 {
        let Some(text) = self.limit.as_deref() else { return LIMIT_DEFAULT };
        let number = text.parse().ok().filter(|number| (1..=LIMIT_MAX).contains(number));
        number.unwrap_or_else(|| {
            faults.add("limit", "out_of_range", "A whole number from 1 to 100.");
            LIMIT_DEFAULT
        })
    }

    fn category(&self, faults: &mut Faults) -> Option<Handle> {
        let text = self.category.as_deref()?;
        let handle = text.parse().ok();
        if handle.is_none() {
            faults.add("category", "invalid", "The handle of a category, as in its address.");
        }
        handle
    }

    fn currency(&self, faults: &mut Faults) -> Option<Currency> {
        let text = self.currency.as_deref()?;
        let currency = text.parse().ok();
        if currency.is_none() {
            faults.add("currency", "unknown", "A currency code of ISO 4217 that is sold in here.");
        }
        currency
    }

    fn only_available(&self, faults: &mut Faults) -> bool {
        match self.available.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                faults.add("available", "unknown", "Either true or false.");
                false
            }
        }
    }
}

/// Decodes a form value; `None` when it is not UTF-8. Borrows where nothing is encoded.
fn decode(value: &str) -> Option<Cow<'_, str>> {
    if !value.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Some(Cow::Borrowed(value));
    }
    let spaced = value.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| Cow::Owned(text.into_owned()))
}

fn seal(
    sort: Sort,
    currency: Option<Currency>,
    category: Option<&Handle>,
    words: &Words,
    only_available: bool,
) -> u64 {
    let words = match words {
        Words::Any => "",
        Words::Match(expression) => expression,
        Words::Nothing => "*",
    };
    let mut parts = vec![
        sort.name(),
        currency.map_or("", Currency::code),
        category.map_or("", Handle::as_str),
        words,
    ];
    // Lists of everything keep the seal that they had before there were others.
    if only_available {
        parts.push("available");
    }
    validator::digest(parts.join("\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(query: &str, need: Need) -> Vec<String> {
        match ListQuery::parse(query, need) {
            Ok(_) => Vec::new(),
            Err(problem) => problem
                .errors
                .into_iter()
                .map(|error| format!("{}:{}", error.pointer, error.code))
                .collect(),
        }
    }

    #[test]
    fn names_every_wrong_parameter() {
        for (query, expected) in [
            ("", vec![]),
            ("utm_source=x&fbclid=1", vec![]),
            ("limit=1&limit=2", vec!["limit:repeated"]),
            ("limit=0", vec!["limit:out_of_range"]),
            ("limit=101", vec!["limit:out_of_range"]),
            ("limit=-1", vec!["limit:out_of_range"]),
            ("limit=1e1", vec!["limit:out_of_range"]),
            ("limit=", vec![]),
            ("category=Chairs", vec!["category:invalid"]),
            ("category=%2e%2e", vec!["category:invalid"]),
            ("currency=eur", vec!["currency:unknown"]),
            ("currency=XXX&sort=best", vec!["sort:unknown", "currency:unknown"]),
            ("sort=relevance", vec!["sort:needs_q"]),
            ("sort=relevance&q=oak", vec![]),
            ("available=true", vec![]),
            ("available=", vec![]),
            ("available=1", vec!["available:unknown"]),
            ("available=true&available=false", vec!["available:repeated"]),
            ("q=%ff", vec!["q:unreadable"]),
            ("cursor=abc", vec!["cursor:mismatch"]),
            ("cursor=abc&limit=0", vec!["limit:out_of_range"]),
        ] {
            assert_eq!(codes(query, Need::Optional), expected, "{query}");
        }
        assert_eq!(codes("q=+", Need::Words), ["q:required"]);
        assert_eq!(codes(&format!("q={}", "a".repeat(201)), Need::Words), ["q:too_long"]);
    }

    #[test]
    fn decides_order_and_words() {
        let list = ListQuery::parse("q=oak+cha%69r&category=chairs", Need::Optional).unwrap();
        assert_eq!(list.words, Words::Match("\"oak\" \"chair\"*".to_owned()));
        assert_eq!((list.sort, list.limit), (Sort::Relevance, LIMIT_DEFAULT));
        let list = ListQuery::parse("q=!!&sort=title", Need::Optional).unwrap();
        assert_eq!((list.words, list.sort), (Words::Nothing, Sort::Title));
    }

    #[test]
    fn a_cursor_opens_for_its_own_query_only() {
        let base = "sort=title&currency=EUR&category=chairs&q=oak";
        let query = ListQuery::parse(base, Need::Optional).unwrap();
        let cursor = Cursor { key: ports::SqlValue::Text("Oak".into()), id: 3 };
        let text = cursor.seal(query.seal).unwrap();
        let again = ListQuery::parse(&format!("{base}&limit=7&cursor={text}"), Need::Optional);
        assert_eq!(again.unwrap().cursor, Some(cursor));
        for other in [
            "sort=newest&currency=EUR&category=chairs&q=oak",
            "sort=title&currency=USD&category=chairs&q=oak",
            "sort=title&category=chairs&q=oak",
            "sort=title&currency=EUR&category=lamps&q=oak",
            "sort=title&currency=EUR&q=oak",
            "sort=title&currency=EUR&category=chairs&q=elm",
            "sort=title&currency=EUR&category=chairs",
            "sort=title&currency=EUR&category=chairs&q=oak&available=true",
        ] {
            let query = format!("{other}&cursor={text}");
            assert_eq!(codes(&query, Need::Optional), ["cursor:mismatch"], "{other}");
        }
    }
}
