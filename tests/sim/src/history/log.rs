//! The log of a run: NDJSON, two lines an operation.
//!
//! ```text
//! {"op":7,"at_us":1000,"phase":"invoke","client":2,"object":"order/41","call":{"write":"confirmed"}}
//! {"op":7,"at_us":1850,"phase":"ok"}
//! {"op":8,"at_us":1900,"phase":"invoke","client":2,"object":"order/41","call":"read"}
//! {"op":8,"at_us":2400,"phase":"ok","answer":{"value":"confirmed"}}
//! ```
//!
//! | field | in | meaning |
//! |---|---|---|
//! | `op` | all | number of the operation, unique within the log |
//! | `at_us` | all | microseconds on one monotonic clock that all clients share |
//! | `phase` | all | `invoke`; then `ok` (done), `fail` (certainly not done) or `unknown` (no answer) |
//! | `client` | `invoke` | who asked |
//! | `object` | `invoke` | what it is about, for instance `order/41`; objects are judged one by one |
//! | `call` | `invoke` | [`Call`] |
//! | `answer` | `ok` | [`Answer`], where the call has one |
//!
//! An operation without a second line is `unknown`: its client was killed. A last line without a line feed is half
//! written and left out, for the same reason.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use serde::{Deserialize, Serialize};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Read the object; answered with [`Answer::Value`].
    Read,
    /// Make the object this.
    Write(String),
    /// Make the object `to` if it is `from`; answered with [`Answer::Swapped`].
    CompareAndSet {
        /// What it must be.
        from: String,
        /// What it becomes.
        to: String,
    },
    /// Move money.
    Transfer(Transfer),
    /// Read all balances in one moment; answered with [`Answer::Balances`].
    Balances,
    /// Read every transfer that was carried out; answered with [`Answer::Applied`]. Asked once, at the end.
    Applied,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The object, or that there is none.
    Value(Option<String>),
    /// Whether the object was what it had to be.
    Swapped(bool),
    /// All accounts with their balances.
    Balances(Vec<Balance>),
    /// The transfers that were carried out.
    Applied(Vec<Transfer>),
}

/// Money that goes from one account to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Its name, unique among all that were ever asked for.
    pub id: String,
    /// Who pays.
    pub from: String,
    /// Who gets it.
    pub to: String,
    /// ISO 4217 code.
    pub currency: String,
    /// How much, in minor units; more than zero.
    pub minor: i64,
}

/// What an account has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Balance {
    /// Whose.
    pub account: String,
    /// ISO 4217 code.
    pub currency: String,
    /// How much, in minor units.
    pub minor: i64,
}

/// Which half of an operation a line is, and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It was asked.
    Invoke,
    /// It was done.
    Ok,
    /// It was certainly not done.
    Fail,
    /// Nobody knows.
    Unknown,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    op: u64,
    at_us: i64,
    phase: Phase,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call: Option<Call>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done; with what was answered.
    Done(Option<Answer>),
    /// Certainly not done.
    Refused,
    /// Done or not, then or later.
    Unknown,
}

/// An operation with both of its ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its number in the log.
    pub op: u64,
    /// Who asked.
    pub client: u32,
    /// What it is about.
    pub object: String,
    /// What was asked.
    pub call: Call,
    /// When it was asked, in microseconds.
    pub invoked_us: i64,
    /// When it was answered; of an unknown one this tells nothing.
    pub returned_us: i64,
    /// How it ended.
    pub outcome: Outcome,
}

/// Why a log cannot be read. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Not a line of this format.
    #[error("line {0} cannot be read")]
    Unreadable(usize, #[source] serde_json::Error),
    /// A number was asked twice or answered twice.
    #[error("line {0} repeats an operation")]
    Repeated(usize),
    /// An answer to what nobody asked.
    #[error("line {0} ends an operation that never began")]
    Orphan(usize),
    /// An answer before its question.
    #[error("line {0} is older than the operation's begin")]
    BackInTime(usize),
    /// An `invoke` without `client`, `object` or `call`, or with an answer.
    #[error("line {0} does not say what was asked")]
    Incomplete(usize),
}

/// Writes a log.
#[derive(Debug)]
pub struct Recorder<W> {
    out: W,
    next: u64,
}

impl<W: Write> Recorder<W> {
    /// Begins a log.
    pub const fn new(out: W) -> Self {
        Self { out, next: 1 }
    }

    /// Writes that something is asked; returns the number of the operation. Write it before asking.
    ///
    /// # Errors
    /// When the line cannot be written.
    pub fn invoke(
        &mut self,
        at_us: i64,
        client: u32,
        object: &str,
        call: Call,
    ) -> std::io::Result<u64> {
        let op = self.next;
        self.next += 1;
        let object = Some(object.to_owned());
        let phase = Phase::Invoke;
        let (client, call) = (Some(client), Some(call));
        self.write(&Line { op, at_us, phase, client, object, call, answer: None })?;
        Ok(op)
    }

    /// Writes how an operation ended.
    ///
    /// # Errors
    /// When the line cannot be written.
    pub fn end(&mut self, op: u64, at_us: i64, outcome: Outcome) -> std::io::Result<()> {
        let (phase, answer) = match outcome {
            Outcome::Done(answer) => (Phase::Ok, answer),
            Outcome::Refused => (Phase::Fail, None),
            Outcome::Unknown => (Phase::Unknown, None),
        };
        self.write(&Line { op, at_us, phase, client: None, object: None, call: None, answer })
    }

    /// Returns what was written to.
    pub const fn get_ref(&self) -> &W {
        &self.out
    }

    fn write(&mut self, line: &Line) -> std::io::Result<()> {
        // One call a line: a killed client leaves at most one half line.
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.out.write_all(&text)
    }
}

/// Reads a log; operations come in the order in which they were asked.
///
/// # Errors
/// See [`LogError`].
pub fn read(text: &str) -> Result<Vec<Operation>, LogError> {
    let mut operations: BTreeMap<u64, Operation> = BTreeMap::new();
    let mut ended = BTreeSet::new();
    let mut order = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let Some(line) = line.strip_suffix('\n') else {
            break;
        };
        let line: Line =
            serde_json::from_str(line).map_err(|error| LogError::Unreadable(number, error))?;
        if line.phase == Phase::Invoke {
            let operation = begin(&line).ok_or(LogError::Incomplete(number))?;
            order.push(line.op);
            if operations.insert(line.op, operation).is_some() {
                return Err(LogError::Repeated(number));
            }
            continue;
        }
        let operation = operations.get_mut(&line.op).ok_or(LogError::Orphan(number))?;
        if !ended.insert(line.op) {
            return Err(LogError::Repeated(number));
        }
        if line.at_us < operation.invoked_us {
            return Err(LogError::BackInTime(number));
        }
        operation.returned_us = line.at_us;
        operation.outcome = match line.phase {
            Phase::Ok => Outcome::Done(line.answer),
            Phase::Fail => Outcome::Refused,
            Phase::Unknown | Phase::Invoke => Outcome::Unknown,
        };
    }
    Ok(order.into_iter().filter_map(|op| operations.remove(&op)).collect())
}

fn begin(line: &Line) -> Option<Operation> {
    if line.answer.is_some() {
        return None;
    }
    Some(Operation {
        op: line.op,
        client: line.client?,
        object: line.object.clone()?,
        call: line.call.clone()?,
        invoked_us: line.at_us,
        returned_us: line.at_us,
        outcome: Outcome::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = concat!(
        r#"{"op":7,"at_us":1000,"phase":"invoke","client":2,"object":"order/41","call":{"write":"confirmed"}}"#,
        "\n",
        r#"{"op":7,"at_us":1850,"phase":"ok"}"#,
        "\n",
        r#"{"op":8,"at_us":1900,"phase":"invoke","client":2,"object":"order/41","call":"read"}"#,
        "\n",
        r#"{"op":8,"at_us":2400,"phase":"ok","answer":{"value":"confirmed"}}"#,
        "\n",
    );

    #[test]
    fn reads_the_example_of_the_documentation() {
        let operations = read(EXAMPLE).unwrap();
        assert_eq!(operations.len(), 2);
        assert_eq!(operations[0].call, Call::Write("confirmed".to_owned()));
        assert_eq!((operations[0].invoked_us, operations[0].returned_us), (1000, 1850));
        let value = Answer::Value(Some("confirmed".to_owned()));
        assert_eq!(operations[1].outcome, Outcome::Done(Some(value)));
    }

    #[test]
    fn reads_back_what_it_wrote() {
        let mut recorder = Recorder::new(Vec::new());
        let transfer = Transfer {
            id: "t1".to_owned(),
            from: "a".to_owned(),
            to: "b".to_owned(),
            currency: "KWD".to_owned(),
            minor: 1,
        };
        let calls = [
            (Call::Read, Outcome::Done(Some(Answer::Value(None)))),
            (Call::Write("x".to_owned()), Outcome::Unknown),
            (Call::Transfer(transfer.clone()), Outcome::Refused),
            (Call::Balances, Outcome::Done(Some(Answer::Balances(Vec::new())))),
            (Call::Applied, Outcome::Done(Some(Answer::Applied(vec![transfer])))),
            (
                Call::CompareAndSet { from: "x".to_owned(), to: "y".to_owned() },
                Outcome::Done(Some(Answer::Swapped(true))),
            ),
        ];
        for (at, (call, outcome)) in calls.iter().enumerate() {
            let at_us = i64::try_from(at).unwrap();
            let op = recorder.invoke(at_us, 3, "order/1", call.clone()).unwrap();
            recorder.end(op, at_us + 10, outcome.clone()).unwrap();
        }
        let operations = read(std::str::from_utf8(recorder.get_ref()).unwrap()).unwrap();
        let got: Vec<_> =
            operations.iter().map(|found| (found.call.clone(), found.outcome.clone())).collect();
        assert_eq!(got, calls);
    }

    #[test]
    fn an_operation_without_an_end_and_a_half_line_are_what_a_kill_leaves() {
        let first = EXAMPLE.split_inclusive('\n').next().unwrap();
        let operations = read(&format!("{first}{{\"op\":7,\"at_")).unwrap();
        assert_eq!(operations.len(), 1);
        assert_eq!(operations[0].outcome, Outcome::Unknown);
    }

    #[test]
    fn refuses_logs_that_contradict_themselves() {
        let invoke = r#"{"op":1,"at_us":5,"phase":"invoke","client":0,"object":"o","call":"read"}"#;
        let ok = r#"{"op":1,"at_us":6,"phase":"ok"}"#;
        for (lines, expected) in [
            (vec!["nonsense"], "line 1 cannot be read"),
            (vec![invoke, r#"{"op":1,"at_us":6,"phase":"ok","more":1}"#], "line 2 cannot be read"),
            (vec![invoke, invoke], "line 2 repeats an operation"),
            (vec![invoke, ok, ok], "line 3 repeats an operation"),
            (vec![ok], "line 1 ends an operation that never began"),
            (
                vec![invoke, r#"{"op":1,"at_us":4,"phase":"ok"}"#],
                "line 2 is older than the operation's begin",
            ),
            (
                vec![r#"{"op":1,"at_us":5,"phase":"invoke","client":0,"object":"o"}"#],
                "line 1 does not say what was asked",
            ),
        ] {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            assert_eq!(read(&text).unwrap_err().to_string(), expected);
        }
    }
}
