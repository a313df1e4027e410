//! A version on trial gets its share of the clients, and clients stay where they are.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use tokio::net::TcpSocket;

use crate::{
    deploy::{refused, succeeded, version},
    support::{Answer, Node},
};

/// Clients asked: the standard deviation of a share of 30 % is 2.6 points.
const CLIENTS: u32 = 300;

/// Asks `/version` from `client`, an address of this machine's loopback network.
fn ask(node: &Node, client: Ipv4Addr) -> Answer {
    let answer = ask_for(node, client, "/version");
    assert_eq!(answer.status, 200);
    answer
}

fn ask_for(node: &Node, client: Ipv4Addr, path: &str) -> Answer {
    let tasks = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let stream = tasks.expect("starts").block_on(async {
        let socket = TcpSocket::new_v4().expect("is made");
        socket.bind((client, 0).into()).expect("binds");
        let stream = socket.connect(node.address().parse().expect("is an address")).await;
        stream.expect("connects").into_std().expect("is a stream")
    });
    stream.set_nonblocking(false).expect("waits");
    let mut stream = stream;
    stream
        .write_all(
            format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes(),
        )
        .expect("is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answers");
    Answer::parse(&answer)
}

/// Which version each client gets.
fn assigned(node: &Node) -> BTreeMap<Ipv4Addr, String> {
    let clients =
        (0..CLIENTS).map(|n| Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + n));
    clients.map(|client| (client, ask(node, client).text())).collect()
}

fn share(assigned: &BTreeMap<Ipv4Addr, String>) -> usize {
    assigned.values().filter(|name| *name == "new").count() * 100 / assigned.len()
}

#[test]
fn a_canary_gets_its_share_and_each_client_one_version_until_it_is_promoted() {
    let node = Node::start(&version("old", ""), &[]);
    assert_eq!(node.get("/version", &[]).header("vitrine-version"), None);
    let said = succeeded(&node.deploy(&version("new", ""), &["--canary", "30"]));
    assert_eq!(said, "version 2 serves 30 % of the clients");
    let first = assigned(&node);
    assert!((18..=42).contains(&share(&first)), "{}", share(&first));
    assert_eq!(assigned(&node), first);

    succeeded(&node.operate("promote", &["--canary", "70"]));
    let more = assigned(&node);
    assert!((58..=82).contains(&share(&more)), "{}", share(&more));
    for (client, name) in &first {
        assert!(name == "old" || more[client] == "new", "{client} was moved back");
    }
    let answer = ask(&node, Ipv4Addr::LOCALHOST);
    let number = if answer.text() == "new" { "2" } else { "1" };
    assert_eq!(answer.header("vitrine-version"), Some(number));

    assert_eq!(succeeded(&node.operate("promote", &[])), "version 2 serves");
    assert_eq!(share(&assigned(&node)), 100);
    assert_eq!(ask(&node, Ipv4Addr::LOCALHOST).header("vitrine-version"), None);
    succeeded(&node.operate("rollback", &[]));
    assert_eq!(share(&assigned(&node)), 0);
}

#[test]
fn a_canary_is_ended_by_a_rollback_and_stands_in_the_way_of_another_version() {
    let node = Node::start(&version("old", ""), &[]);
    refused(&node.operate("promote", &[]), 1, "no version is on trial");
    succeeded(&node.deploy(&version("new", ""), &["--canary", "99"]));
    refused(&node.deploy(&version("newer", ""), &[]), 1, "version 2 is on trial");
    assert_eq!(succeeded(&node.operate("rollback", &[])), "version 1 serves");
    assert_eq!(share(&assigned(&node)), 0);
    for percent in ["0", "100", "x"] {
        let output = node.deploy(&version("new", ""), &["--canary", percent]);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
    }
    // A trial does not outlive the node.
    succeeded(&node.deploy(&version("new", ""), &["--canary", "99"]));
    let node = node.again(&version("old", ""), &["--resume"]);
    assert_eq!(share(&assigned(&node)), 0);
}

#[test]
fn a_canary_that_fails_too_often_ends_by_itself() {
    let node = Node::start(&version("old", ""), &[]);
    let guarded = ["--canary", "99", "--failures-max", "20"];
    succeeded(&node.deploy(&version("new", ""), &guarded));
    let deadline = Instant::now() + Duration::from_secs(60);
    // All tests come from one address: should it be one of the hundredth, other clients ask.
    let client = (1..250)
        .map(|n| Ipv4Addr::new(127, 2, 0, n))
        .find(|client| ask(&node, *client).text() == "new");
    let client = client.expect("somebody tries it");
    while ask(&node, client).text() == "new" {
        assert!(Instant::now() < deadline, "the canary is still there");
        assert_eq!(ask_for(&node, client, "/trap").status, 500);
    }
    assert_eq!(ask(&node, client).header("vitrine-version"), None);
    let output = node.deploy(&version("new", ""), &["--failures-max", "20"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
}
