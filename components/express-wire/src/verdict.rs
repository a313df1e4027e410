//! What a component wants next.

use crate::edit::{read_edits, write_edits};
use crate::head::write_fields;
use crate::{Edit, Fields, Header, Malformed, Question, Reader, Writer};

/// The body that goes with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// These bytes.
    Whole(&'a [u8]),
    /// The one at the host, which the component has not read: of the request when it goes on, of the next component's
    /// answer when that is answered.
    Unread,
}

impl<'a> Body<'a> {
    pub(crate) fn write(self, out: &mut Writer) {
        match self {
            Self::Whole(bytes) => {
                out.byte(0);
                out.bytes(bytes);
            }
            Self::Unread => out.byte(1),
        }
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        match reader.byte()? {
            0 => Ok(Self::Whole(reader.bytes()?)),
            1 => Ok(Self::Unread),
            _ => Err(Malformed),
        }
    }
}

/// What a call returns.
#[derive(Debug, Clone)]
pub enum Verdict<'a> {
    /// The answer. The exchange is over.
    Answer {
        /// The status, 200 to 599.
        status: u16,
        /// The header fields.
        fields: Fields<'a>,
        /// The body; [`Body::Unread`] only behind a [`Verdict::Forward`].
        body: Body<'a>,
    },
    /// Let the request go on with this head, and resume with the head of its answer. From a gate only, once.
    Forward {
        /// The method.
        method: &'a str,
        /// `http` or `https`.
        scheme: &'a str,
        /// Host and port.
        authority: &'a str,
        /// Path and query.
        target: &'a str,
        /// The header fields.
        fields: Fields<'a>,
        /// The body.
        body: Body<'a>,
    },
    /// Let the request go on as it came, but for these changes, and answer with what comes of it, but for those. From a
    /// gate only, and not behind a [`Verdict::Forward`]. The exchange is over.
    Pass {
        /// Changes to the request's header fields.
        request: Vec<Edit<'a>>,
        /// The request's body.
        body: Body<'a>,
        /// Changes to the answer's header fields.
        answer: Vec<Edit<'a>>,
    },
    /// Answer these questions, then resume. There is one at least.
    Ask(Vec<Question<'a>>),
    /// Serve this request by the component's `wasi:http/handler` instead: it must wait for something that cannot be
    /// asked, or stream. Only as the first verdict: nothing has been done yet. The exchange is over.
    Standard,
    /// There is no answer; the text is for the log. The exchange is over.
    Failed(&'a str),
}

const ANSWER: u8 = 0;
const FORWARD: u8 = 1;
const ASK: u8 = 2;
const STANDARD: u8 = 3;
const FAILED: u8 = 4;
const PASS: u8 = 5;

impl<'a> Verdict<'a> {
    /// Writes [`Verdict::Answer`].
    #[must_use]
    pub fn write_answer<'h>(
        status: u16,
        fields: impl IntoIterator<Item = Header<'h>>,
        body: Body<'_>,
    ) -> Vec<u8> {
        let length = match body {
            Body::Whole(bytes) => bytes.len(),
            Body::Unread => 0,
        };
        let mut out = Writer::with_capacity(length.saturating_add(1024));
        out.byte(ANSWER);
        out.short(status);
        write_fields(&mut out, fields);
        body.write(&mut out);
        out.finish()
    }

    /// Writes [`Verdict::Forward`].
    #[must_use]
    pub fn write_forward<'h>(
        [method, scheme, authority, target]: [&str; 4],
        fields: impl IntoIterator<Item = Header<'h>>,
        body: Body<'_>,
    ) -> Vec<u8> {
        let mut out = Writer::with_capacity(1024);
        out.byte(FORWARD);
        for text in [method, scheme, authority, target] {
            out.bytes(text);
        }
        write_fields(&mut out, fields);
        body.write(&mut out);
        out.finish()
    }

    /// Writes [`Verdict::Pass`].
    #[must_use]
    pub fn write_pass<'e>(
        request: impl IntoIterator<Item = Edit<'e>>,
        body: Body<'_>,
        answer: impl IntoIterator<Item = Edit<'e>>,
    ) -> Vec<u8> {
        let mut out = Self::start_pass();
        write_edits(&mut out, request);
        body.write(&mut out);
        write_edits(&mut out, answer);
        out.finish()
    }

    /// Starts [`Verdict::Pass`]: edits, a body and edits must follow.
    pub(crate) fn start_pass() -> Writer {
        let mut out = Writer::with_capacity(2048);
        out.byte(PASS);
        out
    }

    /// Starts [`Verdict::Ask`] with `count` questions, which must follow.
    #[must_use]
    pub fn start_ask(count: usize, bytes: usize) -> Writer {
        let mut out = Writer::with_capacity(bytes.saturating_add(8));
        out.byte(ASK);
        out.length(count);
        out
    }

    /// Writes [`Verdict::Standard`].
    #[must_use]
    pub fn write_standard() -> Vec<u8> {
        vec![STANDARD]
    }

    /// Writes [`Verdict::Failed`].
    #[must_use]
    pub fn write_failure(why: &str) -> Vec<u8> {
        let mut out = Writer::with_capacity(why.len().saturating_add(8));
        out.byte(FAILED);
        out.bytes(why);
        out.finish()
    }

    /// Reads a verdict.
    ///
    /// # Errors
    /// If `message` is none.
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(message);
        let verdict = match reader.byte()? {
            ANSWER => Self::Answer {
                status: reader.short()?,
                fields: Fields::read(&mut reader)?,
                body: Body::read(&mut reader)?,
            },
            FORWARD => Self::Forward {
                method: reader.text()?,
                scheme: reader.text()?,
                authority: reader.text()?,
                target: reader.text()?,
                fields: Fields::read(&mut reader)?,
                body: Body::read(&mut reader)?,
            },
            PASS => Self::Pass {
                request: read_edits(&mut reader)?,
                body: Body::read(&mut reader)?,
                answer: read_edits(&mut reader)?,
            },
            ASK => Self::Ask(questions(&mut reader)?),
            STANDARD => Self::Standard,
            FAILED => Self::Failed(reader.text()?),
            _ => return Err(Malformed),
        };
        reader.end()?;
        Ok(verdict)
    }
}

/// Most questions of one verdict: 256, where a request asks one or two.
const QUESTIONS_MAX: u32 = 256;

fn questions<'a>(reader: &mut Reader<'a>) -> Result<Vec<Question<'a>>, Malformed> {
    let count = reader.number()?;
    if count == 0 || count > QUESTIONS_MAX {
        return Err(Malformed);
    }
    (0..count).map(|_| Question::read(reader)).collect()
}
