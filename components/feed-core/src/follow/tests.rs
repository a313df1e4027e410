use super::*;

const END: Schedule = Schedule { mode: Mode::Follow, ends_at_ms: 60_000 };

fn replica(epoch: &str, position: u64) -> Replica {
    Replica {
        epoch: epoch.to_owned(),
        position,
        schema_version: 1,
        applied_at_ms: 0,
        contact_at_ms: 0,
        upkeep: None,
        shape: crate::table::Shape::default(),
    }
}

/// A follower that has read a copy at 7.
fn at_seven(origins: usize, schedule: Schedule) -> Follower {
    let mut follower = Follower::new(origins, schedule);
    assert_eq!(follower.step(0), Step::Read);
    follower.found(Some(replica("e", 7)));
    follower
}

#[track_caller]
fn asks_for_changes(follower: &mut Follower, now_ms: i64) -> (u64, u64, u32, usize) {
    match follower.step(now_ms) {
        Step::Changes { origin, replica, wait_ms, limit } => {
            (replica.position, wait_ms, limit, origin)
        }
        other => panic!("asks for no changes: {other:?}"),
    }
}

#[test]
fn an_empty_database_gets_a_snapshot_and_is_followed_from_there() {
    let mut follower = Follower::new(1, END);
    assert_eq!(follower.step(0), Step::Read);
    follower.found(None);
    assert_eq!(follower.step(0), Step::Snapshot { origin: 0, before: None });
    follower.built(replica("e", 3));
    assert_eq!(asks_for_changes(&mut follower, 0), (3, 15_000, 500, 0));
}

#[test]
fn the_first_poll_proves_contact_and_the_next_ones_wait_no_longer_than_the_run() {
    let mut follower = at_seven(1, END);
    assert_eq!(asks_for_changes(&mut follower, 0), (7, 0, 500, 0));
    follower.applied(7, 7, 0);
    assert_eq!(asks_for_changes(&mut follower, 1_000), (7, 15_000, 500, 0));
    follower.applied(9, 9, 0);
    assert_eq!(follower.step(2_000), Step::Pause(200));
    assert_eq!(asks_for_changes(&mut follower, 58_000), (9, 2_000, 500, 0));
    follower.applied(9, 9, 0);
    assert_eq!(follower.step(59_600), Step::Done);
}

#[test]
fn far_behind_it_asks_on_without_a_pause() {
    let mut follower = at_seven(1, END);
    asks_for_changes(&mut follower, 0);
    follower.applied(507, 900, 0);
    assert_eq!(asks_for_changes(&mut follower, 0).0, 507);
}

#[test]
fn catching_up_ends_at_the_head() {
    let mut follower = at_seven(1, Schedule { mode: Mode::CatchUp, ends_at_ms: 20_000 });
    assert_eq!(asks_for_changes(&mut follower, 0).1, 0);
    follower.applied(8, 9, 0);
    assert_eq!(asks_for_changes(&mut follower, 0).1, 0);
    follower.applied(9, 9, 0);
    assert_eq!(follower.step(0), Step::Done);
}

#[test]
fn lost_continuity_is_a_snapshot_guarded_by_the_place_that_was_lost() {
    let mut follower = at_seven(1, END);
    asks_for_changes(&mut follower, 0);
    follower.failed(Failure::Discontinuous, 0);
    assert_eq!(follower.step(0), Step::Pause(125));
    let before = Some(Box::new(replica("e", 7)));
    assert_eq!(follower.step(0), Step::Snapshot { origin: 0, before });
}

#[test]
fn after_a_failure_of_the_database_it_reads_again_and_believes_what_it_finds() {
    let mut follower = at_seven(1, END);
    follower.failed(Failure::Discontinuous, 0);
    follower.failed(Failure::Store, 0);
    assert_eq!(follower.step(0), Step::Pause(250));
    assert_eq!(follower.step(0), Step::Read);
    follower.found(Some(replica("e", 7)));
    assert!(matches!(follower.step(0), Step::Snapshot { .. }), "nobody has rebuilt it");
    follower.failed(Failure::Store, 0);
    follower.step(0);
    assert_eq!(follower.step(0), Step::Read);
    follower.found(Some(replica("f", 7)));
    assert_eq!(asks_for_changes(&mut follower, 0).0, 7, "another run has");
}

#[test]
fn every_origin_has_its_turn_before_the_pause() {
    let mut follower = at_seven(2, END);
    assert_eq!(asks_for_changes(&mut follower, 0).3, 0);
    follower.failed(Failure::Feed, 0);
    assert_eq!(asks_for_changes(&mut follower, 0).3, 1);
    follower.failed(Failure::Feed, 0);
    assert_eq!(follower.step(0), Step::Pause(125));
    assert_eq!(asks_for_changes(&mut follower, 0).3, 0);
}

#[test]
fn too_large_an_answer_is_asked_for_in_halves_and_in_the_end_as_a_snapshot() {
    let mut follower = at_seven(1, END);
    let mut limits = Vec::new();
    while let Step::Changes { limit, .. } = follower.step(0) {
        limits.push(limit);
        follower.failed(Failure::TooLarge, 0);
    }
    assert_eq!(limits, [500, 250, 125, 62, 31, 15, 7, 3, 1]);
    assert!(matches!(follower.step(0), Step::Snapshot { .. }));
    follower.failed(Failure::TooLarge, 0);
    assert!(
        matches!(follower.step(0), Step::Pause(_)),
        "too large a snapshot is not asked for at once"
    );
}

#[test]
fn a_run_ends_at_the_limits_of_one_invocation() {
    let mut follower = at_seven(1, END);
    follower.spend(STATEMENTS_MAX);
    assert_eq!(follower.step(0), Step::Done);
    let mut follower = at_seven(1, END);
    let calls = (0..1_000)
        .take_while(|_| {
            follower.applied(7, 8, 0);
            follower.step(0) != Step::Done
        })
        .count();
    assert_eq!(calls, CALLS_MAX);
    assert_eq!(Follower::new(0, END).step(0), Step::Done);
}

#[test]
fn pauses_double_up_to_the_cap_and_never_vanish() {
    for random in [0, 1, 25, u64::MAX] {
        for failed_rounds in 0..80 {
            let pause = backoff_ms(failed_rounds, random);
            assert!((BACKOFF_MS_MIN / 2..=BACKOFF_MS_MAX).contains(&pause), "{failed_rounds}");
        }
    }
    assert!((0..80).all(|round| backoff_ms(round, 0) <= backoff_ms(round + 1, 0)));
}
