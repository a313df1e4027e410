//! Holds one answer against what its case expects.

use serde_json::Value;

use crate::case::{Expected, Want};
use crate::values::Values;
use crate::wire::Answer;

/// Returns everything that is not as expected, in words; empty is good.
#[must_use]
pub(crate) fn faults(expected: &Expected, values: &Values, answer: &Answer) -> Vec<String> {
    let mut faults = Vec::new();
    if answer.status != expected.status {
        faults.push(format!("status {} instead of {}", answer.status, expected.status));
    }
    for (name, want) in &expected.headers {
        let found = answer.header(name);
        if let Some(why) = text_fault(&values.fill_want(want), found.as_deref()) {
            faults.push(format!("header {name}: {why}"));
        }
    }
    let json = if expected.json.is_empty() { None } else { answer_json(answer, &mut faults) };
    if let Some(json) = json {
        for (pointer, want) in &expected.json {
            let found = json.pointer(pointer);
            if let Some(why) = json_fault(&values.fill_want(want), found) {
                faults.push(format!("body {pointer}: {why}"));
            }
        }
    }
    for want in &expected.body {
        if let Some(why) = body_fault(&values.fill_want(want), &answer.body) {
            faults.push(format!("body: {why}"));
        }
    }
    faults
}

fn answer_json(answer: &Answer, faults: &mut Vec<String>) -> Option<Value> {
    match serde_json::from_slice(&answer.body) {
        Ok(json) => Some(json),
        Err(error) => {
            faults.push(format!("body is no JSON ({error}): {}", short(&answer.text())));
            None
        }
    }
}

fn text_fault(want: &Want, found: Option<&str>) -> Option<String> {
    let is_good = match (want, found) {
        (Want::Absent, found) => found.is_none(),
        (_, None) => false,
        (Want::There, Some(_)) => true,
        (Want::Is(text), Some(found)) => found == text,
        (Want::Json(value), Some(found)) => value.as_str() == Some(found),
        (Want::Starts(text), Some(found)) => found.starts_with(text.as_str()),
        (Want::Has(text), Some(found)) => found.contains(text.as_str()),
        (Want::HasNot(text), Some(found)) => !found.contains(text.as_str()),
        (Want::Long(length), Some(found)) => found.len() == *length,
        (Want::Part(..), Some(_)) => false,
    };
    (!is_good).then(|| {
        format!("{} instead of {want:?}", found.map_or_else(|| "nothing".to_owned(), short))
    })
}

fn json_fault(want: &Want, found: Option<&Value>) -> Option<String> {
    let is_good = match (want, found) {
        (Want::Json(value), found) => found == Some(value),
        (Want::Absent, found) => found.is_none_or(Value::is_null),
        (Want::There, found) => found.is_some_and(|value| !value.is_null()),
        (Want::Long(length), Some(Value::Array(items))) => items.len() == *length,
        (want, Some(Value::String(text))) => return text_fault(want, Some(text)),
        _ => false,
    };
    let found = || found.map_or_else(|| "nothing".to_owned(), |value| short(&value.to_string()));
    (!is_good).then(|| format!("{} instead of {want:?}", found()))
}

fn body_fault(want: &Want, body: &[u8]) -> Option<String> {
    let is_good = match want {
        Want::Absent => body.is_empty(),
        Want::There => !body.is_empty(),
        Want::Long(length) => body.len() == *length,
        Want::Part(from, to, file) => {
            let whole = crate::repository::file(file).ok();
            whole.as_deref().and_then(|whole| whole.get(*from..*to)) == Some(body)
        }
        other => return text_fault(other, Some(&String::from_utf8_lossy(body))),
    };
    let shown = || format!("{} bytes ({})", body.len(), short(&String::from_utf8_lossy(body)));
    (!is_good).then(|| format!("{} instead of {want:?}", shown()))
}

/// Quotes the beginning of a text.
fn short(text: &str) -> String {
    let start: String = text.chars().take(200).collect();
    format!("`{start}`")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(expected: Expected) -> usize {
        let answer = Answer {
            status: 200,
            headers: vec![("a".into(), "x".into()), ("a".into(), "y".into())],
            body: br#"{"list":[1,2],"text":"oak","none":null}"#.to_vec(),
        };
        faults(&expected, &Values::default(), &answer).len()
    }

    #[test]
    fn every_kind_of_expectation_can_fail() {
        let is = |text: &str| Want::Is(text.to_owned());
        for (name, want, count) in [
            ("a", is("x, y"), 0),
            ("a", is("x"), 1),
            ("a", Want::There, 0),
            ("a", Want::Absent, 1),
            ("b", Want::Absent, 0),
            ("b", Want::There, 1),
            ("a", Want::Starts("x".into()), 0),
            ("a", Want::Has("z".into()), 1),
            ("a", Want::HasNot("y".into()), 1),
        ] {
            let headers = vec![(name.to_owned(), want.clone())];
            assert_eq!(
                found(Expected { status: 200, headers, ..Expected::default() }),
                count,
                "{want:?}"
            );
        }
        for (pointer, want, count) in [
            ("/list/1", Want::Json(json!(2)), 0),
            ("/list/1", Want::Json(json!(3)), 1),
            ("/list", Want::Long(2), 0),
            ("/list", Want::Long(3), 1),
            ("/none", Want::Absent, 0),
            ("/none", Want::There, 1),
            ("/gone", Want::Absent, 0),
            ("/text", Want::Absent, 1),
            ("/text", Want::Has("ak".into()), 0),
            ("/text", is("elm"), 1),
        ] {
            let json = vec![(pointer.to_owned(), want.clone())];
            assert_eq!(
                found(Expected { status: 200, json, ..Expected::default() }),
                count,
                "{pointer} {want:?}"
            );
        }
        for (want, count) in
            [(Want::There, 0), (Want::Absent, 1), (Want::Has("oak".into()), 0), (Want::Long(3), 1)]
        {
            let body = vec![want.clone()];
            assert_eq!(found(Expected { status: 200, body, ..Expected::default() }), count);
        }
        assert_eq!(found(Expected { status: 404, ..Expected::default() }), 1);
    }
}
