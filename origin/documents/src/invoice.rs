//! An invoice: who bought what, for how much, and what was paid back.

use domain::{Money, Timestamp};

use crate::page::{LEFT, RIGHT, Sheet};
use crate::{DocumentError, Fonts};

/// Sizes of letters, in points.
const TITLE: f32 = 20.0;
const BODY: f32 = 10.0;
const SMALL: f32 = 8.5;
/// From one line to the next, in points.
const LINE: f32 = 14.0;
/// Where the columns of pieces and of the price of one end.
const PIECES: f32 = 360.0;
const UNIT: f32 = 450.0;
/// How wide the name of a product may be.
const NAME_WIDTH: f32 = 250.0;

/// What an invoice says. Every text is one line; letters that no font has are marked.
#[derive(Debug, Clone)]
pub struct Invoice {
    /// What people quote: a number of its own, or that of its order.
    pub number: String,
    /// The order's number, where the invoice has one of its own.
    pub order: Option<String>,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// The day of issue: when it was given its own number, or when its order was accepted.
    pub issued_at: Timestamp,
    /// Who sells, a line each; may be empty.
    pub seller: Vec<String>,
    /// Who buys, a line each.
    pub buyer: Vec<String>,
    /// What was bought.
    pub lines: Vec<InvoiceLine>,
    /// What it comes to.
    pub sums: Vec<InvoiceSum>,
    /// The tax in it, by rate; may be empty.
    pub taxes: Vec<InvoiceTax>,
}

/// What one rate of tax comes to.
#[derive(Debug, Clone)]
pub struct InvoiceTax {
    /// Its name and rate.
    pub label: String,
    /// What it is paid on, without any tax.
    pub net: Money,
    /// The tax.
    pub tax: Money,
}

/// A line of an invoice.
#[derive(Debug, Clone)]
pub struct InvoiceLine {
    /// What.
    pub name: String,
    /// Variant, SKU, rate of tax and the like; may be empty.
    pub note: String,
    /// How many.
    pub pieces: u32,
    /// What one costs.
    pub unit: Money,
    /// What all of them cost.
    pub total: Money,
}

/// A sum of an invoice.
#[derive(Debug, Clone)]
pub struct InvoiceSum {
    /// Of what.
    pub label: String,
    /// How much.
    pub amount: Money,
    /// Whether a line is drawn above it.
    pub is_total: bool,
}

impl Invoice {
    /// Writes the invoice as a PDF of as many A4 pages as it needs. The same invoice in the same fonts is the same bytes.
    ///
    /// # Errors
    /// [`DocumentError`]; never for what the invoice says.
    pub fn to_pdf(&self, fonts: &Fonts) -> Result<Vec<u8>, DocumentError> {
        let mut sheet = Sheet::new(fonts)?;
        sheet.left(LEFT, TITLE, "Invoice");
        sheet.down(LINE * 2.0, 0.0);
        self.head(&mut sheet);
        self.lines(&mut sheet);
        for sum in &self.sums {
            if sum.is_total {
                sheet.down(4.0, LINE * 2.0);
                sheet.rule();
            }
            sheet.down(LINE, LINE);
            sheet.left(PIECES - 60.0, BODY, &sum.label);
            sheet.right(RIGHT, BODY, &sum.amount.to_string());
        }
        self.taxes(&mut sheet);
        let title = format!("Invoice {}", self.number);
        sheet.write(&title, &title)
    }

    fn head(&self, sheet: &mut Sheet<'_>) {
        paragraph(sheet, &self.seller);
        if !self.seller.is_empty() {
            sheet.down(LINE, LINE);
        }
        let (first, second) = match &self.order {
            None => (format!("Order {}", self.number), None),
            Some(order) => (format!("Invoice {}", self.number), Some(format!("Order {order}"))),
        };
        sheet.left(LEFT, BODY, &first);
        sheet.right(RIGHT, BODY, &format!("Date of issue {}", day(self.issued_at)));
        sheet.down(LINE, LINE);
        if let Some(second) = second {
            sheet.left(LEFT, BODY, &second);
        }
        sheet.right(RIGHT, BODY, &format!("Ordered {}", day(self.ordered_at)));
        sheet.down(LINE * 2.0, LINE);
        paragraph(sheet, &self.buyer);
        sheet.down(LINE, LINE * 3.0);
    }

    fn taxes(&self, sheet: &mut Sheet<'_>) {
        if self.taxes.is_empty() {
            return;
        }
        sheet.down(LINE * 2.0, LINE * 3.0);
        sheet.left(LEFT, SMALL, "Tax");
        sheet.right(UNIT, SMALL, "Net amount");
        sheet.right(RIGHT, SMALL, "Tax");
        sheet.down(4.0, LINE);
        sheet.rule();
        for tax in &self.taxes {
            let names = sheet.wrap(&tax.label, BODY, NAME_WIDTH);
            sheet.down(LINE, LINE);
            sheet.right(UNIT, BODY, &tax.net.to_string());
            sheet.right(RIGHT, BODY, &tax.tax.to_string());
            name(sheet, &names);
        }
    }

    fn lines(&self, sheet: &mut Sheet<'_>) {
        sheet.left(LEFT, SMALL, "Article");
        sheet.right(PIECES, SMALL, "Pieces");
        sheet.right(UNIT, SMALL, "Price");
        sheet.right(RIGHT, SMALL, "Amount");
        sheet.down(4.0, LINE);
        sheet.rule();
        for line in &self.lines {
            let names = sheet.wrap(&line.name, BODY, NAME_WIDTH);
            let notes = sheet.wrap(&line.note, SMALL, NAME_WIDTH);
            // A line stays on one page, unless it is longer than a page's third.
            sheet.down(LINE + 2.0, LINE * 3.0);
            sheet.right(PIECES, BODY, &line.pieces.to_string());
            sheet.right(UNIT, BODY, &line.unit.to_string());
            sheet.right(RIGHT, BODY, &line.total.to_string());
            name(sheet, &names);
            for note in &notes {
                sheet.down(LINE - 2.0, LINE);
                sheet.left(LEFT, SMALL, note);
            }
        }
        sheet.down(LINE / 2.0, LINE * 2.0);
        sheet.rule();
    }
}

/// Prints the lines of a name, the first beside what is in the row already.
fn name(sheet: &mut Sheet<'_>, lines: &[String]) {
    for (place, line) in lines.iter().enumerate() {
        if place > 0 {
            sheet.down(LINE, LINE);
        }
        sheet.left(LEFT, BODY, line);
    }
}

/// Says a moment's day, in UTC.
fn day(moment: Timestamp) -> String {
    let text = moment.to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

fn paragraph(sheet: &mut Sheet<'_>, lines: &[String]) {
    for line in lines {
        for part in sheet.wrap(line, BODY, RIGHT - LEFT) {
            sheet.left(LEFT, BODY, &part);
            sheet.down(LINE, LINE);
        }
    }
}
