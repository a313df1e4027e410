//! An order's invoice, as a file.

use api_types::cart::{Line, Totals};
use documents::{Invoice, InvoiceLine, InvoiceSum, InvoiceTax};
use domain::order::{Ended, Happening, OrderState, RefundStatus, TimelineEntry};
use domain::pricing::{TaxPart, TaxRate};
use domain::{ErrorKind, LineId, Money, MoneyError, OrderId, OrderStatus, Timestamp};
use store::{IssuedInvoice, OrderLife, OrderRecord, OwnInvoice, StatedOrder};

use crate::{App, Caller, Error, Refusal};

/// A file and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// What it is called.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl App {
    /// Writes the invoice of an order for its account or for who has its token.
    ///
    /// # Errors
    /// `not-found`, also for everybody else; `no-invoice` for an order that was not accepted.
    pub async fn invoice(
        &self,
        caller: &Caller,
        id: OrderId,
        token: Option<&str>,
    ) -> Result<NamedFile, Error> {
        self.readable_order(caller, id, token).await?;
        self.invoice_for_staff(id).await
    }

    /// Writes the invoice of an order. One that shall have a number of its own and has none yet is given it now.
    ///
    /// # Errors
    /// `not-found`, `no-invoice`.
    pub async fn invoice_for_staff(&self, id: OrderId) -> Result<NamedFile, Error> {
        let mut life = self.store.order_life(id).await?.ok_or_else(Refusal::not_found)?;
        if !was_accepted(&life.stated) {
            let title = "There is no invoice of an order that was not accepted";
            return Err(Refusal::new(ErrorKind::Conflict, "no-invoice", title).into());
        }
        if life.stated.invoice == Some(OwnInvoice::Due) {
            let issued = self.store.issue_invoice(id, self.clock.now()).await?;
            life.stated.invoice = issued.map(OwnInvoice::Issued);
        }
        let rate = match life.stated.order.quote {
            Some(_) => None,
            None => plain_rate(life.stated.order.totals, self.store.shop().await?.tax_basis_points),
        };
        let invoice = invoice(&life, &self.settings.seller, rate)?;
        // A prefix may have a slash, a file's name may not.
        let name = format!("invoice-{}.pdf", invoice.number.replace('/', "-"));
        // Some milliseconds of work that waits for nothing: not where others wait.
        let fonts = self.settings.fonts.clone();
        let written = tokio::task::spawn_blocking(move || invoice.to_pdf(&fonts)).await;
        let fault = |error| Error::Fault("write an invoice", error);
        let bytes = written
            .map_err(|error| fault(Box::new(error).into()))?
            .map_err(|error| fault(Box::new(error).into()))?;
        Ok(NamedFile { name, bytes })
    }
}

fn was_accepted(stated: &StatedOrder) -> bool {
    let ended = stated.state.as_ref().and_then(|state| state.ended);
    match stated.order.status {
        OrderStatus::Confirmed | OrderStatus::Completed => true,
        OrderStatus::Cancelled => {
            matches!(ended, Some(Ended::Cancelled { was_accepted: true, .. }))
        }
        OrderStatus::PendingPayment | OrderStatus::Expired => false,
    }
}

/// Returns the rate of an order that was priced plainly: the shop's, which the order does not keep; nothing where it was
/// another then, for the tax tells.
fn plain_rate(totals: Totals, basis_points: u32) -> Option<TaxRate> {
    let tax = totals.total.contained_tax(basis_points).ok()?;
    let is_this = tax == totals.tax && totals.tax.minor > 0;
    is_this.then(|| TaxRate::from_basis_points(basis_points).ok()).flatten()
}

fn invoice(
    life: &OrderLife,
    seller: &[String],
    plain_rate: Option<TaxRate>,
) -> Result<Invoice, Error> {
    let StatedOrder { order, state, invoice, .. } = &life.stated;
    let own = invoice.as_ref().and_then(OwnInvoice::issued);
    let address = &order.address;
    let town = format!("{} {}", address.postal_code, address.city);
    let line2 = address.line2.clone().unwrap_or_default();
    let buyer = [&address.name, &address.line1, &line2, &town, &address.country];
    let line = |line: &Line| InvoiceLine {
        name: line.title.clone(),
        note: note_of(line, &rates_of(order, line.id, plain_rate), state.as_ref()),
        pieces: line.quantity,
        unit: line.unit_price,
        total: line.line_total,
    };
    let added_up =
        |error: MoneyError| -> Error { Error::Fault("add up an invoice", Box::new(error)) };
    Ok(Invoice {
        number: own.map_or_else(|| order.number_text(), IssuedInvoice::number_text),
        order: own.map(|_| order.number_text()),
        ordered_at: order.created_at,
        issued_at: own
            .map(|invoice| invoice.issued_at)
            .or_else(|| accepted_at(&life.timeline))
            .unwrap_or(order.created_at),
        seller: seller.to_vec(),
        buyer: buyer.into_iter().filter(|line| !line.trim().is_empty()).cloned().collect(),
        lines: order.lines.iter().map(line).collect(),
        sums: sums(order.totals, state.as_ref()).map_err(added_up)?,
        taxes: taxes(order, plain_rate).map_err(added_up)?,
    })
}

/// Returns when an order was accepted. A life so long that it is told only in part no longer says.
fn accepted_at(timeline: &[TimelineEntry]) -> Option<Timestamp> {
    let accepted = |entry: &&TimelineEntry| entry.happening == Happening::Confirmed;
    timeline.iter().find(accepted).map(|entry| entry.at)
}

/// Returns the rates of tax of a line, as they are written: `19 %`.
fn rates_of(order: &OrderRecord, line: LineId, plain_rate: Option<TaxRate>) -> Vec<String> {
    let Some(quote) = &order.quote else {
        return plain_rate.map(|rate| format!("tax {rate} %")).into_iter().collect();
    };
    let quoted = quote.lines.iter().find(|quoted| quoted.line == line);
    let taxes = quoted.map_or(&[][..], |quoted| &quoted.taxes);
    taxes.iter().map(tax_label).collect()
}

fn tax_label(tax: &TaxPart) -> String {
    format!("{} {} %", tax.name, tax.rate)
}

/// Says what each rate came to; nothing where none is known.
fn taxes(order: &OrderRecord, plain_rate: Option<TaxRate>) -> Result<Vec<InvoiceTax>, MoneyError> {
    if let Some(quote) = &order.quote {
        let said =
            |tax: &TaxPart| InvoiceTax { label: tax_label(tax), net: tax.net, tax: tax.amount };
        return Ok(quote.taxes.iter().map(said).collect());
    }
    let Some(rate) = plain_rate else { return Ok(Vec::new()) };
    let (total, tax) = (order.totals.total, order.totals.tax);
    Ok(vec![InvoiceTax { label: format!("Tax {rate} %"), net: total.checked_sub(tax)?, tax }])
}

/// Says which variant a line is, what tax is paid on it, and how many of its pieces were called off.
fn note_of(line: &Line, rates: &[String], state: Option<&OrderState>) -> String {
    let cancelled = state
        .and_then(|state| state.line(line.id))
        .map(|own| own.cancelled)
        .filter(|&pieces| pieces > 0)
        .map(|pieces| format!("{pieces} called off"));
    let named = [line.variant_title.clone(), line.sku.to_string()];
    let parts = named.into_iter().chain(rates.iter().cloned()).chain(cancelled);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn sums(totals: Totals, state: Option<&OrderState>) -> Result<Vec<InvoiceSum>, MoneyError> {
    let sum =
        |label: &str, amount, is_total| InvoiceSum { label: label.to_owned(), amount, is_total };
    let nothing = Money::zero(totals.currency);
    let mut sums =
        vec![sum("Articles", totals.subtotal, false), sum("Shipping", totals.shipping, false)];
    if totals.discount.minor > 0 {
        sums.push(sum("Taken off", nothing.checked_sub(totals.discount)?, false));
    }
    // Tax that prices do not contain, or that an exempt buyer does not pay: what is left to the total.
    let said = totals.subtotal.checked_add(totals.shipping)?.checked_sub(totals.discount)?;
    let rest = totals.total.checked_sub(said)?;
    if rest.minor != 0 {
        sums.push(sum("Tax, as it changes the total", rest, false));
    }
    sums.push(sum("Total", totals.total, true));
    sums.push(sum("Tax contained in it", totals.tax, false));
    let Some(state) = state else { return Ok(sums) };
    let parts = state.sums()?;
    let taken = parts.captured.checked_add(parts.refunding)?.checked_add(parts.refunded)?;
    sums.push(sum("Paid", taken, true));
    if state.tenders.gift_card.captured.minor > 0 {
        sums.push(sum("of it by gift cards", state.tenders.gift_card.captured, false));
    }
    let done = state.refunds.iter().filter(|refund| refund.status == RefundStatus::Succeeded);
    let back = done.map(|refund| refund.provider.checked_add(refund.gift_card));
    let back: Result<Vec<Money>, _> = back.collect();
    let back = Money::sum(totals.currency, back?)?;
    if back.minor > 0 {
        sums.push(sum("Paid back", back, false));
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use domain::Currency;

    use super::*;

    #[test]
    fn an_order_that_does_not_keep_its_rate_is_told_the_shops_only_where_the_tax_is_of_it() {
        let euro = |minor| Money::new(minor, Currency::Eur);
        let totals = |total, tax| Totals {
            currency: Currency::Eur,
            subtotal: euro(total),
            shipping: euro(0),
            discount: euro(0),
            tax: euro(tax),
            total: euro(total),
            gift_cards: euro(0),
            due: euro(total),
        };
        for (total, tax, basis_points, said) in [
            (11_900, 1_900, 1_900, Some("19")),
            (10_700, 700, 700, Some("7")),
            // The shop has another rate since.
            (11_900, 1_900, 2_000, None),
            (11_900, 0, 0, None),
        ] {
            let rate = plain_rate(totals(total, tax), basis_points);
            let rate = rate.map(|rate| rate.to_string());
            assert_eq!(rate.as_deref(), said, "{total} {tax} {basis_points}");
        }
    }

    #[test]
    fn the_sums_above_a_total_add_up_to_it_whatever_taxes_and_promotions_do() {
        let euro = |minor| Money::new(minor, Currency::Eur);
        for (discount, tax, total, labels) in [
            (0, 160, 1_100, 4),
            (100, 160, 1_000, 5),
            // Prices without tax, and a buyer who pays none.
            (0, 209, 1_309, 5),
            (100, 0, 840, 6),
        ] {
            let totals = Totals {
                currency: Currency::Eur,
                subtotal: euro(1_000),
                shipping: euro(100),
                discount: euro(discount),
                tax: euro(tax),
                total: euro(total),
                gift_cards: euro(0),
                due: euro(total),
            };
            let sums = sums(totals, None).unwrap();
            assert_eq!(sums.len(), labels, "{sums:?}");
            let place = sums.iter().position(|sum| sum.is_total).unwrap();
            let above: i64 = sums[..place].iter().map(|sum| sum.amount.minor).sum();
            assert_eq!((above, sums[place].amount.minor), (total, total), "{sums:?}");
        }
    }
}
