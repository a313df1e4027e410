//! Tables and properties of chat rooms.

use proptest::prelude::*;

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn code(heard: &Heard) -> Option<ChatFault> {
    match heard {
        Heard::Refuse(ServerFrame::Error { code, .. }) => Some(*code),
        _ => None,
    }
}

fn message(text: &str) -> String {
    api_types::rooms::write(&ClientFrame::Message { text: text.to_owned(), id: None })
}

#[test]
fn takes_messages_and_names_within_their_limits() {
    let (fit, long) = ("é".repeat(TEXT_CHARS_MAX), "é".repeat(TEXT_CHARS_MAX.saturating_add(1)));
    let long_id = format!(r#"{{"type":"message","text":"a","id":"{}"}}"#, "i".repeat(65));
    for (frame, expected) in [
        (message("hi"), None),
        (message(&fit), None),
        (message(&long), Some(ChatFault::TooLong)),
        (message(" \n"), Some(ChatFault::Empty)),
        (long_id, Some(ChatFault::TooLong)),
        (r#"{"type":"join","name":"Ada"}"#.to_owned(), None),
        (r#"{"type":"join","name":" "}"#.to_owned(), Some(ChatFault::InvalidName)),
        (format!(r#"{{"type":"join","name":"{}"}}"#, "n".repeat(41)), Some(ChatFault::InvalidName)),
        ("{\"type\":\"join\",\"name\":\"a\u{202e}b\"}".to_owned(), Some(ChatFault::InvalidName)),
        (r#"{"type":"join","name":"a\u0000"}"#.to_owned(), Some(ChatFault::InvalidName)),
        (r#"{"type":"leave"}"#.to_owned(), Some(ChatFault::Unreadable)),
        ("[".repeat(10_000), Some(ChatFault::Unreadable)),
        (String::new(), Some(ChatFault::Unreadable)),
    ] {
        let heard = hear(&mut arrive([0; 8], at(0)), Frame::Text(&frame), at(0));
        assert_eq!(code(&heard), expected, "{frame}");
    }
    let heard = hear(&mut arrive([0; 8], at(0)), Frame::Binary(3), at(0));
    assert_eq!(code(&heard), Some(ChatFault::NotText));
}

#[test]
fn a_frame_over_the_limit_and_too_much_nonsense_end_the_socket() {
    let mut member = arrive([1; 8], at(0));
    let big = " ".repeat(FRAME_BYTES_MAX.saturating_add(1));
    assert_eq!(hear(&mut member, Frame::Text(&big), at(0)), Heard::Close(Closing::TooBig));
    let ends = (0..100)
        .take_while(|_| hear(&mut member, Frame::Text("?"), at(0)) != Heard::Close(Closing::Abuse));
    assert_eq!(ends.count(), 20);
}

#[test]
fn a_name_counts_from_then_on() {
    let mut member = arrive([0xab; 8], at(0));
    assert_eq!((member.member.as_str(), member.name.as_str()), ("mabababababababab", "Guest"));
    assert_eq!(
        hear(&mut member, Frame::Text(r#"{"type":"join","name":" Ada "}"#), at(5)),
        Heard::Renamed
    );
    assert_eq!((member.name.as_str(), member.heard_at_ms), ("Ada", 5));
}

#[test]
fn a_client_that_comes_back_is_told_what_it_missed() {
    for (after, first, expected) in [
        (None, 0, false),
        (None, 1, false),
        (None, 51, true),
        (Some(0), 1, false),
        (Some(50), 51, false),
        (Some(49), 51, true),
        (Some(u64::MAX), 51, false),
    ] {
        assert_eq!(has_gap(after, first), expected, "{after:?} {first}");
    }
    for (query, expected) in [
        (None, None),
        (Some("after=12"), Some(12)),
        (Some("a=b&after=3"), Some(3)),
        (Some("after=-1"), None),
        (Some("after=x"), None),
        (Some("after"), None),
    ] {
        assert_eq!(after(query), expected, "{query:?}");
    }
}

#[test]
fn a_room_is_forgotten_thirty_days_after_its_last_message() {
    let day = 86_400_000;
    let hour = 3_600_000;
    for (heard, last, now, expected) in [
        (&[][..], 0, 30 * day, Sweep::Forget),
        (&[at(30 * day)], 0, 30 * day, Sweep::Forget),
        (&[], day, 30 * day, Sweep::Again(at(31 * day))),
        (&[at(5), at(9)], 0, hour, Sweep::Again(at(hour + 5))),
    ] {
        assert_eq!(sweep(heard, at(last), at(now)), expected);
    }
    let member = arrive([0; 8], at(0));
    assert!(!is_idle(&member, at(hour - 1)) && is_idle(&member, at(hour)));
}

#[test]
fn foreign_pages_open_no_sockets() {
    let own = ["https://shop.example", "https://www.shop.example/"];
    let is_listed = |origin: &str| origin == "https://partner.example";
    for (origin, expected) in [
        (None, true),
        (Some("https://shop.example"), true),
        (Some("https://www.shop.example"), true),
        (Some("https://partner.example"), true),
        (Some("http://shop.example"), false),
        (Some("https://shop.example.evil.example"), false),
        (Some("null"), false),
        (Some(""), false),
    ] {
        assert_eq!(is_own(origin, &own, is_listed), expected, "{origin:?}");
    }
}

proptest! {
    #[test]
    fn never_takes_more_than_the_burst_and_one_a_second(gaps in prop::collection::vec(0_i64..700, 1..300)) {
        let mut member = arrive([0; 8], at(0));
        let (mut now, mut taken) = (1_000_000, 0_i64);
        let start = now;
        for gap in gaps {
            now += gap;
            member.faults = 0;
            if matches!(hear(&mut member, Frame::Text(&message("a")), at(now)), Heard::Say { .. }) {
                taken += 1;
            }
            prop_assert!(taken <= 10 + (now - start) / 1_000, "{taken} after {} ms", now - start);
        }
    }
}
