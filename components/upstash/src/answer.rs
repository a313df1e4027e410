//! Answers: `{"result": …}` or `{"error": …}`, one or a list of them.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;

use crate::{ANSWER_BYTES_MAX, Error};

/// What a command gives.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Nothing: an absent key.
    Null,
    /// A whole number.
    Integer(i64),
    /// Text, also of numbers with a fraction.
    Text(String),
    /// Several values.
    List(Vec<Self>),
}

impl Value {
    /// Returns a counter: a number that is not negative, also one written as text, as `GET` gives it. Absent is zero.
    #[must_use]
    pub fn as_count(&self) -> Option<u64> {
        match self {
            Self::Null => Some(0),
            Self::Integer(number) => u64::try_from(*number).ok(),
            Self::Text(text) => text.parse().ok(),
            Self::List(_) => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Refusal { error: String },
    Result { result: Value },
}

impl From<Answer> for Result<Value, Error> {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Result { result } => Ok(result),
            Answer::Refusal { error } => Err(Error::Command(error)),
        }
    }
}

/// Reads the answer to one command.
///
/// # Errors
/// As [`Error`] says.
pub fn read(response: &Response<Bytes>) -> Result<Value, Error> {
    check(response)?;
    parse::<Answer>(response)?.into()
}

/// Reads the answer to a pipeline of `count` commands: each has its own outcome.
///
/// # Errors
/// As [`Error`] says, for the whole request.
pub fn read_pipeline(
    response: &Response<Bytes>,
    count: usize,
) -> Result<Vec<Result<Value, Error>>, Error> {
    check(response)?;
    let answers: Vec<Answer> = parse(response)?;
    if answers.len() != count {
        return Err(Error::Unreadable("another number of answers than commands"));
    }
    Ok(answers.into_iter().map(Into::into).collect())
}

/// Reads the answer to a transaction of `count` commands. A command that Redis refuses while it runs does not undo the
/// others; it is the answer's error all the same.
///
/// # Errors
/// As [`Error`] says.
pub fn read_transaction(response: &Response<Bytes>, count: usize) -> Result<Vec<Value>, Error> {
    read_pipeline(response, count)?.into_iter().collect()
}

/// Tells refusals of the whole request from answers.
fn check(response: &Response<Bytes>) -> Result<(), Error> {
    match response.status() {
        _ if response.body().len() > ANSWER_BYTES_MAX => Err(Error::Unreadable("too long")),
        StatusCode::OK => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Error::Unauthorized),
        StatusCode::BAD_REQUEST => match parse::<Answer>(response)? {
            Answer::Refusal { error } => Err(Error::Command(error)),
            Answer::Result { .. } => Err(Error::Unreadable("a result with status 400")),
        },
        other => Err(Error::Service(other.as_u16())),
    }
}

fn parse<T: for<'a> Deserialize<'a>>(response: &Response<Bytes>) -> Result<T, Error> {
    serde_json::from_slice(response.body())
        .map_err(|_other| Error::Unreadable("not the protocol's"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn response(status: u16, body: &str) -> Response<Bytes> {
        let body = Bytes::from(body.to_owned());
        Response::builder().status(status).body(body).unwrap()
    }

    #[test]
    fn reads_results_of_every_kind() {
        let list = Value::List(vec![Value::Integer(1), Value::Null, Value::Text("a".to_owned())]);
        for (body, value) in [
            (r#"{"result":null}"#, Value::Null),
            (r#"{"result":"OK"}"#, Value::Text("OK".to_owned())),
            (r#"{"result":9007199254740993}"#, Value::Integer(9_007_199_254_740_993)),
            (r#"{"result":[1,null,"a"]}"#, list),
        ] {
            assert_eq!(read(&response(200, body)), Ok(value), "{body}");
        }
    }

    #[test]
    fn reads_refusals_where_they_stand() {
        let refused = |text: &str| Err(Error::Command(text.to_owned()));
        assert_eq!(read(&response(400, r#"{"error":"ERR syntax"}"#)), refused("ERR syntax"));
        assert_eq!(read(&response(200, r#"{"error":"ERR syntax"}"#)), refused("ERR syntax"));
        let mixed =
            response(200, r#"[{"result":"OK"},{"error":"ERR not an integer"},{"result":2}]"#);
        let outcomes = read_pipeline(&mixed, 3).unwrap();
        assert_eq!(outcomes[1], refused("ERR not an integer"));
        assert_eq!(outcomes[2], Ok(Value::Integer(2)));
        let failed = read_transaction(&mixed, 3);
        assert_eq!(failed, Err(Error::Command("ERR not an integer".to_owned())));
        let discarded = response(400, r#"{"error":"EXECABORT Transaction discarded"}"#);
        assert!(matches!(read_transaction(&discarded, 3), Err(Error::Command(_))));
    }

    #[test]
    fn tells_a_wrong_token_an_unwell_service_and_garbage_apart() {
        let wrong_token = response(401, r#"{"error":"Unauthorized"}"#);
        assert_eq!(read(&wrong_token), Err(Error::Unauthorized));
        for status in [302, 429, 500, 503] {
            assert_eq!(read(&response(status, "busy")), Err(Error::Service(status)));
        }
        for (status, body) in [
            (200, ""),
            (200, "<html>"),
            (200, "{}"),
            (200, "[]"),
            (200, r#"{"result":1.5}"#),
            (400, "Bad Request"),
            (400, r#"{"result":1}"#),
        ] {
            assert!(matches!(read(&response(status, body)), Err(Error::Unreadable(_))), "{body}");
        }
        let one = response(200, r#"[{"result":1}]"#);
        assert!(matches!(read_pipeline(&one, 2), Err(Error::Unreadable(_))));
        let long = response(200, &" ".repeat(ANSWER_BYTES_MAX + 1));
        assert!(matches!(read(&long), Err(Error::Unreadable(_))));
    }

    #[test]
    fn a_count_is_never_negative_and_never_a_word() {
        for (value, count) in [
            (Value::Null, Some(0)),
            (Value::Integer(7), Some(7)),
            (Value::Text("7".to_owned()), Some(7)),
            (Value::Integer(-1), None),
            (Value::Text("-1".to_owned()), None),
            (Value::Text("seven".to_owned()), None),
            (Value::List(Vec::new()), None),
        ] {
            assert_eq!(value.as_count(), count, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_too_odd_to_be_read_or_refused(status in 200_u16..600, body in ".{0,80}") {
            let response = response(status, &body);
            let _ = read(&response);
            let _ = read_pipeline(&response, 1);
            let _ = read_transaction(&response, 1);
        }
    }
}
