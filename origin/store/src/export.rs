//! Whole tables for other systems, row by row: however many there are, only a few are in memory.

use api_types::feed::FeedValue;
use tokio::sync::mpsc::Sender;

use crate::{Store, StoreError, sql};

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportKind {
    /// Categories, those above before those below.
    Categories,
    /// Variants with their products, prices and counters.
    Products,
    /// Counters of stock, by location.
    Stock,
    /// Orders, with whom they go to.
    Orders,
    /// Accounts.
    Customers,
}

impl ExportKind {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Categories, Self::Products, Self::Stock, Self::Orders, Self::Customers];

    /// Returns the word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Categories => "categories",
            Self::Products => "products",
            Self::Stock => "stock",
            Self::Orders => "orders",
            Self::Customers => "customers",
        }
    }
}

impl Store {
    /// Sends every row of one moment, in the order of its first column. Ends early when nobody takes them any more.
    ///
    /// # Errors
    /// As every read; rows that were sent before then stay sent.
    pub async fn export(
        &self,
        kind: ExportKind,
        rows: Sender<Vec<FeedValue>>,
    ) -> Result<(), StoreError> {
        self.copy((kind, rows), |tx, (kind, rows)| Box::pin(sql::export::send(tx, *kind, rows)))
            .await
    }
}
