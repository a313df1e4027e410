//! Files that the staff brings in: sent in pieces, carried out by a job chunk by chunk, each row once.

mod file;
mod rows;

use api_types::import::{
    Import as WireImport, ImportErrors, Imports, NewImport as Request, RowError as WireError,
};
use domain::{ErrorKind, ImportId};
use store::{
    AddPart, Claim, Import, ImportFormat, ImportKind, ImportRefusal, ImportStep, NewImport,
    RowError, StoreError,
};

use crate::error::answered;
use crate::{Answered, App, Error, Refusal, random};

use file::Chunk;
pub(crate) use rows::TOP;

/// Largest file: 64 MiB, some 400 000 rows.
pub const IMPORT_BYTES_MAX: u64 = 64 * 1_024 * 1_024;
/// Bytes that a round reads: 256 KiB. A row must fit into it.
const WINDOW_BYTES: u64 = 256 * 1_024;
/// Rows that one transaction carries out: 200; beside other processes 50, for a transaction that meets another starts again.
const ROWS_MAX: usize = 200;
const ROWS_MAX_SHARED: usize = 50;
/// Imports and wrong rows on one page: 50 and 500.
const PAGE_MAX: u32 = 50;
const ERRORS_PAGE_MAX: u32 = 500;

impl App {
    /// Makes an import, to which pieces of a file are sent.
    ///
    /// # Errors
    /// `invalid-input`, and what a key may refuse.
    pub async fn create_import(
        &self,
        request: &Request,
        claim: Option<Claim>,
    ) -> Result<Answered<WireImport>, Error> {
        let mut refusal = Refusal::invalid();
        let kind = ImportKind::parse(&request.kind);
        let format = ImportFormat::parse(&request.format);
        if kind.is_none() {
            let code = crate::validate::required_or_invalid(&request.kind);
            refusal = refusal.field("/kind", code, "must be categories, products, prices or stock");
        }
        if format.is_none() {
            let code = crate::validate::required_or_invalid(&request.format);
            refusal = refusal.field("/format", code, "must be csv or ndjson");
        }
        let (Some(kind), Some(format)) = (kind, format) else { return Err(refusal.into()) };
        let now = self.clock.now();
        let id = ImportId::v7(now, random()?);
        let command = NewImport { id, kind, format, is_dry_run: request.dry_run, now };
        let once = self.store.create_import(command, claim).await?;
        let Answered { value: id, is_replay } = answered(once)?;
        Ok(Answered { value: self.import(id).await?, is_replay })
    }

    /// Lists imports, newest first.
    ///
    /// # Errors
    /// As every read.
    pub async fn imports(&self, before: Option<ImportId>) -> Result<Imports, Error> {
        let items: Vec<_> =
            self.store.imports(before, PAGE_MAX).await?.into_iter().map(wire).collect();
        let is_full = u32::try_from(items.len()).is_ok_and(|count| count >= PAGE_MAX);
        let next_before = items.last().map(|last| last.id).filter(|_| is_full);
        Ok(Imports { items, next_before })
    }

    /// Reads an import.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn import(&self, id: ImportId) -> Result<WireImport, Error> {
        let import = self.store.import(id).await?.ok_or_else(Refusal::not_found)?;
        Ok(wire(import))
    }

    /// Takes a piece of the file. Sent again, the same piece changes nothing.
    ///
    /// # Errors
    /// `not-found`, `import-status`, `import-part`, `too-large`.
    pub async fn add_import_part(
        &self,
        id: ImportId,
        number: u32,
        body: Vec<u8>,
    ) -> Result<WireImport, Error> {
        let now = self.clock.now();
        let part = AddPart { import: id, number, body, bytes_max: IMPORT_BYTES_MAX, now };
        self.store.add_import_part(part).await?.map_err(refuse)?;
        self.import(id).await
    }

    /// Says that everything is sent: the job begins.
    ///
    /// # Errors
    /// `not-found`, `import-status`, `import-empty`.
    pub async fn start_import(&self, id: ImportId) -> Result<WireImport, Error> {
        self.step_import(id, ImportStep::Start).await
    }

    /// Calls an import off. Rows that were carried out stay.
    ///
    /// # Errors
    /// `not-found`, `import-status`.
    pub async fn cancel_import(&self, id: ImportId) -> Result<WireImport, Error> {
        self.step_import(id, ImportStep::Cancel).await
    }

    async fn step_import(&self, id: ImportId, step: ImportStep) -> Result<WireImport, Error> {
        self.store.step_import(id, step, self.clock.now()).await?.map_err(refuse)?;
        self.import(id).await
    }

    /// Reads what was wrong with rows after one, in their order.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn import_errors(&self, id: ImportId, after: u64) -> Result<ImportErrors, Error> {
        self.import(id).await?;
        let errors = self.store.import_errors(id, after, ERRORS_PAGE_MAX).await?;
        let is_full = u32::try_from(errors.len()).is_ok_and(|count| count >= ERRORS_PAGE_MAX);
        let mut items: Vec<_> = errors.into_iter().map(wire_error).collect();
        let mut next_after = None;
        if is_full {
            // The last row may go on, on the next page: it comes there as a whole.
            let last = items.last().map_or(0, |last| last.row);
            if items.first().is_some_and(|first| first.row < last) {
                items.retain(|item| item.row < last);
            }
            next_after = items.last().map(|last| last.row);
        }
        Ok(ImportErrors { items, next_after })
    }

    /// Carries out the next rows of the oldest import that is running. Says whether there may be more.
    ///
    /// # Errors
    /// As every write.
    pub async fn run_imports(&self) -> Result<bool, Error> {
        let Some(import) = self.store.next_import().await? else { return Ok(false) };
        let bytes = self.store.import_bytes(import.id, import.bytes_done, WINDOW_BYTES).await?;
        let rows_max = if self.store.is_shared() { ROWS_MAX_SHARED } else { ROWS_MAX };
        let (read, sold_in) = (Chunk::read(&import, &bytes, rows_max), self.sold_in().await?);
        let chunk = match read {
            Ok(chunk) => chunk,
            Err(why) => {
                tracing::warn!(import.id = %import.id, why, "an import cannot be read");
                return self.fail_import(import.id, why.to_owned()).await;
            }
        };
        let command = rows::command(&import, chunk, &sold_in, self.clock.now());
        match self.store.import_chunk(command).await {
            // Somebody called it off, or was faster: the next round looks again.
            Ok(_was_ours) => Ok(true),
            Err(error @ (StoreError::Database(_) | StoreError::Corrupt(_)))
                if !is_passing(&error) =>
            {
                tracing::error!(import.id = %import.id, error = %error, "an import cannot go on");
                self.fail_import(import.id, "a fault of ours; see the log".to_owned()).await?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn fail_import(&self, id: ImportId, why: String) -> Result<bool, Error> {
        // Called off meanwhile is as good.
        let _ended = self.store.step_import(id, ImportStep::Fail(why), self.clock.now()).await?;
        Ok(true)
    }
}

/// Tells whether the same may go well a moment later.
fn is_passing(error: &StoreError) -> bool {
    error.kind() == ErrorKind::Unavailable
}

fn refuse(refusal: ImportRefusal) -> Refusal {
    let conflict = |code, title| Refusal::new(ErrorKind::Conflict, code, title);
    match refusal {
        ImportRefusal::NotFound => Refusal::not_found(),
        ImportRefusal::Status(status) => {
            conflict("import-status", "The import does not stand where this can be done")
                .detail(format!("it is {}", status.as_str()))
        }
        ImportRefusal::Place { expected } => {
            conflict("import-part", "This is not the next piece of the file")
                .detail(format!("the next piece has the number {expected}"))
        }
        ImportRefusal::OtherPart => {
            conflict("import-part", "This is not the next piece of the file")
                .detail("another piece with this number was sent before")
        }
        ImportRefusal::TooLarge => Refusal::new(
            ErrorKind::TooLarge,
            "import-too-large",
            "The file is larger than an import may be",
        )
        .detail(format!("the limit is {IMPORT_BYTES_MAX} bytes")),
        ImportRefusal::Empty => conflict("import-empty", "Nothing was sent yet"),
    }
}

fn wire(import: Import) -> WireImport {
    WireImport {
        id: import.id,
        kind: import.kind.as_str().to_owned(),
        format: import.format.as_str().to_owned(),
        dry_run: import.is_dry_run,
        status: import.status.as_str().to_owned(),
        bytes_total: import.bytes_total,
        bytes_done: import.bytes_done,
        rows_done: import.rows_done,
        rows_failed: import.rows_failed,
        failure: import.failure,
        created_at: import.created_at,
        updated_at: import.updated_at,
    }
}

fn wire_error(error: RowError) -> WireError {
    let RowError { row, field, code, detail } = error;
    WireError { row, field, code, detail }
}
