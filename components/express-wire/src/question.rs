//! What a component asks of its host between two calls, and the results.

use std::borrow::Cow;

use crate::{Malformed, Reader, Value, Writer};

/// One question. What the component was not granted is answered with [`Failure::Denied`].
#[derive(Debug, Clone, PartialEq)]
pub enum Question<'a> {
    /// Runs a statement of SQLite. Result: a [`RowWriter`](crate::RowWriter)'s rows.
    Sql {
        /// The database's label.
        database: &'a str,
        /// One statement.
        statement: &'a str,
        /// What is bound to `?1`, `?2`, ….
        parameters: Vec<Value<'a>>,
    },
    /// Reads a variable. Result: its text.
    Variable(&'a str),
    /// Reads a key. Result: a byte, 1 if it exists, and then its value.
    KeyGet {
        /// The store's label.
        store: &'a str,
        /// The key.
        key: &'a str,
    },
    /// Writes a key. Result: nothing.
    KeySet {
        /// The store's label.
        store: &'a str,
        /// The key.
        key: &'a str,
        /// The new value.
        value: &'a [u8],
    },
    /// Removes a key, whether it exists or not. Result: nothing.
    KeyDelete {
        /// The store's label.
        store: &'a str,
        /// The key.
        key: &'a str,
    },
    /// Reads the request's body to its end, once. Result: its bytes.
    Body {
        /// More bytes than these are [`Failure::TooLarge`].
        bytes_max: u32,
    },
}

const SQL: u8 = 0;
const VARIABLE: u8 = 1;
const KEY_GET: u8 = 2;
const KEY_SET: u8 = 3;
const KEY_DELETE: u8 = 4;
const BODY: u8 = 5;

impl<'a> Question<'a> {
    /// Adds the question to `out`.
    pub fn write(&self, out: &mut Writer) {
        match self {
            Self::Sql { database, statement, parameters } => {
                out.byte(SQL);
                out.bytes(database);
                out.bytes(statement);
                out.length(parameters.len());
                parameters.iter().for_each(|value| value.write(out));
            }
            Self::Variable(name) => {
                out.byte(VARIABLE);
                out.bytes(name);
            }
            Self::KeyGet { store, key } => write_key(out, KEY_GET, store, key),
            Self::KeySet { store, key, value } => {
                write_key(out, KEY_SET, store, key);
                out.bytes(value);
            }
            Self::KeyDelete { store, key } => write_key(out, KEY_DELETE, store, key),
            Self::Body { bytes_max } => {
                out.byte(BODY);
                out.number(*bytes_max);
            }
        }
    }

    /// Takes a question.
    ///
    /// # Errors
    /// If there is none.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match reader.byte()? {
            SQL => Self::Sql {
                database: reader.text()?,
                statement: reader.text()?,
                parameters: parameters(reader)?,
            },
            VARIABLE => Self::Variable(reader.text()?),
            KEY_GET => Self::KeyGet { store: reader.text()?, key: reader.text()? },
            KEY_SET => {
                Self::KeySet { store: reader.text()?, key: reader.text()?, value: reader.bytes()? }
            }
            KEY_DELETE => Self::KeyDelete { store: reader.text()?, key: reader.text()? },
            BODY => Self::Body { bytes_max: reader.number()? },
            _ => return Err(Malformed),
        })
    }
}

fn write_key(out: &mut Writer, kind: u8, store: &str, key: &str) {
    out.byte(kind);
    out.bytes(store);
    out.bytes(key);
}

/// Most parameters of a statement: 32 766, SQLite's own limit (`SQLITE_MAX_VARIABLE_NUMBER`).
const PARAMETERS_MAX: u32 = 32_766;

fn parameters<'a>(reader: &mut Reader<'a>) -> Result<Vec<Value<'a>>, Malformed> {
    let count = reader.number()?;
    if count > PARAMETERS_MAX {
        return Err(Malformed);
    }
    (0..count).map(|_| Value::read(reader)).collect()
}

/// Why a question has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure<'a> {
    /// The component was not granted this.
    Denied,
    /// It does not exist, or not yet: a variable, a copy that is not filled.
    Missing,
    /// The body is longer than the component wants.
    TooLarge,
    /// Anything else; the text is for the component's log.
    Other(Cow<'a, str>),
}

impl Failure<'_> {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Denied => out.byte(1),
            Self::Missing => out.byte(2),
            Self::TooLarge => out.byte(3),
            Self::Other(why) => {
                out.byte(4);
                out.bytes(why.as_bytes());
            }
        }
    }
}

/// The message that resumes a [`Verdict::Ask`](crate::Verdict::Ask): a result for each question, in their order.
#[derive(Debug, Clone, Copy)]
pub struct Results<'a> {
    left: u32,
    reader: Reader<'a>,
}

impl<'a> Results<'a> {
    /// Starts reading.
    ///
    /// # Errors
    /// If `message` holds no results.
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(message);
        Ok(Self { left: reader.number()?, reader })
    }

    /// Takes the next result, as bytes for [`Results::parse`]; `None` behind the last.
    ///
    /// # Errors
    /// If the message ends too early.
    pub fn next_result(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.reader.bytes().map(Some)
    }

    /// Takes one result apart: what was asked for, or why not.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(result: &'a [u8]) -> Result<Result<&'a [u8], Failure<'a>>, Malformed> {
        let mut reader = Reader::new(result);
        let failure = match reader.byte()? {
            0 => return Ok(Ok(reader.rest())),
            1 => Failure::Denied,
            2 => Failure::Missing,
            3 => Failure::TooLarge,
            4 => Failure::Other(Cow::Borrowed(reader.text()?)),
            _ => return Err(Malformed),
        };
        reader.end()?;
        Ok(Err(failure))
    }
}

/// Writes [`Results`].
#[derive(Debug)]
pub struct ResultsWriter {
    out: Writer,
    /// Where the last result starts.
    last: usize,
}

impl ResultsWriter {
    /// Starts `count` results, which must follow.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let mut out = Writer::with_capacity(512);
        out.length(count);
        let last = out.len();
        Self { out, last }
    }

    /// Adds a result that `write` writes. If it fails, what it wrote is forgotten and the failure added.
    pub fn add(&mut self, write: impl FnOnce(&mut Writer) -> Result<(), Failure<'static>>) {
        self.last = self.out.len();
        let gap = self.out.gap();
        let start = self.out.len();
        self.out.byte(0);
        if let Err(failure) = write(&mut self.out) {
            self.out.cut(start);
            failure.write(&mut self.out);
        }
        self.out.close(&gap);
    }

    /// Forgets the last result: another one takes its place.
    pub fn undo(&mut self) {
        self.out.cut(self.last);
    }

    /// Returns the message.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.out.finish()
    }
}
