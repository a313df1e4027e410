//! Histories that are right, and one of each kind that is not.

use super::*;

/// `(from, to, call, answer)`; no `to`: unknown.
type Row = (i64, Option<i64>, Call, Option<Answer>);

fn write(from: i64, to: i64, value: &str) -> Row {
    (from, Some(to), Call::Write(value.to_owned()), None)
}

fn lost_write(from: i64, value: &str) -> Row {
    (from, None, Call::Write(value.to_owned()), None)
}

fn read(from: i64, to: i64, value: &str) -> Row {
    (from, Some(to), Call::Read, Some(Answer::Value(Some(value.to_owned()))))
}

fn read_nothing(from: i64, to: i64) -> Row {
    (from, Some(to), Call::Read, Some(Answer::Value(None)))
}

fn swap(from: i64, to: i64, old: &str, new: &str, did: bool) -> Row {
    let call = Call::CompareAndSet { from: old.to_owned(), to: new.to_owned() };
    (from, Some(to), call, Some(Answer::Swapped(did)))
}

fn operations(rows: &[Row]) -> Vec<Operation> {
    let number = |place| u64::try_from(place).unwrap_or(0);
    rows.iter()
        .enumerate()
        .map(|(place, (from, to, call, answer))| Operation {
            op: number(place),
            client: 0,
            object: "order/1".to_owned(),
            call: call.clone(),
            invoked_us: *from,
            returned_us: to.unwrap_or(*from),
            outcome: to.map_or(Outcome::Unknown, |_| Outcome::Done(answer.clone())),
        })
        .collect()
}

fn is_linearizable(model: &impl Model, rows: &[Row]) -> bool {
    match check_objects(&operations(rows), model).as_slice() {
        [] => true,
        [Verdict::Violated(_)] => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_register_may_do_what_some_order_explains() {
    let absent = Register::starting_at(None);
    for (title, rows) in [
        ("nothing at all", vec![]),
        (
            "one after the other",
            vec![write(0, 1, "a"), read(2, 3, "a"), write(4, 5, "b"), read(6, 7, "b")],
        ),
        ("before the first write", vec![read_nothing(0, 1), write(2, 3, "a")]),
        (
            "overlapping, the old value first",
            vec![write(0, 9, "a"), read_nothing(1, 2), read(3, 4, "a")],
        ),
        (
            "two writers, either first",
            vec![write(0, 5, "a"), write(0, 5, "b"), read(6, 7, "a"), read(8, 9, "a")],
        ),
        (
            "a lost write that happened late",
            vec![write(0, 1, "a"), lost_write(2, "b"), read(3, 4, "a"), read(5, 6, "b")],
        ),
        (
            "a lost write that never happened",
            vec![write(0, 1, "a"), lost_write(2, "b"), read(3, 4, "a")],
        ),
        (
            "a swap and one that came too late",
            vec![
                write(0, 1, "a"),
                swap(2, 3, "a", "b", true),
                swap(4, 5, "a", "c", false),
                read(6, 7, "b"),
            ],
        ),
        (
            "two swaps at once, one wins",
            vec![write(0, 1, "a"), swap(2, 9, "a", "b", true), swap(2, 9, "a", "c", false)],
        ),
    ] {
        assert!(is_linearizable(&absent, &rows), "{title}");
    }
}

#[test]
fn a_register_may_not_do_what_no_order_explains() {
    let absent = Register::starting_at(None);
    for (title, rows) in [
        ("a stale read", vec![write(0, 1, "a"), write(2, 3, "b"), read(4, 5, "a")]),
        ("an acknowledged write is lost", vec![write(0, 1, "a"), read_nothing(2, 3)]),
        ("a value from nowhere", vec![write(0, 1, "a"), read(2, 3, "x")]),
        (
            "new, then old again",
            vec![write(0, 1, "a"), write(2, 9, "b"), read(3, 4, "b"), read(5, 6, "a")],
        ),
        (
            "two readers disagree about the order",
            vec![write(0, 5, "a"), write(0, 5, "b"), read(6, 7, "a"), read(8, 9, "b")],
        ),
        (
            "a lost write that happens twice",
            vec![
                write(0, 1, "a"),
                lost_write(2, "b"),
                read(3, 4, "b"),
                write(5, 6, "c"),
                read(7, 8, "b"),
            ],
        ),
        ("a read before the write was asked", vec![read(0, 1, "a"), write(2, 3, "a")]),
        (
            "both of two swaps win",
            vec![write(0, 1, "a"), swap(2, 9, "a", "b", true), swap(2, 9, "a", "c", true)],
        ),
        ("a swap fails without a reason", vec![write(0, 1, "a"), swap(2, 3, "a", "b", false)]),
    ] {
        assert!(!is_linearizable(&absent, &rows), "{title}");
    }
}

#[test]
fn a_register_that_was_found_says_itself_where_it_started() {
    assert!(is_linearizable(&Register::found(), &[read(0, 1, "a"), read(2, 3, "a")]));
    assert!(!is_linearizable(&Register::found(), &[read(0, 1, "a"), read(2, 3, "b")]));
}

#[test]
fn what_was_refused_must_not_have_happened() {
    let mut rows = operations(&[write(0, 1, "a"), write(2, 3, "b"), read(4, 5, "b")]);
    assert!(check_objects(&rows, &Register::found()).is_empty());
    rows[1].outcome = Outcome::Refused;
    assert_eq!(check_objects(&rows, &Register::found()).len(), 1);
}

#[test]
fn an_order_is_seen_going_forward_alone() {
    let orders = Life::of_orders();
    let seen = |words: &[&str]| {
        let rows: Vec<Row> =
            (0_i64..).zip(words).map(|(at, word)| read(at * 2, at * 2 + 1, word)).collect();
        is_linearizable(&orders, &rows)
    };
    assert!(seen(&["pending_payment", "pending_payment", "confirmed", "confirmed"]));
    assert!(
        seen(&["pending_payment", "expired", "confirmed"]),
        "paid late, and the stock was still there"
    );
    assert!(!seen(&["confirmed", "pending_payment"]));
    assert!(!seen(&["confirmed", "cancelled"]));
    assert!(!seen(&["expired", "cancelled"]));
    assert!(!seen(&["pending_payment", "nonsense"]));
    let gone = [read(0, 1, "confirmed"), read_nothing(2, 3)];
    assert!(!is_linearizable(&orders, &gone), "an acknowledged order is lost");
    let overlapping = [read(0, 9, "confirmed"), read(1, 2, "pending_payment")];
    assert!(is_linearizable(&orders, &overlapping));
}

#[test]
fn a_violation_names_what_could_not_be_explained() {
    let rows = operations(&[write(0, 1, "a"), write(2, 3, "b"), read(4, 5, "a")]);
    let verdicts = check_objects(&rows, &Register::starting_at(None));
    let [Verdict::Violated(violation)] = verdicts.as_slice() else { panic!("{verdicts:?}") };
    assert_eq!((violation.operations, violation.explained), (3, 2));
    assert_eq!(violation.stuck, [2]);
    assert_eq!(violation.to_string(), "order/1: nothing explains operation [2] after 2 of 3");
}

#[test]
fn objects_do_not_explain_each_other() {
    let mut rows = operations(&[write(0, 1, "a"), read(2, 3, "a")]);
    rows[0].object = "order/2".to_owned();
    assert_eq!(check_objects(&rows, &Register::starting_at(None)).len(), 1);
}

/// Many clients on one register, each answer taken from a real run of one: always explained, and quickly.
#[test]
fn a_real_register_under_many_clients_is_always_explained() {
    for seed in 1..10_u64 {
        let mut dice = crate::dice::Dice::new(seed);
        let (mut value, mut rows) = (None::<String>, Vec::new());
        for place in 0..200_i64 {
            // It happens at `place * 10`; it was asked some time before and answered some time after.
            let from = place * 10 - i64::try_from(dice.below(60)).unwrap();
            let to = place * 10 + i64::try_from(dice.below(60)).unwrap();
            rows.push(if dice.below(2) == 0 {
                let written = format!("v{place}");
                value = Some(written.clone());
                if dice.below(20) == 0 {
                    lost_write(from, &written)
                } else {
                    write(from, to, &written)
                }
            } else {
                (from, Some(to), Call::Read, Some(Answer::Value(value.clone())))
            });
        }
        assert!(is_linearizable(&Register::starting_at(None), &rows), "seed {seed}");
    }
}
