//! What must be true after a round, whatever was killed in it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use store::StockSums;

use super::buyers::{Purchase, Told};
use super::shop::{PIECES, Row, Shop};

/// An order with its payment, as the shop's database has it.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    order: String,
    cart: String,
    number: String,
    status: String,
    total: i64,
    payment: String,
    payment_status: String,
    amount: i64,
}

/// All books at one moment.
#[derive(Debug)]
pub(crate) struct Books {
    orders: Vec<Kept>,
    /// By the shop's payment: captured and refunded, one for each of the provider's payments.
    provider: BTreeMap<String, Vec<(i64, i64)>>,
    /// Pieces of all orders that stand.
    sold: i64,
    sums: StockSums,
    /// Orders without a payment.
    unpaid: usize,
}

const ORDERS: &str =
    "SELECT o.id, o.cart_id, o.number, o.status, o.total_minor, p.id, p.status, p.amount_minor
    FROM orders o JOIN payments p ON p.order_id = o.id ORDER BY o.number";
const SOLD: &str =
    "SELECT coalesce(sum(l.quantity), 0) FROM order_lines l JOIN orders o ON o.id = l.order_id
    WHERE o.status IN ('confirmed', 'completed')";
const WITHOUT_PAYMENT: &str = "SELECT count(*) FROM orders o WHERE NOT EXISTS
    (SELECT 1 FROM payments p WHERE p.order_id = o.id)";
const PROVIDER: &str = "SELECT reference, captured_minor, refunded_minor FROM payments";
/// Payments that still move.
pub(crate) const UNSETTLED: &str = "SELECT count(*) FROM payments
    WHERE status IN ('created', 'processing', 'requires_action', 'unknown', 'authorized')";

impl Books {
    /// Reads all of them; the shop must rest.
    pub(crate) async fn read(shop: &Shop, sums: StockSums) -> Result<Self> {
        let orders = shop.rows(ORDERS).await?.iter().map(kept).collect::<Result<Vec<_>>>()?;
        let mut provider: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
        for row in shop.provider_rows(PROVIDER)? {
            let amounts = (number(&row, 1)?, number(&row, 2)?);
            provider.entry(plain(&column(&row, 0)?)).or_default().push(amounts);
        }
        let sold = number(shop.rows(SOLD).await?.first().context("add up what is sold")?, 0)?;
        let lonely = shop.rows(WITHOUT_PAYMENT).await?;
        let lonely = number(lonely.first().context("count orders")?, 0)?;
        Ok(Self { orders, provider, sold, sums, unpaid: usize::try_from(lonely)? })
    }

    /// Returns what is wrong, one sentence each.
    pub(crate) fn faults(&self, purchases: &[Purchase]) -> Vec<String> {
        let mut faults = Vec::new();
        self.judge_stock(&mut faults);
        self.judge_money(&mut faults);
        self.judge_answers(purchases, &mut faults);
        faults
    }

    fn judge_stock(&self, faults: &mut Vec<String>) {
        let sums = &self.sums;
        let pairs = [
            ("pieces on hand, by movements", sums.on_hand, sums.on_hand_moved),
            ("pieces reserved, by movements", sums.reserved, sums.reserved_moved),
            ("pieces reserved, by holds", sums.reserved, sums.reserved_held),
            ("pieces promised", sums.backordered, sums.backordered_promised),
            ("pieces reserved, now that all rests", sums.reserved, 0),
            ("pieces on hand, by what is sold", sums.on_hand, PIECES - self.sold),
            ("the ledger, which must balance", sums.ledger_imbalance, 0),
        ];
        for (what, found, expected) in pairs {
            if found != expected {
                faults.push(format!("{what}: {found}, expected {expected}"));
            }
        }
    }

    fn judge_money(&self, faults: &mut Vec<String>) {
        if self.unpaid != 0 {
            faults.push(format!("{} orders have no payment", self.unpaid));
        }
        let mut known = BTreeSet::new();
        for order in &self.orders {
            known.insert(order.payment.as_str());
            let name =
                format!("order {} ({}, {})", order.number, order.status, order.payment_status);
            if order.amount != order.total {
                faults.push(format!("{name}: pays {} of {}", order.amount, order.total));
            }
            let charges = self.provider.get(&order.payment).map(Vec::as_slice).unwrap_or_default();
            let captured: i64 = charges.iter().map(|(captured, _)| captured).sum();
            let refunded: i64 = charges.iter().map(|(_, refunded)| refunded).sum();
            let expected = if order.is_sold() { order.total } else { 0 };
            if captured - refunded != expected {
                faults.push(format!(
                    "{name}: the provider has {captured} - {refunded}, expected {expected}"
                ));
            }
            if charges.iter().filter(|(captured, _)| *captured > 0).count() > 1 {
                faults.push(format!("{name}: charged {} times", charges.len()));
            }
            if order.is_sold() && order.payment_status != "captured" {
                faults.push(format!("{name}: sold and not paid"));
            }
        }
        for (reference, charges) in &self.provider {
            let money: i64 = charges.iter().map(|(captured, refunded)| captured - refunded).sum();
            if !known.contains(reference.as_str()) && money != 0 {
                faults.push(format!(
                    "payment {reference}: {money} taken, and the shop knows no such"
                ));
            }
        }
    }

    fn judge_answers(&self, purchases: &[Purchase], faults: &mut Vec<String>) {
        let by_id: BTreeMap<&str, &Kept> =
            self.orders.iter().map(|order| (order.order.as_str(), order)).collect();
        let mut by_cart: BTreeMap<&str, usize> = BTreeMap::new();
        for order in &self.orders {
            *by_cart.entry(&order.cart).or_default() += 1;
        }
        let mut carts = BTreeSet::new();
        let mut named = BTreeMap::new();
        for purchase in purchases {
            let cart = plain(&purchase.cart);
            let made = by_cart.get(cart.as_str()).copied().unwrap_or(0);
            carts.insert(cart);
            match &purchase.told {
                Told::Placed { order, .. } => {
                    let order = plain(order);
                    if let Some(other) = named.insert(order.clone(), &purchase.key) {
                        faults.push(format!("{} and {other} were told of one order", purchase.key));
                    }
                    judge_placed(purchase, by_id.get(order.as_str()).copied(), faults);
                    if made > 1 {
                        faults.push(format!("{}: {made} orders of one key", purchase.key));
                    }
                }
                Told::Declined if made > 1 => {
                    faults.push(format!("{}: {made} orders of one key", purchase.key));
                }
                Told::SoldOut if made > 0 => {
                    faults.push(format!("{}: refused, and there is an order", purchase.key));
                }
                Told::Declined | Told::SoldOut => {}
            }
        }
        for order in self.orders.iter().filter(|order| !carts.contains(&order.cart)) {
            faults.push(format!("order {}: nobody was told of it", order.number));
        }
        let mut numbers = BTreeSet::new();
        for order in &self.orders {
            if !numbers.insert(&order.number) {
                faults.push(format!("order {}: its number is there twice", order.number));
            }
        }
    }
}

impl Kept {
    fn is_sold(&self) -> bool {
        self.status == "confirmed" || self.status == "completed"
    }
}

/// Judges an order that was acknowledged: it is there, and its states followed each other.
fn judge_placed(purchase: &Purchase, kept: Option<&Kept>, faults: &mut Vec<String>) {
    let Some(kept) = kept else {
        faults.push(format!("{}: its order was acknowledged and is lost", purchase.key));
        return;
    };
    if kept.cart != plain(&purchase.cart) {
        faults.push(format!("{}: its order is of another cart", purchase.key));
    }
    let mut seen: Vec<&str> = purchase.seen.iter().map(String::as_str).collect();
    seen.push(&kept.status);
    for pair in seen.windows(2) {
        if let [before, after] = pair
            && !may_follow(before, after)
        {
            faults.push(format!("{}: {before}, then {after} ({seen:?})", purchase.key));
        }
    }
}

/// Tells whether an order that was seen in one state may be seen in the other later.
fn may_follow(before: &str, after: &str) -> bool {
    match (before, after) {
        ("pending_payment", "confirmed" | "cancelled" | "expired" | "completed")
        | ("confirmed", "completed") => true,
        _ => before == after && before != "absent",
    }
}

fn kept(row: &Row) -> Result<Kept> {
    Ok(Kept {
        order: plain(&column(row, 0)?),
        cart: plain(&column(row, 1)?),
        number: column(row, 2)?,
        status: column(row, 3)?,
        total: number(row, 4)?,
        payment: plain(&column(row, 5)?),
        payment_status: column(row, 6)?,
        amount: number(row, 7)?,
    })
}

fn column(row: &Row, index: usize) -> Result<String> {
    row.get(index).cloned().context("read a column")
}

pub(crate) fn number(row: &Row, index: usize) -> Result<i64> {
    let text = column(row, index)?;
    text.parse().with_context(|| format!("read a number: {text}"))
}

/// Writes an id as both databases and the API do not: hexadecimal digits alone.
fn plain(id: &str) -> String {
    id.trim_start_matches("\\x").replace('-', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Kept {
        Kept {
            order: "aa".to_owned(),
            cart: "cc".to_owned(),
            number: "1".to_owned(),
            status: "confirmed".to_owned(),
            total: 2_390,
            payment: "bb".to_owned(),
            payment_status: "captured".to_owned(),
            amount: 2_390,
        }
    }

    fn books() -> Books {
        let sums = StockSums {
            on_hand: PIECES - 1,
            on_hand_moved: PIECES - 1,
            reserved: 0,
            reserved_moved: 0,
            reserved_held: 0,
            backordered: 0,
            backordered_promised: 0,
            ledger_imbalance: 0,
        };
        let provider = BTreeMap::from([("bb".to_owned(), vec![(2_390, 0)])]);
        Books { orders: vec![order()], provider, sold: 1, sums, unpaid: 0 }
    }

    fn purchase() -> Purchase {
        let now = std::time::Instant::now();
        let word = str::to_owned;
        let told =
            Told::Placed { order: word("a-a"), token: word("t"), status: word("pending_payment") };
        let seen = vec![word("pending_payment"), word("confirmed")];
        Purchase {
            key: word("k"),
            cart: word("c-c"),
            told,
            seen,
            waited: std::time::Duration::ZERO,
            asked: now,
            answered: now,
        }
    }

    #[test]
    fn right_books_have_no_faults() {
        assert_eq!(books().faults(&[purchase()]), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_wrong_is_told() {
        let check = |change: fn(&mut Books, &mut Vec<Purchase>), expected: &str| {
            let (mut books, mut purchases) = (books(), vec![purchase()]);
            change(&mut books, &mut purchases);
            let faults = books.faults(&purchases);
            assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:?}");
        };
        check(|books, _| books.orders.clear(), "acknowledged and is lost");
        check(
            |books, _| books.orders[0].status = "cancelled".to_owned(),
            "confirmed, then cancelled",
        );
        check(|books, _| books.orders.push(order()), "2 orders of one key");
        check(|books, _| books.orders.push(order()), "its number is there twice");
        check(|books, _| books.sums.on_hand -= 1, "pieces on hand, by movements");
        check(|books, _| books.sold = 2, "pieces on hand, by what is sold");
        check(|books, _| books.sums.reserved = 1, "now that all rests");
        check(|books, _| books.sums.ledger_imbalance = 1, "must balance");
        check(|books, _| books.unpaid = 1, "have no payment");
        check(
            |books, _| drop(books.provider.insert("bb".to_owned(), vec![(2_390, 0), (2_390, 0)])),
            "charged 2 times",
        );
        check(|books, _| books.provider.clear(), "the provider has 0 - 0");
        check(
            |books, _| drop(books.provider.insert("dd".to_owned(), vec![(5, 0)])),
            "the shop knows no such",
        );
        check(|_, purchases| purchases.clear(), "nobody was told of it");
        check(|_, purchases| purchases[0].told = Told::SoldOut, "refused, and there is an order");
        check(|_, purchases| purchases[0].seen.push("absent".to_owned()), "confirmed, then absent");
        check(|_, purchases| purchases.push(purchase()), "were told of one order");
    }
}
