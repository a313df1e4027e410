//! Rows as JSON text, and the expressions that take them apart again.

use std::collections::BTreeSet;

use api_types::feed::FeedValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Columns with values that JSON has no form for. They are written as `{"b":hex}` (bytes) or `{"t":hex}` (text with a
/// NUL in it, at which SQLite's JSON functions end), and only these columns pay for telling them apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Special(BTreeSet<usize>);

/// Writes `values` as a JSON array behind `text`.
pub(crate) fn write<'a>(
    text: &mut String,
    values: impl IntoIterator<Item = &'a FeedValue>,
    special: &mut Special,
) -> Result<(), String> {
    text.push('[');
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        match value {
            FeedValue::Base64(base64) => {
                let bytes = STANDARD.decode(base64).map_err(|_| "bytes are not base64")?;
                write_hex(text, 'b', &bytes);
                special.0.insert(at);
            }
            FeedValue::Text(value) if value.contains('\0') => {
                write_hex(text, 't', value.as_bytes());
                special.0.insert(at);
            }
            other => {
                let json = serde_json::to_string(other).map_err(|cause| cause.to_string())?;
                text.push_str(&json);
            }
        }
    }
    text.push(']');
    Ok(())
}

fn write_hex(text: &mut String, kind: char, bytes: &[u8]) {
    text.push_str("{\"");
    text.push(kind);
    text.push_str("\":\"");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text.push_str("\"}");
}

/// The columns of `one`, a row of `json_each` over an array of rows, as a list of SQL expressions.
pub(crate) fn extracts(columns: usize, special: &Special) -> String {
    let extract = |at: usize| {
        let plain = format!("json_extract(one.value, '$[{at}]')");
        if !special.0.contains(&at) {
            return plain;
        }
        format!(
            "CASE json_type(one.value, '$[{at}]') WHEN 'object' THEN \
             coalesce(unhex(json_extract(one.value, '$[{at}].b')), \
             CAST(unhex(json_extract(one.value, '$[{at}].t')) AS TEXT)) ELSE {plain} END"
        )
    };
    (0..columns).map(extract).collect::<Vec<_>>().join(", ")
}

/// JSON arrays of rows, each of a size that fits a parameter.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    full: Vec<String>,
    open: String,
    bytes: usize,
    pub(crate) special: Special,
}

impl Chunks {
    /// Adds a row. `chunk_bytes` is where a chunk ends, but for a row that is longer alone.
    pub(crate) fn push<'a>(
        &mut self,
        values: impl IntoIterator<Item = &'a FeedValue>,
        chunk_bytes: usize,
        row_bytes_max: usize,
    ) -> Result<(), RowError> {
        let mut row = String::new();
        write(&mut row, values, &mut self.special).map_err(RowError::Garbage)?;
        if row.len() > row_bytes_max {
            return Err(RowError::TooLarge);
        }
        if !self.open.is_empty() && self.open.len().saturating_add(row.len()) > chunk_bytes {
            self.close();
        }
        self.open.push(if self.open.is_empty() { '[' } else { ',' });
        self.open.push_str(&row);
        self.bytes = self.bytes.saturating_add(row.len());
        Ok(())
    }

    /// Returns how many bytes of rows are in it.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes all chunks out; what is special stays known.
    pub(crate) fn take(&mut self) -> Vec<String> {
        self.close();
        self.bytes = 0;
        std::mem::take(&mut self.full)
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.open.push(']');
            self.full.push(std::mem::take(&mut self.open));
        }
    }
}

/// Why a row cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowError {
    Garbage(String),
    TooLarge,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_json_and_what_is_not_json_is_hex() {
        let mut special = Special::default();
        let mut text = String::new();
        let row = [
            FeedValue::Integer(i64::MIN),
            FeedValue::Bool(true),
            FeedValue::Null,
            FeedValue::Real(5.0),
            FeedValue::from("a\"b"),
            FeedValue::from("a\0"),
            FeedValue::Base64("AP8=".to_owned()),
        ];
        write(&mut text, &row, &mut special).unwrap();
        assert_eq!(
            text,
            r#"[-9223372036854775808,true,null,5.0,"a\"b",{"t":"6100"},{"b":"00ff"}]"#
        );
        assert_eq!(special, Special([5, 6].into()));
        assert!(write(&mut text, &[FeedValue::Base64("?".to_owned())], &mut special).is_err());
    }

    #[test]
    fn chunks_end_where_they_should_and_a_long_row_stands_alone() {
        let mut chunks = Chunks::default();
        for text in ["a", "b", "cccccccccccccccccccc", "d"] {
            chunks.push(&[FeedValue::from(text)], 12, 100).unwrap();
        }
        assert_eq!(
            chunks.take(),
            [r#"[["a"],["b"]]"#, r#"[["cccccccccccccccccccc"]]"#, r#"[["d"]]"#]
        );
        assert_eq!((chunks.bytes(), chunks.take().len()), (0, 0));
        assert_eq!(chunks.push(&[FeedValue::from("eeeeeeee")], 12, 10), Err(RowError::TooLarge));
    }
}
