use super::*;

const JSON: Option<&str> = Some("application/json; charset=utf-8");

fn body(json: &serde_json::Value) -> Bytes {
    Bytes::from(json.to_string())
}

fn event(name: &str, subject: &str) -> serde_json::Value {
    serde_json::json!({ "name": name, "subject": subject })
}

fn code_of(result: Result<Vec<Event>, Box<Problem>>) -> (u16, Vec<String>) {
    let problem = result.unwrap_err();
    (problem.status, problem.errors.into_iter().map(|error| error.pointer).collect())
}

#[test]
fn takes_every_name_with_the_subject_that_fits_it() {
    for name in EventName::ALL {
        let subject = match name.subject_kind() {
            SubjectKind::Page => "not-found",
            SubjectKind::Product => "lyra-chair",
            SubjectKind::None => "",
        };
        let sent = serde_json::json!({"events": [event(name.as_str(), subject), {"name": name}]});
        let read = read(JSON, &body(&sent)).unwrap();
        let expected = [subject, ""].map(|subject| Event { name, subject: subject.to_owned() });
        assert_eq!(read, expected);
    }
}

#[test]
fn a_name_is_written_as_it_is_read() {
    for name in EventName::ALL {
        assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        assert_eq!(EventName::parse(name.as_str()), Some(name));
    }
}

#[test]
fn names_every_event_that_is_wrong() {
    let sent = serde_json::json!({"events": [
        event("page_view", "home"),
        event("page_view", "/orders/17?token=secret"),
        event("search", "Ada Lovelace"),
        event("product_view", "Not A Handle"),
        event("purchase", ""),
        {},
    ]});
    let (status, pointers) = code_of(read(JSON, &body(&sent)));
    assert_eq!(status, 422);
    let expected = [
        "/events/1/subject",
        "/events/2/subject",
        "/events/3/subject",
        "/events/4/name",
        "/events/5/name",
    ];
    assert_eq!(pointers, expected);
}

#[test]
fn refuses_what_is_too_much_too_little_or_no_json() {
    let many = |count| serde_json::json!({"events": vec![event("search", ""); count]});
    assert_eq!(read(JSON, &body(&many(EVENTS_MAX))).unwrap().len(), EVENTS_MAX);
    for (content_type, body, status) in [
        (JSON, body(&many(EVENTS_MAX + 1)), 422),
        (JSON, body(&many(0)), 422),
        (JSON, Bytes::from_static(b"{}"), 422),
        (JSON, Bytes::from_static(b"[]"), 422),
        (JSON, Bytes::from_static(b"{\"events\":7}"), 422),
        (JSON, Bytes::from_static(b""), 400),
        (JSON, Bytes::from_static(b"{\"events\":["), 400),
        (JSON, Bytes::from(vec![b' '; BODY_BYTES_MAX + 1]), 413),
        (Some("text/plain"), body(&many(1)), 415),
        (None, body(&many(1)), 415),
    ] {
        assert_eq!(code_of(read(content_type, &body)).0, status, "{body:?}");
    }
}

#[test]
fn a_day_is_read_as_it_is_written() {
    for (text, number) in [("1970-01-01", 0), ("2026-11-22", 20_779), ("1969-12-31", -1)] {
        let day: Day = text.parse().unwrap();
        assert_eq!((day.number(), day.to_string()), (number, text.to_owned()));
    }
    let last = Timestamp::parse("2026-11-22T23:59:59.999Z").unwrap();
    assert_eq!(Day::of(last).to_string(), "2026-11-22");
    for text in ["", "2026-11-2", "2026-02-30", "22.11.2026", "2026-11-22T", "2026-11-22Z"] {
        assert_eq!(text.parse::<Day>(), Err(InvalidDay), "{text}");
    }
}

#[test]
fn a_batch_adds_up_and_keeps_days_apart() {
    let before = Timestamp::parse("2026-11-22T23:59:59Z").unwrap();
    let after = Timestamp::parse("2026-11-23T00:00:00Z").unwrap();
    let view = |subject: &str| Event { name: EventName::ProductView, subject: subject.to_owned() };
    let (first, second) = ([view("cup"), view("cup"), view("bowl")], [view("cup")]);
    let batch =
        EventBatch::of("b".to_owned(), [(before, &first[..]), (before, &second), (after, &second)]);
    let counts: Vec<_> = batch
        .counts
        .iter()
        .map(|count| (count.day.to_string(), count.subject.as_str(), count.count))
        .collect();
    let expected = [
        ("2026-11-22".to_owned(), "bowl", 1),
        ("2026-11-22".to_owned(), "cup", 3),
        ("2026-11-23".to_owned(), "cup", 1),
    ];
    assert_eq!(counts, expected);
    let written = Bytes::from(serde_json::to_vec(&batch).unwrap());
    assert_eq!(EventBatch::read(JSON, &written, Day::of(after)).unwrap(), batch);
}

#[test]
fn a_batch_is_refused_for_what_no_edge_sends() {
    let today: Day = "2026-11-22".parse().unwrap();
    let good =
        || EventCount { day: today, name: EventName::Search, subject: String::new(), count: 1 };
    let check = |id: &str, count: EventCount| {
        EventBatch { id: id.to_owned(), counts: vec![count] }.check(today).is_ok()
    };
    assert!(check("a_-Z9", good()));
    assert!(!check("", good()));
    assert!(!check(&"a".repeat(65), good()));
    assert!(!check("a b", good()));
    assert!(!check("a", EventCount { count: 0, ..good() }));
    assert!(!check("a", EventCount { count: COUNT_MAX + 1, ..good() }));
    assert!(!check("a", EventCount { subject: "words".to_owned(), ..good() }));
    for (off, is_taken) in [(-16, false), (-15, true), (1, true), (2, false)] {
        let day = Day::from_number(today.number() + off);
        assert_eq!(check("a", EventCount { day, ..good() }), is_taken, "{off}");
    }
    let none = EventBatch { id: "a".to_owned(), counts: Vec::new() };
    assert!(none.check(today).is_err());
}

#[test]
fn the_largest_batch_fits_its_limit() {
    let count = EventCount {
        day: "2026-11-22".parse().unwrap(),
        name: EventName::CheckoutStart,
        subject: "a".repeat(96),
        count: COUNT_MAX,
    };
    let batch = EventBatch { id: "a".repeat(64), counts: vec![count; COUNTS_MAX] };
    assert!(serde_json::to_vec(&batch).unwrap().len() <= BATCH_BYTES_MAX);
}
