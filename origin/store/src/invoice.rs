//! Invoices that have numbers of their own, apart from their orders'.

use domain::numbers::NumberStyle;
use domain::{OrderId, Timestamp};

use crate::{Store, StoreError, sql};

/// The invoice of an order, in a shop that numbers its invoices in their own series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnInvoice {
    /// The order was accepted; no number has been drawn yet.
    Due,
    /// It has its number.
    Issued(IssuedInvoice),
}

/// An invoice with the number that it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedInvoice {
    /// Its number.
    pub number: i64,
    /// How the number is written, since it was given.
    pub style: NumberStyle,
    /// When.
    pub issued_at: Timestamp,
}

impl OwnInvoice {
    /// Returns it once it has its number.
    #[must_use]
    pub const fn issued(&self) -> Option<&IssuedInvoice> {
        match self {
            Self::Due => None,
            Self::Issued(invoice) => Some(invoice),
        }
    }
}

impl IssuedInvoice {
    /// Writes its number as people quote it.
    #[must_use]
    pub fn number_text(&self) -> String {
        self.style.text(self.number)
    }
}

/// Draws numbers for invoices that are due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IssueInvoices {
    /// Of this order alone; `None`: of those that were accepted first.
    pub(crate) order: Option<OrderId>,
    /// Of how many at most.
    pub(crate) limit: u32,
    /// Now.
    pub(crate) now: Timestamp,
}

impl Store {
    /// Draws the numbers of invoices that are due, at most `limit`, those of the orders that were accepted first. Counter and
    /// invoices move in one commit: no number is lost or given twice. Returns how many.
    ///
    /// # Errors
    /// As every write.
    pub async fn issue_invoices(&self, limit: u32, now: Timestamp) -> Result<usize, StoreError> {
        self.issue(IssueInvoices { order: None, limit, now }).await
    }

    /// Draws the number of one order's invoice, if it is due. Returns the invoice as it is then; nothing where the order has
    /// none of its own.
    ///
    /// # Errors
    /// As every write.
    pub async fn issue_invoice(
        &self,
        order: OrderId,
        now: Timestamp,
    ) -> Result<Option<IssuedInvoice>, StoreError> {
        self.issue(IssueInvoices { order: Some(order), limit: 1, now }).await?;
        let found = self.read(order, |tx, order| Box::pin(sql::invoice::find(tx, *order))).await?;
        Ok(found.and_then(|invoice| invoice.issued().cloned()))
    }

    async fn issue(&self, command: IssueInvoices) -> Result<usize, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::invoice::issue(tx, command))).await
    }
}
