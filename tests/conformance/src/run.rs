//! Asks one host every case of the table.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::case::{Case, Group};
use crate::check;
use crate::differences::{self, What};
use crate::host::{Host, Running};
use crate::values::Values;
use crate::wire::{Answer, Request};

/// What a host did with the whole table.
#[derive(Debug)]
pub struct Run {
    /// Which host.
    pub host: &'static str,
    /// One per case, in the table's order.
    pub records: Vec<Record>,
    /// The end of the host's log, when something was not as expected.
    pub log: String,
}

/// One case on one host.
#[derive(Debug)]
pub struct Record {
    /// Group and name.
    pub case: String,
    /// What was sent, for failures.
    pub sent: String,
    /// What came back; `None` when the host is not asked this.
    pub answer: Option<Answer>,
    /// Whether this case or one before it in its group was asked until the answer was the expected one: how often
    /// depends on the host, and with it what is left of a limit.
    pub has_waited: bool,
    /// Of the case: what may change between two requests.
    pub moving: Vec<&'static str>,
    /// The host's values at this point.
    pub values: Values,
    /// What was not as the table says.
    pub faults: Vec<String>,
}

/// Letters that stand for a host in accounts and keys: equally many for every host, so that lengths are equal too.
const HOST_LETTERS: usize = 16;
/// How long a case is asked again when the origin was silent and should not have been: 10 s.
const ORIGIN_PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two looks at what has to reach the edge first.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs every case on a host; the inner error says why the host is left out.
///
/// # Errors
/// When the host does not start.
pub fn run(host: Host, groups: &[Group]) -> Result<Result<Run, String>> {
    let mut running = match Running::start(host)? {
        Ok(running) => running,
        Err(why) => return Ok(Err(why)),
    };
    let (key_id, key_seed) = running.world().signing_key()?;
    let staff_key = running.world().staff_key()?;
    let mut records = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let mut has_waited = false;
        let mut values = Values::default();
        values.set("host", format!("{:x<HOST_LETTERS$}", host.name));
        values.set("key_id", key_id.as_str());
        values.set("key_seed", key_seed.as_str());
        values.set("staff_key", staff_key.as_str());
        for (number, case) in group.cases.iter().enumerate() {
            has_waited |= !case.patience.is_zero();
            let place = Place { group, index, number, has_waited };
            let record = ask(&mut running, place, case, &mut values);
            has_waited = record.has_waited;
            records.push(record);
        }
    }
    let is_good = records.iter().all(|record| record.faults.is_empty());
    let log = if is_good { String::new() } else { running.log() };
    Ok(Ok(Run { host: host.name, records, log }))
}

#[derive(Clone, Copy)]
struct Place<'a> {
    group: &'a Group,
    index: usize,
    number: usize,
    has_waited: bool,
}

fn ask(running: &mut Running, place: Place<'_>, case: &Case, values: &mut Values) -> Record {
    let name = format!("{}: {}", place.group.name, case.name);
    values.set("request_id", format!("conformance-{}-{}", place.group.name, place.number));
    let request = request(place, case, values);
    let sent = describe(&request);
    let mut record = Record {
        case: name,
        sent,
        answer: None,
        has_waited: place.has_waited,
        moving: case.moving.clone(),
        values: values.clone(),
        faults: Vec::new(),
    };
    let special = differences::of(running.host.name, &record.case);
    if special.iter().any(|difference| difference.what == What::NotAsked) {
        return record;
    }
    let mut expected = case.expected.clone();
    for difference in special {
        difference.apply(&mut expected);
    }
    let started = Instant::now();
    let mut until = started + case.patience;
    let answer = loop {
        let mut answer = running.send(case.origin, &request);
        for _ in 1..case.times {
            answer = running.send(case.origin, &request);
        }
        let is_good =
            answer.as_ref().is_ok_and(|answer| check::faults(&expected, values, answer).is_empty());
        if !is_good && answer.as_ref().is_ok_and(is_for_want_of_the_origin) {
            record.has_waited = true;
            until = until.max(started + ORIGIN_PATIENCE);
        }
        if is_good || Instant::now() >= until {
            break answer;
        }
        // sleeps because this is the wait on a condition, and it has a limit
        std::thread::sleep(LOOK_EVERY);
    };
    match answer {
        Err(error) => record.faults.push(format!("no answer: {error:#}")),
        Ok(answer) => {
            record.faults = check::faults(&expected, values, &answer);
            if let Err(error) = values.capture(case, &answer) {
                record.faults.push(format!("{error:#}"));
            }
            record.values = values.clone();
            record.answer = Some(answer);
        }
    }
    record
}

/// Whether a host gave up on the origin, which it does after 1.8 s of silence, and says so. Where every core is taken by
/// hosts that start, the origin is that late now and then; a client asks again, with the same key.
fn is_for_want_of_the_origin(answer: &Answer) -> bool {
    answer.status == 503
        && std::str::from_utf8(&answer.body).is_ok_and(|body| body.contains("/origin-unavailable"))
}

/// Builds what is sent: the case's own headers after those that every request has.
fn request(place: Place<'_>, case: &Case, values: &Values) -> Request {
    let client = format!("10.{}.{}.{}", place.index, place.number / 250, place.number % 250 + 1);
    let usual = [
        ("host", "shop.example".to_owned()),
        ("user-agent", "conformance/1".to_owned()),
        ("accept", "*/*".to_owned()),
        ("x-request-id", values.fill("{request_id}")),
        ("x-forwarded-for", client),
        ("connection", "close".to_owned()),
    ];
    let own = |name: &str| {
        let is_said = case.request.headers.iter().any(|(one, _)| one.eq_ignore_ascii_case(name));
        is_said || case.request.without.contains(&name)
    };
    let mut headers: Vec<(String, String)> = usual
        .into_iter()
        .filter(|(name, _)| !own(name))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    for (name, value) in &case.request.headers {
        headers.push((name.clone(), values.fill(value)));
    }
    Request {
        method: case.request.method.clone(),
        target: values.fill(&case.request.target),
        headers,
        body: values.fill(&case.request.body).into_bytes(),
    }
}

/// Writes a request for failures; long values are cut.
fn describe(request: &Request) -> String {
    let short = |text: &str| text.chars().take(120).collect::<String>();
    let mut text = format!("{} {}", request.method, short(&request.target));
    for (name, value) in &request.headers {
        let _ = write!(text, "\n    {name}: {}", short(value));
    }
    if !request.body.is_empty() {
        let _ = write!(text, "\n    {}", short(&String::from_utf8_lossy(&request.body)));
    }
    text
}

impl Run {
    /// Returns how many cases the host was asked, and how many of them it answered as the table says.
    #[must_use]
    pub fn count(&self) -> Count {
        let asked = self.records.iter().filter(|r| r.answer.is_some() || !r.faults.is_empty());
        let failed = asked.clone().filter(|record| !record.faults.is_empty()).count();
        let asked = asked.count();
        Count { passed: asked - failed, failed, left_out: self.records.len() - asked }
    }

    /// Writes every fault, with what was sent.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = String::new();
        for record in self.records.iter().filter(|record| !record.faults.is_empty()) {
            let _ = writeln!(text, "\n{} · {}\n  {}", self.host, record.case, record.sent);
            for fault in &record.faults {
                let _ = writeln!(text, "  ✗ {fault}");
            }
        }
        text
    }
}

/// How cases ended on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// As the table says.
    pub passed: usize,
    /// Not so.
    pub failed: usize,
    /// Not asked, for a documented reason.
    pub left_out: usize,
}
