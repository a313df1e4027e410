//! Heads: what is asked, and what the next component answered.

use crate::{Gap, Malformed, Reader, Writer};

/// A header field: name in lower case, value as it is on the wire. Whoever makes a field of it checks both.
pub type Header<'a> = (&'a [u8], &'a [u8]);

/// The header fields of a message, read as they are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    left: u32,
    reader: Reader<'a>,
}

impl<'a> Fields<'a> {
    /// Reads past the fields, checking each.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let left = reader.number()?;
        let fields = Self { left, reader: *reader };
        for _ in 0..left {
            reader.bytes()?;
            reader.bytes()?;
        }
        Ok(fields)
    }

    /// Returns how many are left.
    #[must_use]
    pub const fn remaining(&self) -> u32 {
        self.left
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.left = self.left.checked_sub(1)?;
        // Both were read once already.
        Some((self.reader.bytes().ok()?, self.reader.bytes().ok()?))
    }
}

/// Adds fields, however many there are.
pub(crate) fn write_fields<'h>(out: &mut Writer, fields: impl IntoIterator<Item = Header<'h>>) {
    let gap = out.gap();
    let mut count: usize = 0;
    for (name, value) in fields {
        out.bytes(name);
        out.bytes(value);
        count = count.saturating_add(1);
    }
    out.fill(&gap, count);
}

/// The head of a request; the first message to a component.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port.
    pub authority: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The header fields.
    pub fields: Fields<'a>,
    /// Whether a body may follow; it is read by [`Question::Body`](crate::Question::Body).
    pub has_body: bool,
}

impl<'a> Request<'a> {
    /// Writes a request.
    #[must_use]
    pub fn write<'h>(
        [method, scheme, authority, target]: [&str; 4],
        fields: impl IntoIterator<Item = Header<'h>>,
        has_body: bool,
    ) -> Vec<u8> {
        let mut out = Writer::with_capacity(1024);
        for text in [method, scheme, authority, target] {
            out.bytes(text);
        }
        write_fields(&mut out, fields);
        out.byte(u8::from(has_body));
        out.finish()
    }

    /// Reads a request.
    ///
    /// # Errors
    /// If `message` is none.
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(message);
        let request = Self {
            method: reader.text()?,
            scheme: reader.text()?,
            authority: reader.text()?,
            target: reader.text()?,
            fields: Fields::read(&mut reader)?,
            has_body: match reader.byte()? {
                0 => false,
                1 => true,
                _ => return Err(Malformed),
            },
        };
        reader.end()?;
        Ok(request)
    }
}

/// A request's head in the making, for whoever has no list of its fields.
#[derive(Debug)]
pub struct RequestWriter {
    out: Writer,
    gap: Gap,
    count: usize,
}

impl RequestWriter {
    /// Begins with method, scheme, authority and target.
    #[must_use]
    pub fn new(words: [&str; 4]) -> Self {
        let mut out = Writer::with_capacity(1024);
        for text in words {
            out.bytes(text);
        }
        let gap = out.gap();
        Self { out, gap, count: 0 }
    }

    /// Adds a field; its name is written in lower case.
    pub fn field(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.out.lower_case(name);
        self.out.bytes(value);
        self.count = self.count.saturating_add(1);
    }

    /// Returns the message.
    #[must_use]
    pub fn finish(mut self, has_body: bool) -> Vec<u8> {
        self.out.fill(&self.gap, self.count);
        self.out.byte(u8::from(has_body));
        self.out.finish()
    }
}

/// What came of letting a request go on; the message that resumes a [`Verdict::Forward`](crate::Verdict::Forward).
#[derive(Debug, Clone, Copy)]
pub enum Next<'a> {
    /// The head of the next component's answer. Its body stays at the host.
    Answered {
        /// The status.
        status: u16,
        /// The header fields.
        fields: Fields<'a>,
    },
    /// The next component gave no answer; the host knows why.
    Failed,
}

impl<'a> Next<'a> {
    /// Writes the head of an answer.
    #[must_use]
    pub fn write_answer<'h>(status: u16, fields: impl IntoIterator<Item = Header<'h>>) -> Vec<u8> {
        let mut out = Writer::with_capacity(1024);
        out.byte(0);
        out.short(status);
        write_fields(&mut out, fields);
        out.finish()
    }

    /// Writes that there is no answer.
    #[must_use]
    pub fn write_failure() -> Vec<u8> {
        vec![1]
    }

    /// Reads what came of it.
    ///
    /// # Errors
    /// If `message` does not say.
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(message);
        let next = match reader.byte()? {
            0 => Self::Answered { status: reader.short()?, fields: Fields::read(&mut reader)? },
            1 => Self::Failed,
            _ => return Err(Malformed),
        };
        reader.end()?;
        Ok(next)
    }
}
