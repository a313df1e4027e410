//! Rows of a statement.

use crate::{Malformed, Reader, Writer};

/// A value of SQLite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// `NULL`.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;

impl<'a> Value<'a> {
    /// Adds the value to `out`.
    pub fn write(&self, out: &mut Writer) {
        match self {
            Self::Null => out.byte(NULL),
            Self::Integer(number) => {
                out.byte(INTEGER);
                out.long(u64::from_le_bytes(number.to_le_bytes()));
            }
            Self::Real(number) => {
                out.byte(REAL);
                out.long(number.to_bits());
            }
            Self::Text(text) => {
                out.byte(TEXT);
                out.bytes(text);
            }
            Self::Blob(bytes) => {
                out.byte(BLOB);
                out.bytes(bytes);
            }
        }
    }

    /// Takes a value.
    ///
    /// # Errors
    /// If there is none.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match reader.byte()? {
            NULL => Self::Null,
            INTEGER => Self::Integer(i64::from_le_bytes(reader.long()?.to_le_bytes())),
            REAL => Self::Real(f64::from_bits(reader.long()?)),
            TEXT => Self::Text(reader.text()?),
            BLOB => Self::Blob(reader.bytes()?),
            _ => return Err(Malformed),
        })
    }
}

/// Writes rows into a result: the columns, then each value of each row.
#[derive(Debug)]
pub struct RowWriter<'a> {
    out: &'a mut Writer,
    gap: crate::writer::Gap,
    rows: usize,
}

impl<'a> RowWriter<'a> {
    /// Starts with the columns' names.
    pub fn new<'c>(out: &'a mut Writer, columns: impl ExactSizeIterator<Item = &'c str>) -> Self {
        out.length(columns.len());
        columns.for_each(|name| out.bytes(name));
        let gap = out.gap();
        Self { out, gap, rows: 0 }
    }

    /// Starts a row; as many values as there are columns must follow.
    pub const fn row(&mut self) {
        self.rows = self.rows.saturating_add(1);
    }

    /// Adds a value.
    pub fn value(&mut self, value: Value<'_>) {
        value.write(self.out);
    }

    /// Returns how many bytes the message has so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether no row was started.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Ends the rows.
    pub fn finish(self) {
        self.out.fill(&self.gap, self.rows);
    }
}

/// Reads rows.
#[derive(Debug, Clone, Copy)]
pub struct RowReader<'a> {
    columns: u32,
    rows: u32,
    names: Reader<'a>,
    values: Reader<'a>,
}

impl<'a> RowReader<'a> {
    /// Starts reading.
    ///
    /// # Errors
    /// If `result` holds no rows.
    pub fn new(result: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(result);
        let columns = reader.number()?;
        let names = reader;
        for _ in 0..columns {
            reader.text()?;
        }
        let rows = reader.number()?;
        Ok(Self { columns, rows, names, values: reader })
    }

    /// Returns the columns' names.
    ///
    /// # Errors
    /// Never, for they were read once.
    pub fn columns(&self) -> impl Iterator<Item = Result<&'a str, Malformed>> {
        let mut names = self.names;
        (0..self.columns).map(move |_| names.text())
    }

    /// Returns the number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        usize::try_from(self.columns).unwrap_or(usize::MAX)
    }

    /// Returns the number of rows.
    #[must_use]
    pub const fn rows(&self) -> u32 {
        self.rows
    }

    /// Takes the next value, row by row.
    ///
    /// # Errors
    /// If there is none.
    pub fn value(&mut self) -> Result<Value<'a>, Malformed> {
        Value::read(&mut self.values)
    }

    /// Ends reading.
    ///
    /// # Errors
    /// If something is left.
    pub const fn end(self) -> Result<(), Malformed> {
        self.values.end()
    }
}
