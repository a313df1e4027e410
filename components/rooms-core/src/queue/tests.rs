//! Tables and properties of the queue.

use proptest::prelude::*;

use super::*;

const START: i64 = 1_795_348_800_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(START + ms)
}

fn pace(admissions_per_minute: u32) -> Pace {
    Pace { admissions_per_minute, pass_lifetime: Duration::from_secs(600) }
}

fn is_turn(place: Place) -> bool {
    matches!(place, Place::Turn { .. })
}

#[test]
fn an_empty_room_lets_the_first_one_in_and_the_next_one_wait_its_interval() {
    let mut queue = Queue::new(pace(60));
    assert_eq!(queue.join(pace(60), at(0)), Ok(1));
    assert!(is_turn(queue.look(1, pace(60), at(0))));
    assert_eq!(queue.join(pace(60), at(100)), Ok(2));
    let wait = Duration::from_millis(900);
    assert_eq!(queue.look(2, pace(60), at(100)), Place::Waiting { ahead: 0, wait });
    assert!(is_turn(queue.look(2, pace(60), at(1_000))));
}

#[test]
fn turns_that_nobody_waited_for_are_not_saved_up() {
    let mut queue = Queue::new(pace(60));
    queue.join(pace(60), at(0)).unwrap();
    let later = 3_600_000;
    for ticket in 2..=11 {
        assert_eq!(queue.join(pace(60), at(later)), Ok(ticket));
    }
    let called = (2..=11).filter(|ticket| is_turn(queue.look(*ticket, pace(60), at(later))));
    assert_eq!(called.count(), 1);
}

#[test]
fn an_admission_ends_a_lifetime_after_its_turn_however_late_it_is_fetched() {
    let mut queue = Queue::new(pace(60));
    for _ in 0..100 {
        queue.join(pace(60), at(0)).unwrap();
    }
    let last = 99_000;
    let Place::Turn { ends_at } = queue.look(100, pace(60), at(last + 300_000)) else { panic!() };
    let cell = pace(60).cell_ms();
    let turn_ms = START + last;
    assert!((turn_ms + 600_000..=turn_ms + 600_000 + cell).contains(&ends_at.unix_ms()));
    assert_eq!(queue.look(100, pace(60), ends_at), Place::Lost);
    assert_eq!(queue.look(1, pace(60), at(last + 550_000)), Place::Lost);
}

#[test]
fn numbers_that_were_never_given_are_lost() {
    let mut queue = Queue::new(pace(60));
    queue.join(pace(60), at(0)).unwrap();
    for ticket in [0, 2, u64::MAX] {
        assert_eq!(queue.look(ticket, pace(60), at(0)), Place::Lost);
    }
}

#[test]
fn text_that_is_not_a_queue_is_not_read() {
    for bad in
        ["", "q1", "q2 0 0 0 1 0", "q1 0 0 0 1", "q1 -1 0 0 1 0", "q1 0 0 0 1 0 5", "q1 0 0 0 1 0 "]
    {
        assert_eq!(Queue::from_text(bad), None, "{bad}");
    }
}

#[test]
fn nobody_is_put_at_the_end_of_half_a_day() {
    let slow = pace(1);
    let mut queue = Queue::new(slow);
    let given = (0..2_000).take_while(|_| queue.join(slow, at(0)).is_ok()).count();
    assert_eq!(given, 12 * 60 + 1);
    assert!(queue.join(slow, at(60_000)).is_ok());
}

#[test]
fn a_faster_pace_does_not_call_for_the_time_before_it_was_ordered() {
    let mut queue = Queue::new(pace(1));
    for _ in 0..1_000 {
        queue.join(pace(1), at(0)).unwrap_or_default();
    }
    queue.look(1, pace(1), at(59_000));
    queue.look(1, pace(6_000), at(59_000));
    assert_eq!(queue.called, 2, "one more, at once: the last turn is 59 s ago");
    queue.look(1, pace(6_000), at(60_000));
    assert_eq!(queue.called, 102);
}

#[test]
fn clients_ask_again_when_it_is_their_turn_or_half_way_there() {
    for (wait_ms, expected_s) in
        [(0, 1), (1, 1), (1_001, 2), (10_000, 10), (11_000, 10), (60_000, 30), (9_999_999, 120)]
    {
        let after = poll_after(Duration::from_millis(wait_ms));
        assert_eq!(after, Duration::from_secs(expected_s), "{wait_ms}");
    }
}

/// What happens to a queue in a test.
#[derive(Debug, Clone, Copy)]
enum Step {
    Join(u8),
    Pass(u32),
    Look(u8),
    Store,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1_u8..60).prop_map(Step::Join),
        (1_u32..40_000).prop_map(Step::Pass),
        (400_000_u32..900_000).prop_map(Step::Pass),
        any::<u8>().prop_map(Step::Look),
        Just(Step::Store),
    ];
    prop::collection::vec(step, 1..60)
}

/// Runs the steps, with a look every so many milliseconds of passing time, and tells when each ticket was first
/// seen to have its turn, and the queue and moment in the end.
fn run(rate: u32, look_ms: i64, steps: &[Step]) -> (Vec<(u64, i64)>, Queue, i64) {
    let pace = pace(rate);
    let mut queue = Queue::new(pace);
    let mut stored = queue.to_text();
    let mut now = 0;
    let mut seen = Vec::new();
    let note = |queue: &Queue, now: i64, seen: &mut Vec<(u64, i64)>| {
        let from = seen.last().map_or(0, |(ticket, _)| *ticket);
        seen.extend((from + 1..=queue.called).map(|ticket| (ticket, now)));
    };
    for step in steps {
        match *step {
            Step::Join(count) => {
                for _ in 0..count {
                    queue.join(pace, at(now)).unwrap();
                    note(&queue, now, &mut seen);
                }
                // Tickets are stored when they are given; what the clock does is not.
                stored = queue.to_text();
            }
            Step::Pass(ms) => {
                let until = now + i64::from(ms);
                while now < until {
                    now = (now + look_ms).min(until);
                    queue.advance(pace, at(now));
                    note(&queue, now, &mut seen);
                }
            }
            Step::Look(back) => {
                let ticket = queue.issued.saturating_sub(u64::from(back));
                let place = queue.look(ticket, pace, at(now));
                assert_eq!(is_turn(place), ticket > queue.over && ticket <= queue.called);
            }
            Step::Store => {
                queue = Queue::from_text(&stored).unwrap();
                queue.advance(pace, at(now));
            }
        }
        assert!(queue.marks.len() <= 66, "{} marks", queue.marks.len());
        assert!(queue.over <= queue.called && queue.called <= queue.issued);
    }
    (seen, queue, now)
}

/// Found by the property below: a turn that falls on the border of two cells.
#[test]
fn a_turn_on_a_border_ends_the_same_however_late_it_is_seen() {
    let ends = |look_ms| {
        let (_, mut queue, now) = run(1, look_ms, &[Step::Join(6), Step::Pass(400_000)]);
        queue.look(6, pace(1), at(now))
    };
    assert_eq!(ends(500), ends(3_600_000));
}

proptest! {
    #[test]
    fn never_admits_more_than_the_rate_in_any_minute(
        rate in 1_u32..600, steps in steps(),
    ) {
        // A look every second: a turn is seen up to a second late, so a window of 59 s holds no more than the rate.
        let (seen, ..) = run(rate, 1_000, &steps);
        for (at, (_, start)) in seen.iter().enumerate() {
            let within = seen[at..].iter().take_while(|(_, time)| time - start < 59_000).count();
            prop_assert!(within <= usize::try_from(rate).unwrap(), "{within} in a minute from {start}");
        }
    }

    #[test]
    fn whoever_asked_first_is_admitted_first(rate in 1_u32..600, steps in steps()) {
        let (seen, ..) = run(rate, 7_000, &steps);
        prop_assert!(seen.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0 && pair[0].1 <= pair[1].1));
    }

    #[test]
    fn everybody_who_waits_is_admitted_at_the_promised_moment(
        rate in 1_u32..600, steps in steps(), back in 0_u64..50,
    ) {
        let (_, mut queue, now) = run(rate, 60_000, &steps);
        let ticket = queue.issued.saturating_sub(back).max(1);
        if let Place::Waiting { wait, ahead } = queue.look(ticket, pace(rate), at(now)) {
            prop_assert_eq!(ahead, ticket - queue.called - 1);
            let turn = at(now).after(wait + Duration::from_millis(1));
            prop_assert!(is_turn(queue.look(ticket, pace(rate), turn)));
        }
    }

    #[test]
    fn what_the_clock_did_need_not_be_stored(rate in 1_u32..600, steps in steps()) {
        // Looking often, seldom, or from an old copy gives the same queue.
        let (_, often, now) = run(rate, 500, &steps);
        let (_, seldom, _) = run(rate, 3_600_000, &steps);
        let (mut often, mut seldom) = (often, seldom);
        often.advance(pace(rate), at(now));
        seldom.advance(pace(rate), at(now));
        prop_assert_eq!((often.called, often.next_turn_ns), (seldom.called, seldom.next_turn_ns));
        for ticket in 1..=often.issued {
            let (one, other) =
                (often.look(ticket, pace(rate), at(now)), seldom.look(ticket, pace(rate), at(now)));
            prop_assert_eq!(one, other, "ticket {}", ticket);
        }
    }

    #[test]
    fn a_full_queue_moves_at_exactly_the_rate(rate in 1_u32..=60_000) {
        let mut queue = Queue::new(pace(rate));
        queue.issued = 10_000_000;
        queue.next_turn_ns = nanos(at(0));
        for minute in 1..=10 {
            queue.advance(pace(rate), at(minute * 60_000 - 1));
            let expected = u64::from(rate) * u64::try_from(minute).unwrap();
            prop_assert!(queue.called.abs_diff(expected) <= 1, "{} for {expected}", queue.called);
        }
    }
}
