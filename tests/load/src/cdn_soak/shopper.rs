//! A client as it should be: it asks either node, and the other one where the first has not begun to answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::catalogue::Wish;
use super::fleet::Purges;
use super::judge::{Given, judge};
use super::tally::Tally;
use super::tls::Clients;
use super::wire::{Answer, Failure, Protocol, Wire};
use crate::origin::{MADE_AT, VERSION, now_ms};
use crate::random::Random;

/// Longest wait for a whole answer. The nodes give up after 15 s.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// Attempts: a kept connection and a new one to each of two nodes.
const ATTEMPTS_MAX: usize = 4;
/// Every so many clients speak HTTP/2.
const HTTP2_EVERY: u32 = 4;
/// Of a hundred requests so many go to the other node than the one before.
const CHANGES_PERCENT: u64 = 10;

/// What all clients share.
pub(crate) struct Site {
    pub(crate) nodes: [SocketAddr; 2],
    pub(crate) tls: Clients,
    pub(crate) purges: Purges,
    pub(crate) tally: Arc<Tally>,
    /// Between two requests of one client.
    pub(crate) pause: Duration,
}

/// One client.
pub(crate) struct Shopper {
    site: Arc<Site>,
    protocol: Protocol,
    random: Random,
    node: usize,
    wires: [Option<Wire>; 2],
}

impl Shopper {
    /// A client with its own sequence of wishes.
    pub(crate) fn new(site: Arc<Site>, number: u32, seed: u64) -> Self {
        let protocol = if number % HTTP2_EVERY == 1 { Protocol::Two } else { Protocol::One };
        let node = usize::from(number.is_multiple_of(2));
        Self { site, protocol, random: Random::seeded(seed), node, wires: [None, None] }
    }

    /// Asks until it is over.
    pub(crate) async fn run(mut self, over: Arc<AtomicBool>) {
        while !over.load(Ordering::Relaxed) {
            let wish = Wish::next(&mut self.random);
            if self.random.below(100) < CHANGES_PERCENT {
                self.node = 1 - self.node;
            }
            self.wish(&wish).await;
            // sleeps because people do between two clicks
            tokio::time::sleep(self.site.pause).await;
        }
    }

    async fn wish(&mut self, wish: &Wish) {
        let tally = Arc::clone(&self.site.tally);
        let mut said = Vec::new();
        for _ in 0..ATTEMPTS_MAX {
            let purged_at = self.site.purges.at(self.node, wish.plan.rule);
            let asked_at = now_ms();
            let asking = tokio::time::timeout(ANSWER_LIMIT, self.ask(wish));
            let asked = asking.await.unwrap_or_else(|_| {
                Err(Failure::Begun(format!("no whole answer within {ANSWER_LIMIT:?}")))
            });
            match asked {
                Ok(answer) => {
                    self.record(wish, &answer, asked_at, purged_at);
                    return;
                }
                Err(Failure::Nothing(why)) => {
                    tally.retried(&why);
                    said.push(why);
                    self.forget();
                    self.node = 1 - self.node;
                }
                Err(Failure::Begun(why)) => {
                    self.forget();
                    return tally.lost(wish, self.node, &why);
                }
            }
        }
        tally.lost(wish, self.node, &said.join("; "));
    }

    /// Asks the node of the moment, on the connection that there is or a new one.
    async fn ask(&mut self, wish: &Wish) -> Result<Answer, Failure> {
        let (Some(slot), Some(address)) =
            (self.wires.get_mut(self.node), self.site.nodes.get(self.node))
        else {
            return Err(Failure::Nothing("no such node".to_owned()));
        };
        if slot.as_ref().is_none_or(Wire::is_closed) {
            let opened = Wire::open(&self.site.tls, *address, self.protocol).await;
            let (wire, shown) = opened.map_err(|error| Failure::Nothing(format!("{error:#}")))?;
            self.site.tally.opened(self.node, shown);
            *slot = Some(wire);
        }
        match slot {
            Some(wire) => wire.ask(wish).await,
            None => Err(Failure::Nothing("no connection".to_owned())),
        }
    }

    fn forget(&mut self) {
        if let Some(slot) = self.wires.get_mut(self.node) {
            *slot = None;
        }
    }

    fn record(&self, wish: &Wish, answer: &Answer, asked_at: u64, purged_at: Option<u64>) {
        let number = |name: &str| answer.headers.get(name)?.to_str().ok()?.parse().ok();
        let given = Given {
            status: answer.status,
            made_at: number(MADE_AT),
            version: number(VERSION),
            body: &answer.body,
            asked_at,
            purged_at,
        };
        match judge(wish, &given) {
            Ok(age_ms) => self.site.tally.right(wish, self.node, age_ms, word(answer)),
            Err(wrong) => {
                let age_ms = given.made_at.map(|made_at| asked_at.saturating_sub(made_at));
                let what = format!(
                    "{} with {} bytes, {age_ms:?} ms old, {:?}",
                    answer.status,
                    answer.body.len(),
                    answer.headers
                );
                self.site.tally.wrong(wish, self.node, wrong, &what);
            }
        }
    }
}

/// What the node's cache says that it did.
fn word(answer: &Answer) -> &'static str {
    let status = answer.headers.get("cache-status").and_then(|value| value.to_str().ok());
    let Some(status) = status else { return "not through a cache" };
    let has = |word: &str| status.contains(word);
    match () {
        () if has("collapsed") => "collapsed",
        () if has("; hit") => "hit",
        () if has("fwd=stale") => "asked again",
        () if has("fwd") => "miss",
        () => "other",
    }
}
