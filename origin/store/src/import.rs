//! Files that the staff brings in. A chunk of rows and the place that the import has come to are one commit, so that a row
//! is carried out once however often a process dies.

use domain::{Handle, ImportId, LocationId, Money, Sku, Timestamp};

use crate::{Claim, Once, ProductEdit, ProductRow, Store, StoreError, VariantRow, sql};

/// Wrong rows that an import tells of: 1 000. More are counted.
pub const IMPORT_ERRORS_MAX: u32 = 1_000;

/// What the rows of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportKind {
    /// Categories, those above before those below.
    Categories,
    /// Variants with their products.
    Products,
    /// Prices of variants.
    Prices,
    /// Pieces that were counted.
    Stock,
}

/// How the rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportFormat {
    /// RFC 4180, with a line of names first.
    Csv,
    /// A JSON object on each line.
    Ndjson,
}

/// Where an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportStatus {
    /// Pieces are sent.
    Uploading,
    /// Rows are carried out, by a job.
    Running,
    /// Every row was carried out, or told as wrong.
    Done,
    /// The file cannot be read.
    Failed,
    /// Called off; the rows before that stay.
    Cancelled,
}

macro_rules! words {
    ($name:ident { $($variant:ident => $word:literal),* $(,)? }) => {
        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the word on the wire and in storage.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// Reads the word.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }
    };
}

words!(ImportKind { Categories => "categories", Products => "products", Prices => "prices", Stock => "stock" });
words!(ImportFormat { Csv => "csv", Ndjson => "ndjson" });
words!(ImportStatus {
    Uploading => "uploading",
    Running => "running",
    Done => "done",
    Failed => "failed",
    Cancelled => "cancelled",
});

/// An import as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Name.
    pub id: ImportId,
    /// What its rows are.
    pub kind: ImportKind,
    /// How they are written.
    pub format: ImportFormat,
    /// Whether rows are only checked.
    pub is_dry_run: bool,
    /// Where it stands.
    pub status: ImportStatus,
    /// Names of the columns of a CSV file, once they are read.
    pub columns: Option<Vec<String>>,
    /// Bytes that were sent.
    pub bytes_total: u64,
    /// Bytes whose rows are through.
    pub bytes_done: u64,
    /// Rows that were carried out.
    pub rows_done: u64,
    /// Rows that were wrong.
    pub rows_failed: u64,
    /// Why it failed as a whole.
    pub failure: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something happened last.
    pub updated_at: Timestamp,
}

/// Makes an import.
#[derive(Debug, Clone)]
pub struct NewImport {
    /// Name.
    pub id: ImportId,
    /// What its rows are.
    pub kind: ImportKind,
    /// How they are written.
    pub format: ImportFormat,
    /// Whether rows are only checked.
    pub is_dry_run: bool,
    /// Now.
    pub now: Timestamp,
}

/// Adds a piece of the file.
#[derive(Debug, Clone)]
pub struct AddPart {
    /// Of which import.
    pub import: ImportId,
    /// Its place, from 1 without gaps.
    pub number: u32,
    /// The piece.
    pub body: Vec<u8>,
    /// Most bytes of a whole file.
    pub bytes_max: u64,
    /// Now.
    pub now: Timestamp,
}

/// What is asked of an import as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportStep {
    /// Everything is sent: carry it out.
    Start,
    /// Stop.
    Cancel,
    /// The file cannot be read.
    Fail(String),
}

/// Why an import was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportRefusal {
    /// There is no such import.
    NotFound,
    /// It does not stand where this could be done.
    Status(ImportStatus),
    /// The next piece has another number.
    Place {
        /// The number of the next piece.
        expected: u32,
    },
    /// The piece with this number was another one.
    OtherPart,
    /// The file would be too large.
    TooLarge,
    /// Nothing was sent.
    Empty,
}

/// A category as it is from now on; what is absent stays, or is empty where it is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoryEdit {
    /// Name in URLs.
    pub handle: Handle,
    /// Title for people.
    pub title: String,
    /// One or two sentences.
    pub description: Option<String>,
    /// Place in lists.
    pub position: Option<i64>,
    /// Picture.
    pub image_url: Option<String>,
    /// The category it lies below; `Some(None)`: none.
    pub parent: Option<Option<Handle>>,
}

/// What a variant has from now on; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct VariantEdit {
    /// Title for people.
    pub title: Option<String>,
    /// JSON object, option → value.
    pub options_json: Option<String>,
    /// Picture.
    pub image_url: Option<String>,
    /// What it shows.
    pub image_alt: Option<String>,
    /// Prices; those in other currencies stay.
    pub prices: Vec<Money>,
    /// Weight of one piece.
    pub grams: Option<u32>,
}

impl VariantEdit {
    /// Changes a variant.
    pub(crate) fn apply(&self, variant: &mut VariantRow) {
        for (edit, text) in [
            (&self.title, &mut variant.title),
            (&self.options_json, &mut variant.options_json),
            (&self.image_url, &mut variant.image_url),
            (&self.image_alt, &mut variant.image_alt),
        ] {
            if let Some(edit) = edit {
                text.clone_from(edit);
            }
        }
        variant.prices = over(&variant.prices, &self.prices);
        variant.grams = self.grams.or(variant.grams);
    }
}

/// Puts prices over others; those in other currencies stay.
pub(crate) fn over(before: &[Money], prices: &[Money]) -> Vec<Money> {
    let is_kept = |old: &&Money| prices.iter().all(|price| price.currency != old.currency);
    prices.iter().chain(before.iter().filter(is_kept)).copied().collect()
}

/// One row, checked.
#[derive(Debug, Clone)]
pub enum ImportRow {
    /// A category: made where it is new, else written over.
    Category(Box<CategoryEdit>),
    /// A variant with its product: made where it is new, else written over.
    Product {
        /// The product as it is made, with this one variant.
        product: Box<ProductRow>,
        /// What is written over of one that is there.
        edit: Box<ProductEdit>,
        /// The same of its variant.
        variant: Box<VariantEdit>,
    },
    /// Prices of a variant; those in other currencies stay.
    Prices {
        /// Of which.
        sku: Sku,
        /// The prices.
        prices: Vec<Money>,
    },
    /// How many pieces are in the house.
    Stock {
        /// Of what.
        sku: Sku,
        /// Where.
        location: LocationId,
        /// How many were counted.
        counted: u32,
        /// How many of them are never sold; what is absent stays.
        safety: Option<u32>,
    },
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Which row, from 1; the line of names is none.
    pub row: u64,
    /// The column.
    pub field: String,
    /// Stable code.
    pub code: String,
    /// What it must be.
    pub detail: String,
}

/// Some rows of an import, from one byte of the file to another.
#[derive(Debug, Clone)]
pub struct ImportChunk {
    /// Of which import.
    pub import: ImportId,
    /// The byte that the import had come to.
    pub from: u64,
    /// The byte that it comes to.
    pub to: u64,
    /// Names of the columns, if this chunk began with them.
    pub columns: Option<Vec<String>>,
    /// Rows to carry out, each with its number.
    pub rows: Vec<(u64, ImportRow)>,
    /// What is wrong with rows that are not carried out.
    pub errors: Vec<RowError>,
    /// How many rows those are.
    pub wrong: u64,
    /// Whether the file ends here.
    pub is_last: bool,
    /// Now.
    pub now: Timestamp,
}

impl Store {
    /// Makes an import; once per claim.
    ///
    /// # Errors
    /// As every write.
    pub async fn create_import(
        &self,
        command: NewImport,
        claim: Option<Claim>,
    ) -> Result<Once<ImportId>, StoreError> {
        let done: Result<Once<ImportId>, std::convert::Infallible> = self
            .write((command, claim), |tx, (command, claim)| {
                let work = sql::import::create(tx, command);
                Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
            })
            .await?;
        let Ok(once) = done;
        Ok(once)
    }

    /// Reads imports, newest first.
    ///
    /// # Errors
    /// As every read.
    pub async fn imports(
        &self,
        before: Option<ImportId>,
        limit: u32,
    ) -> Result<Vec<Import>, StoreError> {
        self.read((before, limit), |tx, (before, limit)| {
            Box::pin(sql::import::list(tx, *before, *limit))
        })
        .await
    }

    /// Reads an import.
    ///
    /// # Errors
    /// As every read.
    pub async fn import(&self, id: ImportId) -> Result<Option<Import>, StoreError> {
        self.read(id, |tx, id| Box::pin(sql::import::find(tx, *id))).await
    }

    /// Adds a piece of the file; the same piece again changes nothing.
    ///
    /// # Errors
    /// As every write.
    pub async fn add_import_part(
        &self,
        command: AddPart,
    ) -> Result<Result<(), ImportRefusal>, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::import::add_part(tx, command))).await
    }

    /// Starts an import, or ends it. What it is already, it stays.
    ///
    /// # Errors
    /// As every write.
    pub async fn step_import(
        &self,
        id: ImportId,
        step: ImportStep,
        now: Timestamp,
    ) -> Result<Result<(), ImportRefusal>, StoreError> {
        self.write((id, step, now), |tx, (id, step, now)| {
            Box::pin(sql::import::step(tx, *id, step, *now))
        })
        .await
    }

    /// Reads the oldest import that is carried out.
    ///
    /// # Errors
    /// As every read.
    pub async fn next_import(&self) -> Result<Option<Import>, StoreError> {
        self.read((), |tx, ()| Box::pin(sql::import::next(tx))).await
    }

    /// Reads bytes of the file of an import, from one on; at least `bytes_min` unless it ends before.
    ///
    /// # Errors
    /// As every read.
    pub async fn import_bytes(
        &self,
        id: ImportId,
        from: u64,
        bytes_min: u64,
    ) -> Result<Vec<u8>, StoreError> {
        self.read((id, from, bytes_min), |tx, (id, from, bytes_min)| {
            Box::pin(sql::import::bytes(tx, *id, *from, *bytes_min))
        })
        .await
    }

    /// Carries out some rows, and notes how far the import has come. `false`: it has come elsewhere meanwhile, or was
    /// called off, and nothing was done.
    ///
    /// # Errors
    /// As every write.
    pub async fn import_chunk(&self, command: ImportChunk) -> Result<bool, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::import::chunk(tx, command))).await
    }

    /// Reads what was wrong, after a row; at most `limit`.
    ///
    /// # Errors
    /// As every read.
    pub async fn import_errors(
        &self,
        id: ImportId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<RowError>, StoreError> {
        self.read((id, after, limit), |tx, (id, after, limit)| {
            Box::pin(sql::import::errors(tx, *id, *after, *limit))
        })
        .await
    }
}
