//! `cargo xtask worker dev` as its user meets it: ready on workerd, selling, started again, stopped.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::{Client, eventually, is_alive, kill};

use crate::guest::{cart_with, check_out, fresh_key, skus_in_stock, stock};
use crate::up::{Up, xtask};

/// wrangler and workerd take seconds to start, more on a busy machine.
const RESTART_LIMIT: Duration = Duration::from_secs(60);
const SALE_LIMIT: Duration = Duration::from_secs(30);

/// All that a process started, and what those started.
fn descendants(pid: u32) -> BTreeSet<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let children: Vec<u32> = lists
        .flat_map(|list| {
            list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()
        })
        .collect();
    children.into_iter().flat_map(|child| descendants(child).into_iter().chain([child])).collect()
}

fn is_workerd(pid: &u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "workerd")
}

#[test]
fn it_sells_through_the_worker_starts_it_again_and_leaves_no_process_and_no_port() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(xtask());
    command.args(["worker", "dev", "--no-build", "--port", "0", "--origin-port", "0", "--data"]);
    command.arg(folder.path()).stdin(Stdio::null());
    let (up, shop) = Up::start_by(command, folder.path());

    let home = shop.get("/").unwrap().expect_status(200);
    assert!(
        home.header("vitrine-edge").is_some_and(|edge| edge.starts_with("worker-")),
        "{home:?}"
    );
    let sku = skus_in_stock(&shop).remove(0);
    let before = stock(&shop, &sku);
    let placed = check_out(&shop, &cart_with(&shop, &sku, 1), &fresh_key(), "success");
    assert!(matches!(placed.status, 200 | 201), "{placed:?}");
    eventually(SALE_LIMIT, "the stock is one less", || {
        (stock(&shop, &sku) == before - 1).then_some(())
    });

    let first = up.processes();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["origin", "payments", "worker"]);
    let (wrangler, url) = first["worker"].clone();
    let orphans: Vec<u32> = descendants(wrangler).into_iter().filter(is_workerd).collect();
    assert!(!orphans.is_empty(), "the Worker runs in workerd");
    kill(wrangler);
    eventually(RESTART_LIMIT, "the Worker is started again", || {
        let (now, _) = up.processes().get("worker")?.clone();
        let answers = Client::new(&url).get("/v1/products").ok()?.status == 200;
        (now != wrangler && answers).then_some(())
    });
    assert!(!orphans.iter().any(|pid| is_alive(*pid)), "what a killed wrangler left over is ended");

    let all = descendants(up.pid());
    assert!(all.iter().any(is_workerd));
    let addresses: Vec<String> = up.processes().into_values().map(|(_, url)| url).collect();
    up.stop();
    for pid in all {
        assert!(!is_alive(pid), "process {pid} is left");
    }
    for url in addresses {
        let address = url.strip_prefix("http://").unwrap();
        assert!(TcpStream::connect(address).is_err(), "somebody still listens at {address}");
    }
}
