//! Reads rows out of a piece of a file, and says at which byte the next one begins.

use std::collections::BTreeMap;

use store::{Import, ImportFormat};

use super::rows::OPTIONS;

/// Longest text in one cell: 16 KiB.
const CELL_BYTES_MAX: usize = 16 * 1_024;
/// Most columns: 100.
const COLUMNS_MAX: usize = 100;
/// What an editor may have put before the first character of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A row: what stands in which column. Columns without text are left out.
pub(super) type Fields = BTreeMap<String, String>;

/// Some rows, as they were read.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Names of the columns, if they stood in front.
    pub(super) columns: Option<Vec<String>>,
    /// Each row, or why it is none: a code, and what it must be.
    pub(super) rows: Vec<Result<Fields, (&'static str, String)>>,
    /// How many bytes they took.
    pub(super) bytes: u64,
    /// Whether the file ends with them.
    pub(super) is_last: bool,
}

impl Chunk {
    /// Reads up to `rows_max` rows of the bytes that follow the place that an import has come to.
    ///
    /// # Errors
    /// Why the file as a whole cannot be read.
    pub(super) fn read(
        import: &Import,
        bytes: &[u8],
        rows_max: usize,
    ) -> Result<Self, &'static str> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let reaches_end = import.bytes_done.saturating_add(length) >= import.bytes_total;
        let mut chunk = match import.format {
            ImportFormat::Csv => read_csv(import, bytes, rows_max, reaches_end)?,
            ImportFormat::Ndjson => read_ndjson(bytes, rows_max, reaches_end),
        };
        chunk.is_last = reaches_end && chunk.bytes >= length;
        if chunk.bytes == 0 && !chunk.is_last {
            return Err("a row is longer than 256 KiB, or a quotation mark is not closed");
        }
        Ok(chunk)
    }
}

fn read_csv(
    import: &Import,
    bytes: &[u8],
    rows_max: usize,
    reaches_end: bool,
) -> Result<Chunk, &'static str> {
    let mut chunk = Chunk::default();
    let is_first = import.bytes_done == 0;
    let mark =
        if is_first && bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let text = bytes.get(mark..).unwrap_or_default();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let mut record = csv::ByteRecord::new();
    let mut columns = import.columns.clone();
    while chunk.rows.len() < rows_max {
        let is_there = reader.read_byte_record(&mut record).map_err(|_error| "not CSV")?;
        let end = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        // What the piece ends in may go on in the next one.
        if !is_there || (end >= text.len() && !reaches_end) {
            if !is_there && reaches_end {
                chunk.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            }
            break;
        }
        chunk.bytes = u64::try_from(mark.saturating_add(end)).unwrap_or(u64::MAX);
        match &columns {
            None => {
                let names = read_names(&record)?;
                chunk.columns = Some(names.clone());
                columns = Some(names);
            }
            Some(names) => chunk.rows.push(read_record(names, &record)),
        }
    }
    Ok(chunk)
}

fn read_names(record: &csv::ByteRecord) -> Result<Vec<String>, &'static str> {
    let names: Vec<String> = record
        .iter()
        .map(|name| std::str::from_utf8(name).map(|name| name.trim().to_owned()))
        .collect::<Result<_, _>>()
        .map_err(|_not_text| "the file is not UTF-8")?;
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    if names.len() > COLUMNS_MAX
        || sorted.len() != names.len()
        || names.iter().any(String::is_empty)
    {
        return Err("the first line must name up to 100 columns, each once");
    }
    Ok(names)
}

fn read_record(
    names: &[String],
    record: &csv::ByteRecord,
) -> Result<Fields, (&'static str, String)> {
    if record.len() != names.len() {
        let detail = format!("must have {} columns, and has {}", names.len(), record.len());
        return Err(("columns", detail));
    }
    let mut fields = Fields::new();
    for (name, cell) in names.iter().zip(record) {
        let Ok(text) = std::str::from_utf8(cell) else {
            return Err(("not-text", format!("{name} must be UTF-8")));
        };
        if text.len() > CELL_BYTES_MAX {
            return Err(("too-long", format!("{name} must have at most {CELL_BYTES_MAX} bytes")));
        }
        let text = unescaped(text.trim());
        if !text.is_empty() {
            fields.insert(name.clone(), text.to_owned());
        }
    }
    Ok(fields)
}

/// Takes away the mark that an export puts before what a spreadsheet would take for a formula.
fn unescaped(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if rest.starts_with(crate::export::FORMULA_STARTS) => rest,
        _ => text,
    }
}

fn read_ndjson(bytes: &[u8], rows_max: usize, reaches_end: bool) -> Chunk {
    let mut chunk = Chunk::default();
    let mut taken = 0_usize;
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    while chunk.rows.len() < rows_max {
        let Some(line) = lines.next() else { break };
        if !line.ends_with(b"\n") && !reaches_end {
            break;
        }
        taken = taken.saturating_add(line.len());
        let line = line.trim_ascii();
        if !line.is_empty() {
            chunk.rows.push(read_object(line));
        }
    }
    chunk.bytes = u64::try_from(taken).unwrap_or(u64::MAX);
    chunk
}

fn read_object(line: &[u8]) -> Result<Fields, (&'static str, String)> {
    use serde_json::Value;

    let Ok(Value::Object(object)) = serde_json::from_slice(line) else {
        return Err(("not-json", "must be a JSON object on one line".to_owned()));
    };
    if object.len() > COLUMNS_MAX {
        return Err(("columns", format!("must have at most {COLUMNS_MAX} members")));
    }
    let mut fields = Fields::new();
    for (name, value) in object {
        let text = match value {
            Value::Null => continue,
            Value::Bool(is_so) => is_so.to_string(),
            Value::Number(number) => number.to_string(),
            Value::String(text) => text,
            Value::Array(words) => {
                match words.iter().map(Value::as_str).collect::<Option<Vec<_>>>() {
                    Some(words) => words.join("|"),
                    None => return Err(("invalid", format!("{name} must be a list of texts"))),
                }
            }
            Value::Object(_) if name == OPTIONS => value.to_string(),
            Value::Object(_) => return Err(("invalid", format!("{name} must not be an object"))),
        };
        if text.len() > CELL_BYTES_MAX {
            return Err(("too-long", format!("{name} must have at most {CELL_BYTES_MAX} bytes")));
        }
        if !text.trim().is_empty() {
            fields.insert(name, text.trim().to_owned());
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use domain::{ImportId, Timestamp};
    use store::{ImportKind, ImportStatus};

    use super::*;

    fn import(format: ImportFormat, bytes_total: usize) -> Import {
        let now = Timestamp::from_unix_ms(0);
        Import {
            id: ImportId::from_bytes([0; 16]),
            kind: ImportKind::Stock,
            format,
            is_dry_run: false,
            status: ImportStatus::Running,
            columns: None,
            bytes_total: bytes_total.try_into().unwrap(),
            bytes_done: 0,
            rows_done: 0,
            rows_failed: 0,
            failure: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Reads a file through a window of so many bytes; returns its rows as they are printed.
    fn read(format: ImportFormat, file: &[u8], window: usize, rows_max: usize) -> Vec<String> {
        let mut import = import(format, file.len());
        let mut rows = Vec::new();
        loop {
            let from = usize::try_from(import.bytes_done).unwrap();
            let bytes = &file[from..file.len().min(from + window)];
            let chunk = Chunk::read(&import, bytes, rows_max).unwrap();
            rows.extend(chunk.rows.iter().map(|row| format!("{row:?}")));
            import.bytes_done += chunk.bytes;
            import.columns = import.columns.or(chunk.columns);
            if chunk.is_last {
                return rows;
            }
        }
    }

    #[test]
    fn a_file_is_read_alike_however_it_is_cut() {
        let csv = "\u{feff}sku,counted,note\r\nCUP,5,\"two\nlines, \"\"and\"\" marks\"\r\nPOT,6,\nBAD\nTEA,\u{e9},'=1+1\n";
        let ndjson = "{\"sku\":\"CUP\",\"counted\":5,\"tags\":[\"a\",\"b\"]}\n\n[1]\n{\"sku\":null}\n{\"sku\":\"TEA\"}";
        for (format, file, count) in
            [(ImportFormat::Csv, csv, 4), (ImportFormat::Ndjson, ndjson, 4)]
        {
            let whole = read(format, file.as_bytes(), file.len(), 1_000);
            assert_eq!(whole.len(), count, "{whole:?}");
            for window in 50..file.len() {
                for rows_max in [1, 2, 1_000] {
                    assert_eq!(read(format, file.as_bytes(), window, rows_max), whole, "{window}");
                }
            }
        }
        let rows = read(ImportFormat::Csv, csv.as_bytes(), csv.len(), 9);
        assert!(rows[0].contains("two\\nlines, \\\"and\\\" marks"), "{rows:?}");
        assert!(
            rows[2].contains("must have 3 columns") && rows[3].contains("\"=1+1\""),
            "{rows:?}"
        );
    }

    #[test]
    fn no_column_is_an_object_but_that_of_options() {
        for (line, expected) in [
            (r#"{"options":{"Size":"L"}}"#, Ok(r#"{"Size":"L"}"#)),
            (r#"{"title":{"Size":"L"}}"#, Err("title must not be an object")),
            (r#"{"option.Size":{"L":1}}"#, Err("option.Size must not be an object")),
        ] {
            let read = read_object(line.as_bytes());
            let read = read.as_ref().map(|fields| fields[OPTIONS].as_str());
            assert_eq!(read.map_err(|(_, detail)| detail.as_str()), expected, "{line}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_says_why() {
        let endless = format!("sku\n\"{}", "x".repeat(100));
        let mut one = import(ImportFormat::Csv, 1_000);
        one.columns = Some(vec!["sku".to_owned()]);
        one.bytes_done = 4;
        let why = Chunk::read(&one, &endless.as_bytes()[4..], 9).unwrap_err();
        assert!(why.contains("quotation mark"), "{why}");
        for names in ["sku,sku\n", "sku,\n", &"a,".repeat(101)] {
            let one = import(ImportFormat::Csv, names.len());
            assert!(Chunk::read(&one, names.as_bytes(), 9).is_err(), "{names}");
        }
    }
}
