//! Is the money where the transfers put it, and is every transfer there that was acknowledged?
//!
//! As in Jepsen's bank test: money moves between accounts, and at every moment all accounts of one currency add up to
//! the same sum. Beyond it every transfer has a name: an acknowledged one was carried out once, a refused one never,
//! one of unknown outcome at most once, and one that nobody asked for does not exist.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Answer, Balance, Call, Operation, Outcome, Transfer};

/// What became of a transfer, as its client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// Done, said the shop.
    Acknowledged,
    /// Certainly not done.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// All that is known about a ledger.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// What every account had before the first transfer; an absent one had nothing.
    pub opening: Vec<Balance>,
    /// The accounts that may owe money, for instance one that stands for the world outside.
    pub may_owe: BTreeSet<String>,
    /// What clients asked for.
    pub asked: Vec<(Transfer, Asked)>,
    /// What was read on the way, each in one moment.
    pub reads: Vec<Vec<Balance>>,
    /// The transfers that were carried out, as the ledger says at the end.
    pub applied: Vec<Transfer>,
    /// The balances at the end.
    pub closing: Vec<Balance>,
}

/// What is wrong with a ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum LedgerFault {
    /// Acknowledged, but not there.
    #[error("transfer {0} was acknowledged and is lost")]
    Lost(String),
    /// There more than once.
    #[error("transfer {0} was carried out more than once")]
    Repeated(String),
    /// Refused, and done all the same.
    #[error("transfer {0} was refused and carried out")]
    DoneThoughRefused(String),
    /// There, but nobody asked for it.
    #[error("transfer {0} was carried out and never asked for")]
    NeverAsked(String),
    /// There, but with other accounts, another currency or another amount.
    #[error("transfer {0} was carried out as another one")]
    Altered(String),
    /// Two different transfers of one name were asked for, or one moves nothing: the clients are wrong.
    #[error("transfer {0} makes no sense")]
    Senseless(String),
    /// Money was made or lost between two moments. Reads count from 0; the last one is the end.
    #[error("read {read}: {currency} adds up to {found}, not to {expected}")]
    NotConserved {
        /// Which read.
        read: usize,
        /// Of which currency.
        currency: String,
        /// What there was at the beginning.
        expected: i64,
        /// What there is.
        found: i64,
    },
    /// An account owes money that may not. Reads count from 0; the last one is the end.
    #[error("read {read}: {account} owes {minor} {currency}")]
    Overdrawn {
        /// Which read.
        read: usize,
        /// Whose.
        account: String,
        /// Of which currency.
        currency: String,
        /// How much it has.
        minor: i64,
    },
    /// An account at the end has not what the transfers gave it.
    #[error("{account} has {found} {currency}, by transfers {expected}")]
    Unexplained {
        /// Whose.
        account: String,
        /// Of which currency.
        currency: String,
        /// What the transfers gave it.
        expected: i64,
        /// What it has.
        found: i64,
    },
}

type Sums = BTreeMap<(String, String), i64>;

impl Ledger {
    /// Takes from a log what is about money: [`Call::Transfer`], [`Call::Balances`], whose last answer is the end, and
    /// [`Call::Applied`]. Set `opening` and `may_owe` yourself.
    #[must_use]
    pub fn of_log(operations: &[Operation]) -> Self {
        let mut ledger = Self::default();
        for operation in operations {
            match (&operation.call, &operation.outcome) {
                (Call::Transfer(transfer), outcome) => {
                    let asked = match outcome {
                        Outcome::Done(_) => Asked::Acknowledged,
                        Outcome::Refused => Asked::Refused,
                        Outcome::Unknown => Asked::Unknown,
                    };
                    ledger.asked.push((transfer.clone(), asked));
                }
                (Call::Balances, Outcome::Done(Some(Answer::Balances(balances)))) => {
                    ledger.reads.push(balances.clone());
                }
                (Call::Applied, Outcome::Done(Some(Answer::Applied(applied)))) => {
                    ledger.applied.clone_from(applied);
                }
                _ => {}
            }
        }
        ledger.closing = ledger.reads.pop().unwrap_or_default();
        ledger
    }

    /// Returns everything that is wrong, the same list for the same ledger.
    #[must_use]
    pub fn faults(&self) -> Vec<LedgerFault> {
        let mut faults = self.faults_of_transfers();
        let reads = self.reads.iter().chain([&self.closing]);
        for (read, balances) in reads.enumerate() {
            self.judge_read(read, balances, &mut faults);
        }
        self.judge_closing(&mut faults);
        faults.sort();
        faults.dedup();
        faults
    }

    fn faults_of_transfers(&self) -> Vec<LedgerFault> {
        let mut faults = Vec::new();
        let mut asked: BTreeMap<&str, (&Transfer, Asked)> = BTreeMap::new();
        for (transfer, outcome) in &self.asked {
            let known = asked.entry(&transfer.id).or_insert((transfer, *outcome));
            if known.0 != transfer || transfer.minor <= 0 || transfer.from == transfer.to {
                faults.push(LedgerFault::Senseless(transfer.id.clone()));
            }
            // Asked again under the same name: one acknowledgement is enough, and one doubt beats a refusal.
            known.1 = match (known.1, *outcome) {
                (Asked::Acknowledged, _) | (_, Asked::Acknowledged) => Asked::Acknowledged,
                (Asked::Unknown, _) | (_, Asked::Unknown) => Asked::Unknown,
                (Asked::Refused, Asked::Refused) => Asked::Refused,
            };
        }
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for transfer in &self.applied {
            *times.entry(&transfer.id).or_insert(0) += 1;
            match asked.get(transfer.id.as_str()) {
                None => faults.push(LedgerFault::NeverAsked(transfer.id.clone())),
                Some((_, Asked::Refused)) => {
                    faults.push(LedgerFault::DoneThoughRefused(transfer.id.clone()));
                }
                Some((wanted, _)) if *wanted != transfer => {
                    faults.push(LedgerFault::Altered(transfer.id.clone()));
                }
                Some(_) => {}
            }
        }
        for (id, (_, outcome)) in asked {
            match (outcome, times.get(id)) {
                (Asked::Acknowledged, None) => faults.push(LedgerFault::Lost(id.to_owned())),
                (_, Some(2..)) => faults.push(LedgerFault::Repeated(id.to_owned())),
                _ => {}
            }
        }
        faults
    }

    fn judge_read(&self, read: usize, balances: &[Balance], faults: &mut Vec<LedgerFault>) {
        let (opening, found) = (by_currency(&self.opening), by_currency(balances));
        let currencies: BTreeSet<&String> = opening.keys().chain(found.keys()).collect();
        for currency in currencies {
            let of = |sums: &BTreeMap<String, i64>| sums.get(currency).copied().unwrap_or(0);
            let (expected, found) = (of(&opening), of(&found));
            if expected != found {
                let currency = currency.clone();
                faults.push(LedgerFault::NotConserved { read, currency, expected, found });
            }
        }
        for Balance { account, currency, minor } in balances {
            if *minor < 0 && !self.may_owe.contains(account) {
                let (account, currency, minor) = (account.clone(), currency.clone(), *minor);
                faults.push(LedgerFault::Overdrawn { read, account, currency, minor });
            }
        }
    }

    fn judge_closing(&self, faults: &mut Vec<LedgerFault>) {
        let mut expected = sums(&self.opening);
        for Transfer { from, to, currency, minor, .. } in &self.applied {
            *expected.entry((from.clone(), currency.clone())).or_insert(0) -= minor;
            *expected.entry((to.clone(), currency.clone())).or_insert(0) += minor;
        }
        let found = sums(&self.closing);
        let keys: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
        for key in keys {
            let of = |sums: &Sums| sums.get(key).copied().unwrap_or(0);
            let (expected, found) = (of(&expected), of(&found));
            if expected != found {
                let (account, currency) = key.clone();
                faults.push(LedgerFault::Unexplained { account, currency, expected, found });
            }
        }
    }
}

fn sums(balances: &[Balance]) -> Sums {
    let mut sums = Sums::new();
    for Balance { account, currency, minor } in balances {
        *sums.entry((account.clone(), currency.clone())).or_insert(0) += minor;
    }
    sums
}

fn by_currency(balances: &[Balance]) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for Balance { currency, minor, .. } in balances {
        *sums.entry(currency.clone()).or_insert(0) += minor;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::log::{self, Recorder};

    fn transfer(id: &str, from: &str, to: &str, minor: i64) -> Transfer {
        let text = str::to_owned;
        Transfer { id: text(id), from: text(from), to: text(to), currency: text("JPY"), minor }
    }

    fn balances(rows: &[(&str, i64)]) -> Vec<Balance> {
        let of = |&(account, minor): &(&str, i64)| Balance {
            account: account.to_owned(),
            currency: "JPY".to_owned(),
            minor,
        };
        rows.iter().map(of).collect()
    }

    /// Ada has 100 and gives Bob 30 (known) and 20 (nobody knows).
    fn right() -> Ledger {
        Ledger {
            opening: balances(&[("ada", 100), ("bob", 0)]),
            may_owe: BTreeSet::new(),
            asked: vec![
                (transfer("t1", "ada", "bob", 30), Asked::Acknowledged),
                (transfer("t2", "ada", "bob", 20), Asked::Unknown),
                (transfer("t3", "ada", "bob", 500), Asked::Refused),
            ],
            reads: vec![balances(&[("ada", 70), ("bob", 30)])],
            applied: vec![transfer("t1", "ada", "bob", 30)],
            closing: balances(&[("ada", 70), ("bob", 30)]),
        }
    }

    #[test]
    fn a_right_ledger_has_no_faults_whether_the_unknown_happened_or_not() {
        assert_eq!(right().faults(), []);
        let mut ledger = right();
        ledger.applied.push(transfer("t2", "ada", "bob", 20));
        ledger.closing = balances(&[("ada", 50), ("bob", 50)]);
        assert_eq!(ledger.faults(), []);
        assert_eq!(Ledger::default().faults(), []);
    }

    #[test]
    fn every_kind_of_wrong_is_told() {
        let check = |change: fn(&mut Ledger), expected: &[&str]| {
            let mut ledger = right();
            change(&mut ledger);
            let faults: Vec<String> = ledger.faults().iter().map(ToString::to_string).collect();
            assert_eq!(faults, expected);
        };
        check(
            |ledger| {
                ledger.applied.clear();
                ledger.closing = ledger.opening.clone();
            },
            &["transfer t1 was acknowledged and is lost"],
        );
        check(
            |ledger| {
                ledger.applied.push(transfer("t1", "ada", "bob", 30));
                ledger.closing = balances(&[("ada", 40), ("bob", 60)]);
            },
            &["transfer t1 was carried out more than once"],
        );
        check(
            |ledger| {
                ledger.may_owe.insert("ada".to_owned());
                ledger.applied.push(transfer("t3", "ada", "bob", 500));
                ledger.closing = balances(&[("ada", -430), ("bob", 530)]);
            },
            &["transfer t3 was refused and carried out"],
        );
        check(
            |ledger| {
                ledger.applied.push(transfer("t9", "ada", "bob", 1));
                ledger.closing = balances(&[("ada", 69), ("bob", 31)]);
            },
            &["transfer t9 was carried out and never asked for"],
        );
        check(
            |ledger| {
                ledger.applied = vec![transfer("t1", "ada", "bob", 31)];
                ledger.closing = balances(&[("ada", 69), ("bob", 31)]);
            },
            &["transfer t1 was carried out as another one"],
        );
        check(
            |ledger| ledger.asked.push((transfer("t3", "ada", "bob", 0), Asked::Refused)),
            &["transfer t3 makes no sense"],
        );
        check(
            |ledger| ledger.reads.push(balances(&[("ada", 70), ("bob", 0)])),
            &["read 1: JPY adds up to 70, not to 100"],
        );
        check(
            |ledger| ledger.reads.push(balances(&[("ada", -5), ("bob", 105)])),
            &["read 1: ada owes -5 JPY"],
        );
        check(
            |ledger| ledger.closing = balances(&[("ada", 60), ("bob", 40)]),
            &["ada has 60 JPY, by transfers 70", "bob has 40 JPY, by transfers 30"],
        );
    }

    #[test]
    fn a_transfer_that_was_asked_for_again_counts_once() {
        let mut ledger = right();
        ledger.asked.push((transfer("t1", "ada", "bob", 30), Asked::Unknown));
        assert_eq!(ledger.faults(), []);
    }

    #[test]
    fn is_read_from_a_log() {
        let mut recorder = Recorder::new(Vec::new());
        let mut ask = |call, outcome| {
            let op = recorder.invoke(0, 0, "ledger", call).unwrap();
            recorder.end(op, 1, outcome).unwrap();
        };
        let expected = right();
        for (transfer, asked) in &expected.asked {
            let outcome = match asked {
                Asked::Acknowledged => Outcome::Done(None),
                Asked::Refused => Outcome::Refused,
                Asked::Unknown => Outcome::Unknown,
            };
            ask(Call::Transfer(transfer.clone()), outcome);
        }
        for read in expected.reads.iter().chain([&expected.closing]) {
            ask(Call::Balances, Outcome::Done(Some(Answer::Balances(read.clone()))));
        }
        ask(Call::Applied, Outcome::Done(Some(Answer::Applied(expected.applied.clone()))));
        let text = String::from_utf8(recorder.get_ref().clone()).unwrap();
        let mut ledger = Ledger::of_log(&log::read(&text).unwrap());
        ledger.opening = expected.opening;
        assert_eq!(ledger.reads.len(), 1);
        assert_eq!(ledger.faults(), []);
        ledger.applied.clear();
        assert!(!ledger.faults().is_empty());
    }
}
