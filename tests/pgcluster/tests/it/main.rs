//! A change of primary on this machine, with real servers.

use std::net::TcpListener;

use pgcluster::{Cluster, Programs};

#[expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn what_was_committed_is_there_after_the_primary_was_killed() {
    let Ok(programs) = Programs::find() else {
        println!("left out: PostgreSQL's programs are not on this machine");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
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
        server
            .wait_until("SELECT count(*) FROM t", "2", std::time::Duration::from_secs(10))
            .unwrap();
    }
}
