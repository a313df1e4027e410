//! `cargo xtask up --postgres`: a shop of many processes, of which any one may die.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use e2e::{Client, eventually, kill};
use serde_json::Value;

use crate::crowd::buy;
use crate::guest::{order, order_with_payment, skus_in_stock};
use crate::up::{Up, command};

const ROLES: [&str; 7] = [
    "edge",
    "origin-one",
    "origin-two",
    "payments",
    "postgres-one",
    "postgres-three",
    "postgres-two",
];
const GUESTS: usize = 3;
/// Orders that must come after each kill, before the next.
const ORDERS_BETWEEN: usize = 10;
/// Longest until a killed process is back and the shop has sold that many.
const GO_ON_LIMIT: Duration = Duration::from_secs(60);
/// Longest stop: the edge's drain, the origins', and the servers' last checkpoint.
const STOP_LIMIT: Duration = Duration::from_secs(25);

#[test]
fn a_shop_on_a_cluster_goes_on_selling_whichever_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (up, edge) = Up::start_by(command(folder.path(), &["--postgres"]), folder.path());
    let listed = up.processes();
    assert_eq!(listed.keys().collect::<Vec<_>>(), ROLES);
    for (role, (pid, url)) in &listed {
        let line = format!("{role} {pid} {url}");
        assert!(up.said.contains(&line), "{line}: {:?}", up.said);
    }

    let guests = Guests::start(&edge);
    for role in ROLES {
        let (pid, _) = up.processes()[role];
        let before = guests.count();
        kill(pid);
        eventually(GO_ON_LIMIT, &format!("the shop sells without {role} and gets it back"), || {
            let is_back = up.processes().get(role).is_some_and(|(now, _)| *now != pid);
            (is_back && guests.count() >= before + ORDERS_BETWEEN).then_some(())
        });
    }
    let orders = guests.stop();
    let ids: BTreeSet<&str> =
        orders.iter().filter_map(|order| order["order_id"].as_str()).collect();
    assert_eq!(ids.len(), orders.len(), "each order is another one");
    for placed in &orders {
        assert_eq!(order_with_payment(&edge, placed, "captured")["status"], "confirmed");
    }
    up.stop_all(ROLES.len(), STOP_LIMIT);

    let (again, edge) = Up::start_by(command(folder.path(), &["--postgres"]), folder.path());
    for placed in &orders {
        assert_eq!(order(&edge, placed)["payment_status"], "captured", "a second start keeps it");
    }
    again.stop_all(ROLES.len(), STOP_LIMIT);
}

/// Guests who buy piece after piece, each step until it is answered.
struct Guests {
    orders: Arc<Mutex<Vec<Value>>>,
    is_over: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Guests {
    fn start(edge: &Client) -> Self {
        let (orders, is_over) = (Arc::<Mutex<Vec<Value>>>::default(), Arc::<AtomicBool>::default());
        let skus = skus_in_stock(edge);
        let threads = (0..GUESTS)
            .map(|guest| {
                let (edge, orders, is_over) =
                    (edge.clone(), Arc::clone(&orders), Arc::clone(&is_over));
                // Another one next time: what is popular may be sold out soon.
                let skus: Vec<String> = skus.iter().skip(guest).step_by(GUESTS).cloned().collect();
                thread::spawn(move || {
                    for sku in skus.iter().cycle() {
                        if is_over.load(Ordering::Relaxed) {
                            return;
                        }
                        let answer = buy(&edge, sku);
                        if answer.status < 300 {
                            orders.lock().unwrap().push(answer.json());
                        } else {
                            assert_eq!(answer.status, 409, "sold out at most: {answer:?}");
                        }
                    }
                })
            })
            .collect();
        Self { orders, is_over, threads }
    }

    fn count(&self) -> usize {
        self.orders.lock().unwrap().len()
    }

    fn stop(self) -> Vec<Value> {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let orders = self.orders.lock().unwrap();
        orders.clone()
    }
}
