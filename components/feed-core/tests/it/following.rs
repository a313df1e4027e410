//! Snapshots and changes, in order and out of it.

use api_types::feed::{Changes, FeedChange, SnapshotLine};
use feed_core::{Fault, Limits, Replica, Statement, changes};

use crate::database::Database;
use crate::rng::Rng;
use crate::source::{Source, tables, text};

/// Small enough that one test meets every boundary of pieces and chunks.
const SMALL: Limits = Limits {
    snapshot_bytes_max: 1 << 20,
    changes_bytes_max: 1 << 20,
    row_bytes_max: 16 * 1024,
    chunk_bytes: 2_000,
    stage_bytes: 5_000,
};

type Spoil = fn(&mut Changes);

fn place(replica: &Replica) -> (&str, u64) {
    (&replica.epoch, replica.position)
}

/// Fails where the search index is not that of the items.
fn check_search(database: &Database) {
    let sql = "INSERT INTO items_fts (items_fts, rank) VALUES ('integrity-check', 1)";
    database.0.execute(sql, []).unwrap();
}

#[test]
fn any_changes_leave_what_they_leave_one_by_one() {
    let mut rng = Rng::seeded();
    for round in 0..30 {
        let mut source = Source::new("e");
        for _ in 0..rng.below(30) {
            source.commit_random(&mut rng);
        }
        let piece = usize::try_from(1 + rng.below(5_000)).unwrap();
        let (mut copy, mut node) = (Database::empty(), Database::empty());
        let replica = copy.build(&source.snapshot(), piece, SMALL).unwrap();
        assert_eq!(copy.replica(), Some(replica));
        node.build(&source.snapshot(), 1 << 20, Limits::default()).unwrap();
        for _ in 0..rng.below(60) {
            source.commit_random(&mut rng);
        }
        while copy.replica().unwrap().position < source.position {
            let limit = usize::try_from(1 + rng.below(40)).unwrap();
            let answer = source.changes(copy.replica().unwrap().position, limit);
            copy.follow(&answer, &SMALL).unwrap();
            node.apply_one_by_one(&tables(), &answer);
            let (ours, theirs) = (copy.contents(&tables()), node.contents(&tables()));
            assert_eq!(ours, theirs, "round {round}, at {}", answer.to);
            check_search(&copy);
        }
        // The same as a copy that is taken now.
        let mut fresh = Database::empty();
        fresh.build(&source.snapshot(), 1 << 20, Limits::default()).unwrap();
        assert_eq!(copy.contents(&tables()), fresh.contents(&tables()), "round {round}");
    }
}

#[test]
fn a_batch_that_is_run_again_fails_by_its_guard_and_changes_nothing() {
    let mut source = Source::new("e");
    let mut database = Database::empty();
    let swap = database.stage("run", &source.snapshot(), 100, SMALL).unwrap();
    database.batch(&swap.batch).unwrap();
    let put = source.put(1, "x", "oak chair");
    source.commit(vec![put]);
    let answer = source.changes(0, 10);
    let batch = changes::statements(&swap.replica, &answer, true, 5, &SMALL).unwrap();
    database.batch(&batch).unwrap();
    let after = (database.contents(&tables()), database.replica());
    assert_eq!(after.1.as_ref().map(place), Some(("e", 1)));
    for again in [&batch, &swap.batch] {
        let refused = database.batch(again).unwrap_err();
        assert!(
            refused.contains("NOT NULL constraint failed: _vitrine_replica.position"),
            "{refused}"
        );
        assert_eq!((database.contents(&tables()), database.replica()), after);
    }
}

#[test]
fn a_batch_without_a_copy_below_it_fails() {
    let mut source = Source::new("e");
    let mut database = Database::empty();
    let replica = database.build(&source.snapshot(), 100, SMALL).unwrap();
    let put = source.put(1, "x", "oak chair");
    source.commit(vec![put]);
    let batch = changes::statements(&replica, &source.changes(0, 10), false, 5, &SMALL).unwrap();
    database.0.execute("DELETE FROM _vitrine_replica", []).unwrap();
    assert!(database.batch(&batch).is_err());
    database.batch(&[feed_core::forget()]).unwrap();
    assert!(database.batch(&batch).is_err());
    assert_eq!(database.replica(), None);
}

#[test]
fn whatever_a_batch_dies_behind_nothing_of_it_is_there() {
    let mut rng = Rng::seeded();
    let mut source = Source::new("e");
    source.commit_random(&mut rng);
    let mut database = Database::empty();
    database.build(&source.snapshot(), 100, SMALL).unwrap();
    let before = (database.contents(&tables()), database.replica());
    for _ in 0..20 {
        source.commit_random(&mut rng);
    }
    let replica = database.replica().unwrap();
    let answer = source.changes(replica.position, 100);
    let batch = changes::statements(&replica, &answer, false, 5, &SMALL).unwrap();
    let swap = database.stage("other", &source.snapshot(), 100, SMALL).unwrap();
    for batch in [&batch, &swap.batch] {
        for count in 0..batch.len() {
            database.batch_until(batch, count).unwrap();
            assert_eq!(
                (database.contents(&tables()), database.replica()),
                before,
                "behind {count}"
            );
        }
    }
    database.batch(&batch).unwrap();
    assert!(database.batch(&swap.batch).is_err(), "the copy has moved on since it was read");
}

#[test]
fn of_two_runs_that_build_at_once_one_wins_and_the_other_changes_nothing() {
    let mut rng = Rng::seeded();
    let mut source = Source::new("e");
    for _ in 0..40 {
        source.commit_random(&mut rng);
    }
    let mut database = Database::empty();
    let first = database.stage("first", &source.snapshot(), 500, SMALL).unwrap();
    let second = database.stage("second", &source.snapshot(), 700, SMALL).unwrap();
    database.batch(&second.batch).unwrap();
    let after = database.contents(&tables());
    assert!(database.batch(&first.batch).is_err());
    assert_eq!(database.contents(&tables()), after);
    assert_eq!(count(&database, "_vitrine_chunks"), 0);
}

#[test]
fn pieces_that_another_run_deleted_are_missed() {
    let source = Source::new("e");
    let mut rng = Rng::seeded();
    let mut filled = Source::new("e");
    filled.commit_random(&mut rng);
    let put = filled.put(1, "x", "oak chair");
    filled.commit(vec![put]);
    let mut database = Database::empty();
    database.build(&source.snapshot(), 100, SMALL).unwrap();
    let swap = database.stage("run", &filled.snapshot(), 100, SMALL).unwrap();
    database.0.execute("DELETE FROM _vitrine_chunks", []).unwrap();
    assert!(database.batch(&swap.batch).is_err());
}

#[test]
fn a_snapshot_replaces_tables_of_another_shape_and_leaves_those_of_others() {
    let mut source = Source::new("e");
    let put = source.put(1, "x", "oak chair");
    source.commit(vec![put]);
    let mut database = Database::empty();
    database
        .0
        .execute_batch("CREATE TABLE d1_migrations (id); INSERT INTO d1_migrations VALUES (1)")
        .unwrap();
    database.build(&source.snapshot(), 100, SMALL).unwrap();
    let mut lines = source.lines();
    if let Some(SnapshotLine::Header(header)) = lines.first_mut() {
        header.epoch = "f".to_owned();
        header.schema_version = 2;
        header.schema = vec!["CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)".to_owned()];
        header.tables.truncate(1);
        header.tables[0].columns = vec!["id".to_owned(), "name".to_owned()];
    }
    lines.retain(|line| !matches!(line, SnapshotLine::Row(_)));
    if let Some(SnapshotLine::End(end)) = lines.last_mut() {
        end.rows = 0;
    }
    let replica = database.build(&text(&lines), 100, SMALL).unwrap();
    assert_eq!(place(&replica), ("f", 1));
    let names = Statement {
        sql: "SELECT group_concat(name) FROM (SELECT name FROM sqlite_master ORDER BY name)"
            .to_owned(),
        params: vec![],
    };
    assert_eq!(
        format!("{:?}", database.query(&names).rows),
        "[[Text(\"_vitrine_chunks,_vitrine_replica,d1_migrations,items\")]]"
    );
}

#[test]
fn a_snapshot_that_is_not_whole_is_discarded() {
    let mut rng = Rng::seeded();
    let mut source = Source::new("e");
    for _ in 0..20 {
        source.commit_random(&mut rng);
    }
    let lines = source.lines();
    let whole = source.snapshot();
    let mut database = Database::empty();
    let cut = usize::try_from(rng.below(u64::try_from(whole.len() - 2).unwrap())).unwrap();
    assert!(database.stage("cut", &whole[..cut], 97, SMALL).is_err(), "cut at {cut}");
    for wrong in [1, lines.len() - 2] {
        let mut lines = lines.clone();
        lines.remove(wrong);
        assert!(database.stage("short", &text(&lines), 97, SMALL).is_err(), "without line {wrong}");
    }
    let mut twice = lines.clone();
    twice.push(lines[0].clone());
    assert!(database.stage("behind", &text(&twice), 97, SMALL).is_err());
    assert!(database.stage("no header", &text(&lines[1..]), 97, SMALL).is_err());
    assert!(database.stage("garbage", b"<html>\n", 97, SMALL).is_err());
    assert!(database.stage("empty", b"", 97, SMALL).is_err());
    assert_eq!(database.replica(), None);
    // The last line break may be missing: the end has said all.
    database.build(&whole[..whole.len() - 1], 97, SMALL).unwrap();
}

#[test]
fn another_history_or_shape_or_a_gap_is_a_case_for_a_snapshot() {
    let mut source = Source::new("e");
    let mut database = Database::empty();
    let replica = database.build(&source.snapshot(), 100, SMALL).unwrap();
    for id in 1..4 {
        let put = source.put(id, &format!("h{id}"), "oak chair");
        source.commit(vec![put]);
    }
    let good = source.changes(0, 10);
    let spoilt: [(&str, Spoil); 8] = [
        ("another epoch", |changes| changes.epoch = "f".to_owned()),
        ("another schema", |changes| changes.schema_version = 2),
        ("a gap", |changes| changes.from = 1),
        ("an order", |changes| changes.transactions.swap(0, 1)),
        ("an end before its last", |changes| changes.to = 2),
        ("a head behind", |changes| changes.head = 2),
        ("an unknown table", |changes| {
            let change = FeedChange::Delete { table: "x".to_owned(), key: vec![1.into()] };
            changes.transactions[0].changes = vec![change];
        }),
        ("a short row", |changes| {
            let change = FeedChange::Put { table: "items".to_owned(), values: vec![1.into()] };
            changes.transactions[0].changes = vec![change];
        }),
    ];
    for (what, spoil) in spoilt {
        let mut answer = good.clone();
        spoil(&mut answer);
        let refused = changes::statements(&replica, &answer, false, 5, &SMALL);
        assert!(matches!(refused, Err(Fault::Discontinuous(_))), "{what}: {refused:?}");
    }
    let nothing = changes::statements(&replica, &source.changes(0, 0), false, 5, &SMALL);
    assert_eq!(nothing, Ok(Vec::new()), "no news, no write");
    assert!(matches!(changes::parse(b"<html>", &SMALL), Err(Fault::Garbage(_))));
    let large = vec![b' '; SMALL.changes_bytes_max + 1];
    assert!(matches!(changes::parse(&large, &SMALL), Err(Fault::TooLarge { .. })));
}

#[test]
fn five_hundred_transactions_are_a_handful_of_statements() {
    let mut rng = Rng::seeded();
    let mut source = Source::new("e");
    let mut database = Database::empty();
    let replica = database.build(&source.snapshot(), 100, SMALL).unwrap();
    for _ in 0..500 {
        source.commit_random(&mut rng);
    }
    let answer = source.changes(0, 500);
    let batch = changes::statements(&replica, &answer, false, 5, &Limits::default()).unwrap();
    assert!(batch.len() <= 1 + 2 * 3, "{}", batch.len());
    database.batch(&batch).unwrap();
}

#[test]
fn marks_move_with_the_place_they_belong_to() {
    let mut source = Source::new("e");
    let mut database = Database::empty();
    let replica = database.build(&source.snapshot(), 100, SMALL).unwrap();
    assert_eq!(replica.upkeep.as_deref(), Some(""));
    database.batch(&[feed_core::upkeep("e", 0, Some("s-7"))]).unwrap();
    assert_eq!(database.replica().unwrap().upkeep.as_deref(), Some("s-7"));
    database.batch(&[feed_core::upkeep("e", 0, None)]).unwrap();
    assert_eq!(database.replica().unwrap().upkeep, None);
    let put = source.put(1, "x", "oak chair");
    source.commit(vec![put]);
    let batch = changes::statements(&replica, &source.changes(0, 1), true, 5, &SMALL).unwrap();
    database.batch(&batch).unwrap();
    database.batch(&[feed_core::upkeep("e", 0, None)]).unwrap();
    assert_eq!(database.replica().unwrap().upkeep.as_deref(), Some(""), "not that place's mark");
    // A run that comes late may have written over what a faster one wrote outside: all of it is written anew.
    let at = database.replica().unwrap();
    database.batch(&[feed_core::upkeep(&at.epoch, at.position, None)]).unwrap();
    assert_eq!(database.replica().unwrap().upkeep, None);
    database.batch(&[feed_core::upkeep("e", 0, None)]).unwrap();
    assert_eq!(database.replica().unwrap().upkeep.as_deref(), Some(""));
    database.batch(&[feed_core::contact(9_000)]).unwrap();
    database.batch(&[feed_core::contact(8_000)]).unwrap();
    assert_eq!(database.replica().unwrap().contact_at_ms, 9_000);
}

fn count(database: &Database, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    database.0.query_row(&sql, [], |row| row.get(0)).unwrap()
}
