//! Holds two hosts' answers against each other, byte for byte but for what is documented.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::differences::{self, Difference, MASKED, What};
use crate::run::{Record, Run};

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Answers that were compared.
    pub compared: usize,
    /// What differs without being documented, in words.
    pub faults: Vec<String>,
    /// Documented differences that were seen.
    pub seen: BTreeSet<&'static Difference>,
}

/// Compares a host's run with the reference's.
#[must_use]
pub fn compare(reference: &Run, run: &Run) -> Comparison {
    let mut found = Comparison::default();
    let (asked, answered) = (reference.records.len(), run.records.len());
    if asked != answered {
        found.faults.push(format!("{}: {answered} of {asked} cases were asked", run.host));
    }
    for (theirs, ours) in reference.records.iter().zip(&run.records) {
        compare_one(reference.host, run.host, theirs, ours, &mut found);
    }
    found
}

/// Returns the documented differences of a host that did not occur.
#[must_use]
pub fn stale(host: &str, seen: &BTreeSet<&'static Difference>) -> Vec<&'static Difference> {
    let concerns = |one: &&Difference| one.is_of(host);
    differences::DIFFERENCES.iter().filter(concerns).filter(|one| !seen.contains(one)).collect()
}

fn compare_one(
    reference: &str,
    host: &str,
    theirs: &Record,
    ours: &Record,
    found: &mut Comparison,
) {
    let documented = differences::of(host, &ours.case);
    if let Some(why) = documented.iter().find(|one| one.what == What::NotAsked) {
        found.seen.insert(why);
        return;
    }
    let (Some(one), Some(other)) = (&theirs.answer, &ours.answer) else { return };
    found.compared += 1;
    let is_body_other = documented.iter().any(|one| one.what == What::Body);
    let mut differ = |what: What, text: String| {
        let answer = documented.iter().find(|one| matches!(one.what, What::Answer(_)));
        match documented.iter().find(|one| one.what == what).or(answer) {
            Some(known) => {
                found.seen.insert(known);
            }
            None => {
                found.faults.push(format!("{host} · {}\n  {}\n  ≠ {text}", ours.case, ours.sent))
            }
        }
    };
    if one.status != other.status {
        let text = format!("status: {reference} {}, {host} {}", one.status, other.status);
        differ(What::Answer(other.status), text);
    }
    let (ones, others) = (headers(theirs), headers(ours));
    let names: BTreeSet<&str> = ones.keys().chain(others.keys()).copied().collect();
    for name in names {
        let is_length_other = is_body_other || !ours.moving.is_empty();
        if is_length_other && matches!(name, "content-length" | "etag") {
            continue;
        }
        let (one, other) = (ones.get(name), others.get(name));
        if one != other {
            let known = documented.iter().find_map(|difference| match difference.what {
                What::Header(header) if header == name => Some(difference.what),
                _ => None,
            });
            let text = format!("header {name}: {reference} {one:?}, {host} {other:?}");
            differ(known.unwrap_or(What::Header("")), text);
        }
    }
    let (one, other) = (body(theirs), body(ours));
    if one != other {
        differ(What::Body, format!("body: {}", first_difference(reference, &one, host, &other)));
    }
}

/// Headers that are compared, with names in the place of values.
///
/// Two lines of one header and one line with a comma are the same (RFC 9110, section 5.3).
fn headers(record: &Record) -> BTreeMap<&str, String> {
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    let Some(answer) = &record.answer else { return headers };
    for (name, value) in &answer.headers {
        if MASKED.contains(&name.as_str()) {
            continue;
        }
        let value = record.values.unfill(value);
        let value = match name.as_str() {
            "ratelimit" if record.has_waited => continue,
            "ratelimit" => without_time(&value),
            // Until the window moves on: as much as `t` in `ratelimit`.
            "retry-after" if answer.status == 429 => "…".to_owned(),
            _ => value,
        };
        match headers.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(mut entry) => {
                let joined = entry.get_mut();
                joined.push_str(", ");
                joined.push_str(&value);
            }
        }
    }
    headers
}

/// `"read";r=1199;t=37` without the seconds, which depend on the moment within the window.
fn without_time(value: &str) -> String {
    let parts = value.split(';');
    let parts: Vec<&str> =
        parts.map(|part| if part.starts_with("t=") { "t=…" } else { part }).collect();
    parts.join(";")
}

fn body(record: &Record) -> Vec<u8> {
    let Some(answer) = &record.answer else { return Vec::new() };
    let body = without_moving(&answer.body, &record.moving);
    match std::str::from_utf8(&body) {
        Ok(text) => record.values.unfill(text).into_bytes(),
        Err(_) => body,
    }
}

/// The body with a mark in the place of each value that may change between two requests. One that is not JSON, or has no such
/// value, stays as it is.
fn without_moving(body: &[u8], moving: &[&str]) -> Vec<u8> {
    let unchanged = || body.to_owned();
    if moving.is_empty() {
        return unchanged();
    }
    let Ok(mut json) = serde_json::from_slice::<serde_json::Value>(body) else {
        return unchanged();
    };
    for pointer in moving {
        let Some(value) = json.pointer_mut(pointer) else { return unchanged() };
        *value = "…".into();
    }
    json.to_string().into_bytes()
}

fn first_difference(one_name: &str, one: &[u8], other_name: &str, other: &[u8]) -> String {
    let at = one
        .iter()
        .zip(other)
        .position(|(a, b)| a != b)
        .unwrap_or_else(|| one.len().min(other.len()));
    let near = |bytes: &[u8]| {
        let from = at.saturating_sub(40);
        let to = (at + 80).min(bytes.len());
        String::from_utf8_lossy(bytes.get(from..to).unwrap_or_default()).into_owned()
    };
    format!(
        "from byte {at} of {}/{}: {one_name} …{}…, {other_name} …{}…",
        one.len(),
        other.len(),
        near(one),
        near(other)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Values;
    use crate::wire::Answer;

    fn run(host: &'static str, headers: &[(&str, &str)], body: &str) -> Run {
        let mut values = Values::default();
        values.set("host", format!("{host:x<16}"));
        let headers =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let answer = Some(Answer { status: 200, headers, body: body.into() });
        let (case, sent) = ("a: b".to_owned(), String::new());
        let record = Record {
            case,
            sent,
            answer,
            values,
            has_waited: false,
            moving: vec![],
            faults: vec![],
        };
        Run { host, records: vec![record], log: String::new() }
    }

    #[test]
    fn only_what_is_documented_may_differ() {
        let reference = run("native", &[("date", "now"), ("a", "1")], "hello nativexx");
        for (headers, body, faults) in [
            (vec![("a", "1")], "hello nodexxxx", 0),
            (vec![("a", "1"), ("vitrine-edge", "n"), ("date", "x")], "hello nodexxxx", 0),
            (vec![("a", "2")], "hello nodexxxx", 1),
            (vec![("a", "1"), ("a", "1")], "hello nodexxxx", 1),
            (vec![], "hello nodexxxx", 1),
            (vec![("a", "1")], "hello workerdx", 1),
        ] {
            let other = run("node", &headers, body);
            let found = compare(&reference, &other);
            assert_eq!(found.faults.len(), faults, "{headers:?} {body}: {:?}", found.faults);
        }
    }

    #[test]
    fn a_value_that_moves_by_itself_is_not_compared_and_all_else_is() {
        let with = |host, length, body| {
            let mut run = run(host, &[("content-length", length)], body);
            run.records.iter_mut().for_each(|record| record.moving = vec!["/paid"]);
            run
        };
        let reference = with("native", "21", r#"{"paid":"no","sum":1}"#);
        for (length, body, faults) in [
            ("22", r#"{"paid":"yes","sum":1}"#, 0),
            ("22", r#"{"paid":"yes","sum":2}"#, 1),
            ("9", r#"{"sum":1}"#, 1),
            ("5", "plain", 1),
        ] {
            let found = compare(&reference, &with("node", length, body));
            assert_eq!(found.faults.len(), faults, "{body}: {:?}", found.faults);
        }
    }

    #[test]
    fn what_no_longer_differs_is_said() {
        let all = stale("node", &BTreeSet::new());
        assert!(all.iter().any(|one| one.id == "edge-name"), "{all:?}");
        let seen = all.iter().copied().collect();
        assert_eq!(stale("node", &seen), Vec::<&Difference>::new());
    }
}
