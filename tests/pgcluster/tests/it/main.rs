//! A change of primary on this machine, with real servers.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use pgcluster::{Cluster, Programs};

#[expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A folder that somebody else than root gets through, where root runs servers as that one.
#[expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]
fn passable_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn what_was_committed_is_there_after_the_primary_was_killed() {
    let Ok(programs) = Programs::find() else {
        println!("left out: PostgreSQL's programs are not on this machine");
        return;
    };
    let folder = passable_folder();
    let ports = [free_port(), free_port(), free_port()];
    let mut cluster = Cluster::start(&programs, folder.path(), ports).unwrap();
    cluster.primary().ask("CREATE TABLE t (n INTEGER)").unwrap();
    for round in 1..=2 {
        cluster.primary().ask(&format!("INSERT INTO t VALUES ({round})")).unwrap();
        let lost = cluster.primary_index();
        assert!(cluster.primary_mut().kill());
        let took = cluster.fail_over().unwrap();
        println!("round {round}: a new primary after {} ms", took.as_millis());
        assert_ne!(cluster.primary_index(), lost);
        assert_eq!(cluster.primary().ask("SELECT count(*) FROM t").unwrap(), round.to_string());
        cluster.take_back(lost).unwrap();
    }
    for server in cluster.servers() {
        server.wait_until("SELECT count(*) FROM t", "2", Duration::from_secs(10)).unwrap();
    }
}

#[test]
fn a_cluster_starts_again_with_the_server_that_was_promoted_last_as_its_primary() {
    let Ok(programs) = Programs::find() else {
        println!("left out: PostgreSQL's programs are not on this machine");
        return;
    };
    let folder = passable_folder();
    let mut cluster =
        Cluster::start(&programs, folder.path(), [free_port(), free_port(), free_port()]).unwrap();
    cluster.primary().ask("CREATE TABLE t (n INTEGER)").unwrap();
    cluster.primary_mut().kill();
    // By hand, and nobody told the others: the old primary and the third server do not know.
    let second = &cluster.servers()[1];
    second.ask("SELECT pg_promote(true, 30)").unwrap();
    second.ask("INSERT INTO t VALUES (1)").unwrap();
    drop(cluster);
    let mut again =
        Cluster::start(&programs, folder.path(), [free_port(), free_port(), free_port()]).unwrap();
    assert_eq!(again.primary_index(), 1);
    again.primary().ask("INSERT INTO t VALUES (2)").unwrap();
    for server in again.servers() {
        server.wait_until("SELECT count(*) FROM t", "2", Duration::from_secs(10)).unwrap();
    }
    again.primary_mut().stop();
}

/// Makes what tells servers apart that stand still.
#[expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]
fn stopped_server(folder: &Path, timeline: u32, is_standby: bool) {
    fs::create_dir_all(folder.join("pg_wal")).unwrap();
    fs::write(folder.join("PG_VERSION"), "15").unwrap();
    for number in 2..=timeline {
        fs::write(folder.join(format!("pg_wal/{number:08X}.history")), "").unwrap();
    }
    if is_standby {
        fs::write(folder.join("standby.signal"), "").unwrap();
    }
}

#[test]
fn the_primary_is_found_by_what_lies_on_the_disk_or_nobody_goes_on() {
    let (primary, standby) = (false, true);
    for (servers, expected) in [
        (vec![], Some(0)),
        (vec![(0, 1, primary)], Some(0)),
        (vec![(0, 1, primary), (1, 1, standby), (2, 1, standby)], Some(0)),
        // The second was promoted while the first was away.
        (vec![(0, 1, primary), (1, 2, primary), (2, 1, standby)], Some(1)),
        (vec![(0, 10, primary), (1, 2, primary), (2, 9, standby)], Some(0)),
        // Its folder is gone: a new, empty server must not take its place.
        (vec![(1, 1, standby), (2, 1, standby)], None),
        // The third followed one that is gone, and the first never heard of it.
        (vec![(0, 1, primary), (2, 2, standby)], None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let places = Cluster::places(folder.path(), [1, 2, 3]);
        for (index, timeline, is_standby) in &servers {
            let place: &pgcluster::Place = &places[*index];
            stopped_server(&place.folder, *timeline, *is_standby);
        }
        assert_eq!(Cluster::primary_of(&places).ok(), expected, "{servers:?}");
    }
}
