//! Files for other systems: CSV for people with spreadsheets, NDJSON for programs. Written while they are read.

use api_types::feed::FeedValue;
use api_types::order::Address;
use domain::numbers::NumberStyle;
use domain::{Currency, Timestamp};
use serde_json::{Map, Value};
use store::ExportKind;
use tokio::sync::mpsc;

use crate::import::TOP;
use crate::{App, Error, Refusal};

/// How a spreadsheet's formula begins, or what makes one of the next cell. A text that begins so gets a mark in front,
/// which an import takes away again.
pub(crate) const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
/// Rows that wait to be written: 256.
const ROWS_MAX: usize = 256;
/// Size of the pieces a file is handed on in: 32 KiB.
const PIECE_BYTES: usize = 32 * 1_024;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// RFC 4180, with a line of names first.
    Csv,
    /// A JSON object on each line.
    Ndjson,
}

impl ExportFormat {
    /// Reads the word; CSV where there is none.
    ///
    /// # Errors
    /// `invalid-input`.
    pub fn read(word: Option<&str>) -> Result<Self, Error> {
        match word {
            None | Some("csv") => Ok(Self::Csv),
            Some("ndjson") => Ok(Self::Ndjson),
            Some(_) => {
                Err(Refusal::invalid().field("/format", "invalid", "must be csv or ndjson").into())
            }
        }
    }

    /// Returns the media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// What stands in a column of a row.
#[derive(Debug, Clone, PartialEq)]
enum Field {
    Empty,
    Number(String),
    Text(String),
    Words(Vec<String>),
    Object(Map<String, Value>),
}

/// A column's name and what stands in it.
type Column = (String, Field);

impl App {
    /// Writes everything of one kind as it is at one moment, piece by piece. Ends early when nobody takes them any more.
    ///
    /// # Errors
    /// As every read; pieces that were handed on before then stay so.
    pub async fn export(
        &self,
        kind: ExportKind,
        format: ExportFormat,
        pieces: mpsc::Sender<Vec<u8>>,
    ) -> Result<(), Error> {
        let currencies = &self.sold_in().await?.all;
        let (sender, mut rows) = mpsc::channel(ROWS_MAX);
        let write = async move {
            let mut file = File { format, buffer: Vec::new(), has_names: false };
            // The names alone, where there is no row.
            let names = columns(kind, Vec::new(), currencies)?;
            file.write_names(&names)?;
            while let Some(row) = rows.recv().await {
                file.write(&columns(kind, row, currencies)?)?;
                if file.buffer.len() >= PIECE_BYTES {
                    let piece = std::mem::take(&mut file.buffer);
                    if pieces.send(piece).await.is_err() {
                        return Ok(());
                    }
                }
            }
            // Nobody takes it any more: whoever left knows.
            let _ = pieces.send(file.buffer).await;
            Ok::<(), Error>(())
        };
        // Dropped with the writer, the receiver ends the reader at its next row.
        let (read, written) = tokio::join!(self.store.export(kind, sender), write);
        written?;
        Ok(read?)
    }
}

struct File {
    format: ExportFormat,
    buffer: Vec<u8>,
    has_names: bool,
}

impl File {
    fn write_names(&mut self, columns: &[Column]) -> Result<(), Error> {
        if self.format == ExportFormat::Csv && !self.has_names {
            self.has_names = true;
            self.write_record(columns.iter().map(|(name, _)| name.clone()))?;
        }
        Ok(())
    }

    fn write(&mut self, columns: &[Column]) -> Result<(), Error> {
        match self.format {
            ExportFormat::Csv => self.write_record(columns.iter().map(|(_, field)| cell(field))),
            ExportFormat::Ndjson => {
                let member = |(name, field): &Column| (name.clone(), json(field));
                let object: Map<String, Value> = columns.iter().map(member).collect();
                serde_json::to_writer(&mut self.buffer, &object).map_err(fault)?;
                self.buffer.push(b'\n');
                Ok(())
            }
        }
    }

    fn write_record(&mut self, cells: impl Iterator<Item = String>) -> Result<(), Error> {
        let mut writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(&mut self.buffer);
        writer.write_record(cells).map_err(fault)?;
        writer.flush().map_err(fault)
    }
}

fn fault(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Fault("write an export", Box::new(error))
}

/// Writes a cell so that no spreadsheet takes it for a formula.
fn cell(field: &Field) -> String {
    let text = match field {
        Field::Empty => String::new(),
        Field::Number(number) => return number.clone(),
        Field::Text(text) => text.clone(),
        Field::Words(words) => words.join("|"),
        Field::Object(object) => Value::Object(object.clone()).to_string(),
    };
    if text.starts_with(FORMULA_STARTS) { format!("'{text}") } else { text }
}

fn json(field: &Field) -> Value {
    match field {
        Field::Empty => Value::Null,
        // Amounts stay exact as texts.
        Field::Number(number) => {
            number.parse::<i64>().map_or_else(|_decimal| number.as_str().into(), Value::from)
        }
        Field::Text(text) => text.as_str().into(),
        Field::Words(words) => words.iter().map(String::as_str).collect(),
        Field::Object(object) => Value::Object(object.clone()),
    }
}

/// Takes the values of a row one after the other; a row without values gives the names of its columns.
struct Values(std::vec::IntoIter<FeedValue>);

impl Values {
    fn text(&mut self) -> Option<String> {
        match self.0.next() {
            Some(FeedValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<i64> {
        match self.0.next() {
            Some(FeedValue::Integer(number)) => Some(number),
            _ => None,
        }
    }

    fn text_field(&mut self) -> Field {
        self.text().map_or(Field::Empty, Field::Text)
    }

    fn number_field(&mut self) -> Field {
        self.number().map_or(Field::Empty, |number| Field::Number(number.to_string()))
    }

    fn truth_field(&mut self) -> Field {
        self.number().map_or(Field::Empty, |is_so| Field::Text((is_so != 0).to_string()))
    }

    fn moment(&mut self) -> Field {
        let moment = |ms| Field::Text(Timestamp::from_unix_ms(ms).to_string());
        self.number().map_or(Field::Empty, moment)
    }
}

fn columns(
    kind: ExportKind,
    row: Vec<FeedValue>,
    currencies: &[Currency],
) -> Result<Vec<Column>, Error> {
    let mut values = Values(row.into_iter());
    match kind {
        ExportKind::Categories => Ok(named([
            ("handle", values.text_field()),
            ("title", values.text_field()),
            ("description", values.text_field()),
            ("position", values.number_field()),
            ("image_url", values.text_field()),
            ("parent", Field::Text(values.text().unwrap_or_else(|| TOP.to_owned()))),
        ])),
        ExportKind::Products => product(&mut values, currencies),
        ExportKind::Stock => Ok(named([
            ("sku", values.text_field()),
            ("location", values.text_field()),
            ("on_hand", values.number_field()),
            ("reserved", values.number_field()),
            ("safety", values.number_field()),
        ])),
        ExportKind::Orders => order(&mut values),
        ExportKind::Customers => Ok(named([
            ("email", values.text_field()),
            ("id", values.text_field()),
            ("created_at", values.moment()),
            ("orders", values.number_field()),
        ])),
    }
}

fn named<const N: usize>(columns: [(&str, Field); N]) -> Vec<Column> {
    columns.map(|(name, field)| (name.to_owned(), field)).into()
}

/// The columns that an import takes, so that a file can be changed and brought back.
fn product(values: &mut Values, currencies: &[Currency]) -> Result<Vec<Column>, Error> {
    let mut columns = named(
        ["handle", "title", "subtitle", "description", "category", "search_words"]
            .map(|name| (name, values.text_field())),
    );
    let featured = values.truth_field();
    let tags = values.text().unwrap_or_else(|| "[]".to_owned());
    let tags = serde_json::from_str(&tags).map_err(fault)?;
    columns.extend(named([
        ("featured", featured),
        ("tags", Field::Words(tags)),
        ("sku", values.text_field()),
        ("variant_title", values.text_field()),
    ]));
    let options = values.text().unwrap_or_else(|| "{}".to_owned());
    let options = serde_json::from_str(&options).map_err(fault)?;
    columns.extend(named([("image_url", values.text_field()), ("image_alt", values.text_field())]));
    let prices = values.text().unwrap_or_default();
    for currency in currencies {
        columns.push((format!("price.{currency}"), price(&prices, *currency)));
    }
    columns.extend(named([
        ("tax_class", values.text_field()),
        ("shippable", values.truth_field()),
        ("discountable", values.truth_field()),
        ("grams", values.number_field()),
        ("on_hand", values.number_field()),
        ("reserved", values.number_field()),
        ("version", values.number_field()),
        ("archived_at", values.moment()),
        ("options", Field::Object(options)),
    ]));
    Ok(columns)
}

/// Finds a price in `EUR 1990,USD 2100`.
fn price(prices: &str, currency: Currency) -> Field {
    let found = prices
        .split(',')
        .filter_map(|price| price.split_once(' '))
        .find(|(code, _)| *code == currency.code())
        .and_then(|(_, minor)| minor.parse().ok());
    found.map_or(Field::Empty, |minor| Field::Number(amount(minor, currency)))
}

/// Writes an amount as people do, exactly: `19.90`.
fn amount(minor: i64, currency: Currency) -> String {
    let digits = usize::try_from(currency.exponent()).unwrap_or(0);
    let sign = if minor < 0 { "-" } else { "" };
    let text = format!("{:0>width$}", minor.unsigned_abs(), width = digits.saturating_add(1));
    let (whole, part) = text.split_at(text.len().saturating_sub(digits));
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// Writes a number as it was given.
fn number_text(number: i64, prefix: Option<String>, digits: Option<i64>) -> Result<String, Error> {
    let (Some(prefix), Some(digits)) = (prefix, digits) else {
        return Ok(NumberStyle::default().text(number));
    };
    let digits = digits.try_into().map_err(fault)?;
    Ok(NumberStyle { prefix: prefix.parse().map_err(fault)?, digits }.text(number))
}

fn order(values: &mut Values) -> Result<Vec<Column>, Error> {
    let (number, prefix, digits) = (values.number(), values.text(), values.number());
    let number = number.map(|number| number_text(number, prefix, digits)).transpose()?;
    let mut columns = named([
        ("number", number.map_or(Field::Empty, Field::Text)),
        ("id", values.text_field()),
        ("status", values.text_field()),
        ("payment_status", values.text_field()),
        ("created_at", values.moment()),
    ]);
    let code = values.text().unwrap_or_default();
    let currency = code.parse::<Currency>().ok();
    columns.push(("currency".to_owned(), Field::Text(code)));
    for name in ["subtotal", "shipping", "tax", "total", "captured", "refunded"] {
        let minor = values.number().zip(currency);
        let field = minor.map_or(Field::Empty, |(minor, code)| Field::Number(amount(minor, code)));
        columns.push((name.to_owned(), field));
    }
    columns.push(("email".to_owned(), values.text_field()));
    let address = values.text().unwrap_or_else(|| "{}".to_owned());
    let address: Address = serde_json::from_str(&address).map_err(fault)?;
    columns.extend(named([
        ("name", Field::Text(address.name)),
        ("line1", Field::Text(address.line1)),
        ("line2", address.line2.map_or(Field::Empty, Field::Text)),
        ("postal_code", Field::Text(address.postal_code)),
        ("city", Field::Text(address.city)),
        ("country", Field::Text(address.country)),
    ]));
    let (number, prefix, digits) = (values.number(), values.text(), values.number());
    let invoice = number.map(|number| number_text(number, prefix, digits)).transpose()?;
    columns.extend(named([
        ("invoice_number", invoice.map_or(Field::Empty, Field::Text)),
        ("invoice_issued_at", values.moment()),
    ]));
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_looks_like_a_formula_is_marked_and_a_number_is_not() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"] {
            assert_eq!(cell(&Field::Text(text.to_owned())), format!("'{text}"));
        }
        assert_eq!(cell(&Field::Words(vec!["=a".to_owned(), "b".to_owned()])), "'=a|b");
        assert_eq!(cell(&Field::Number("-5.00".to_owned())), "-5.00");
        assert_eq!(cell(&Field::Text("plain".to_owned())), "plain");
    }

    #[test]
    fn amounts_are_written_with_the_digits_of_their_currency() {
        for (minor, currency, text) in [
            (1_990, Currency::Eur, "19.90"),
            (5, Currency::Eur, "0.05"),
            (0, Currency::Eur, "0.00"),
            (-1_990, Currency::Eur, "-19.90"),
            (1_200, Currency::Jpy, "1200"),
            (1, Currency::Kwd, "0.001"),
        ] {
            assert_eq!(amount(minor, currency), text);
        }
    }
}
