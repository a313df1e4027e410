//! Statements that number orders.

use domain::numbers::{Drawing, NumberRule, NumberStyle};
use serde::{Deserialize, Serialize};

use super::catalogue;
use super::shop::write;
use crate::StoreError;
use crate::order::PlaceOrder;
use crate::tx::{Row, Tx, values};

/// Name of the setting that says where a cluster draws its numbers.
pub(crate) const ORDER_NUMBERS: &str = "order_numbers";

/// Name of the setting that says how numbers are written, and where they begin: a [`Kept`] as JSON. Apart from where they
/// are drawn, which programs of before read too.
pub(crate) const ORDER_NUMBER_STYLE: &str = "order_number_style";

/// How numbers are written from now on, and where they begin.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    style: NumberStyle,
    first: i64,
}

/// Reads how numbers are written; a shop that has said nothing writes `VT-` before them.
pub(crate) fn read_style(setting: Option<&str>) -> Result<NumberStyle, StoreError> {
    Ok(read_kept(setting)?.style)
}

fn read_kept(setting: Option<&str>) -> Result<Kept, StoreError> {
    match setting {
        None => Ok(Kept { style: NumberStyle::default(), first: NumberRule::default().first }),
        Some(text) => serde_json::from_str(text)
            .map_err(|_unreadable| StoreError::Corrupt("style of order numbers")),
    }
}

/// Returns how a style is stored with an order: not at all where it is the usual one.
pub(crate) fn style_words(style: &NumberStyle) -> (Option<&str>, Option<i64>) {
    if *style == NumberStyle::default() {
        return (None, None);
    }
    (Some(style.prefix.as_str()), Some(i64::from(style.digits)))
}

/// Reads what [`style_words`] wrote, from two columns.
pub(crate) fn style_of(row: &Row, first: usize) -> Result<NumberStyle, StoreError> {
    let corrupt = StoreError::Corrupt("style of an order's number");
    let (prefix, digits): (Option<String>, Option<i64>) =
        (row.get(first)?, row.get(first.saturating_add(1))?);
    let (Some(prefix), Some(digits)) = (prefix, digits) else {
        return Ok(NumberStyle::default());
    };
    match (prefix.parse(), u8::try_from(digits)) {
        (Ok(prefix), Ok(digits)) => Ok(NumberStyle { prefix, digits }),
        _ => Err(corrupt),
    }
}

/// Draws one number from the counter row. Numbers that a program drew from the sequence beside this one are stepped over.
const FROM_COUNTER: &str = "UPDATE counters
SET value = greatest(value, (SELECT coalesce(max(number), 0) FROM orders)) + 1 WHERE name = 'order_number' RETURNING value";

/// Reads the setting; a cluster that has none takes the sequence.
pub(crate) fn drawing_of(setting: Option<&str>) -> Result<Drawing, StoreError> {
    match setting {
        None => Ok(Drawing::Blocks { size: 1 }),
        Some(text) => serde_json::from_str(text)
            .map_err(|_unreadable| StoreError::Corrupt("drawing of order numbers")),
    }
}

/// Takes the next order number, and how it is written.
///
/// A file has one writer and a counter. A cluster's sequence leaves gaps where a checkout comes to nothing, but makes nobody
/// wait for anybody; its counter makes all wait for each other, and is for shops that must number without gaps.
pub(crate) async fn next(
    tx: &Tx<'_>,
    command: &PlaceOrder,
) -> Result<(i64, NumberStyle), StoreError> {
    let style = read_style(catalogue::setting(tx, ORDER_NUMBER_STYLE).await?.as_deref())?;
    let sql = match tx {
        Tx::Sqlite(_) => {
            "UPDATE counters SET value = value + 1 WHERE name = 'order_number' RETURNING value"
        }
        Tx::Postgres(_) => {
            let setting = catalogue::setting(tx, ORDER_NUMBERS).await?;
            match drawing_of(setting.as_deref())? {
                Drawing::Gapless => {
                    lock_what_is_bought(tx, command).await?;
                    FROM_COUNTER
                }
                Drawing::Blocks { .. } => "SELECT nextval('orders.order_numbers')",
            }
        }
    };
    Ok((tx.query_one(sql, &[]).await?.get(0)?, style))
}

/// Takes the cart and its stock before the counter, in the order in which batches take them: nobody waits in a ring.
async fn lock_what_is_bought(tx: &Tx<'_>, command: &PlaceOrder) -> Result<(), StoreError> {
    // By primary keys.
    tx.query("SELECT 1 FROM carts WHERE id = ?1 FOR UPDATE", values![command.cart.as_bytes()])
        .await?;
    tx.query(
        "SELECT 1 FROM stock WHERE sku IN (SELECT sku FROM cart_lines WHERE cart_id = ?1)
         ORDER BY sku FOR UPDATE",
        values![command.cart.as_bytes()],
    )
    .await?;
    Ok(())
}

/// Says where numbers are drawn from now on. Neither way begins below what the other has given out.
async fn set_drawing(tx: &Tx<'_>, drawing: Drawing) -> Result<(), StoreError> {
    let text = serde_json::to_string(&drawing)
        .map_err(|_unwritable| StoreError::Corrupt("drawing of order numbers"))?;
    write(tx, ORDER_NUMBERS, &text).await?;
    let first = read_kept(catalogue::setting(tx, ORDER_NUMBER_STYLE).await?.as_deref())?.first;
    go_on_from(tx, drawing, first).await
}

/// Reads how orders are numbered.
pub(crate) async fn rule(tx: &Tx<'_>) -> Result<NumberRule, StoreError> {
    let kept = read_kept(catalogue::setting(tx, ORDER_NUMBER_STYLE).await?.as_deref())?;
    let drawing = match tx {
        Tx::Sqlite(_) => Drawing::Gapless,
        Tx::Postgres(_) => drawing_of(catalogue::setting(tx, ORDER_NUMBERS).await?.as_deref())?,
    };
    let Kept { style: NumberStyle { prefix, digits }, first } = kept;
    Ok(NumberRule { prefix, digits, first, drawing })
}

/// Says how orders are numbered from now on. Numbers only go up, whatever is said.
pub(crate) async fn set_rule(
    tx: &Tx<'_>,
    before: &NumberRule,
    rule: &NumberRule,
) -> Result<(), StoreError> {
    let kept = Kept { style: rule.style(), first: rule.first };
    let text = serde_json::to_string(&kept)
        .map_err(|_unwritable| StoreError::Corrupt("style of order numbers"))?;
    write(tx, ORDER_NUMBER_STYLE, &text).await?;
    if (rule.drawing, rule.first) == (before.drawing, before.first) {
        return Ok(());
    }
    set_drawing(tx, rule.drawing).await
}

/// Raises whatever numbers are drawn from to a first one.
async fn go_on_from(tx: &Tx<'_>, drawing: Drawing, first: i64) -> Result<(), StoreError> {
    let used = first.saturating_sub(1);
    tx.execute(
        "UPDATE counters SET value = ?1 WHERE name = 'order_number' AND value < ?1",
        values![used],
    )
    .await?;
    if let (Tx::Postgres(_), Drawing::Blocks { size }) = (tx, drawing) {
        // A block is what a connection draws ahead: the engine's own cache of a sequence. Who alters a sequence has it alone
        // until the commit, so nobody draws between what is read here and what is written.
        let size = size.clamp(1, domain::numbers::BLOCK_MAX);
        tx.execute(&format!("ALTER SEQUENCE orders.order_numbers CACHE {size}"), &[]).await?;
        // One that was never drawn from says the number that it will give.
        tx.query(
            "SELECT setval('orders.order_numbers', greatest((SELECT coalesce(max(number), 0) FROM orders), ?1,
               (SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM orders.order_numbers)))",
            values![used],
        )
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use api_types::order::Address;
    use domain::payment::{KeptMethod, TestMethod};
    use domain::{
        CartId, Currency, ErrorKind, Handle, LineId, Money, OrderId, PaymentId, Timestamp,
    };
    use engines::Engine as Place;
    use futures::future::join_all;

    use super::*;
    use crate::sql::order;
    use crate::{
        CartEdit, Catalogue, CategoryRow, ChangeCart, ChangeShop, Claim, ConnectionUrl, Engine,
        NumbersChange, OpenCart, Placed, ProductRow, ProductTraits, ShopChange, Store, StoreConfig,
        Terms, VariantRow,
    };

    const NOW: Timestamp = Timestamp::from_unix_ms(1_795_348_800_000);

    fn catalogue(pieces: i64) -> Catalogue {
        let (text, handle) = (str::to_owned, |text: &str| text.parse::<Handle>().unwrap());
        let variant = VariantRow {
            sku: "CUP".parse().unwrap(),
            title: text("Cup"),
            options_json: text("{}"),
            image_url: String::new(),
            image_alt: String::new(),
            material_variant: String::new(),
            web_glb_url: String::new(),
            plain_glb_url: String::new(),
            usdz_url: String::new(),
            poster_url: String::new(),
            dimensions_mm: [0; 3],
            prices: vec![Money::new(100, Currency::Eur)],
            initial_stock: pieces,
            grams: None,
        };
        let category = CategoryRow {
            handle: handle("all"),
            title: text("All"),
            description: String::new(),
            position: 1,
            image_url: String::new(),
            parent: None,
        };
        let product = ProductRow {
            handle: handle("cup"),
            title: text("Cup"),
            subtitle: String::new(),
            description: String::new(),
            category: handle("all"),
            search_words: String::new(),
            is_featured: false,
            created_at: NOW,
            tags_json: text("[]"),
            images_json: text("[]"),
            options_json: text("[]"),
            model_json: None,
            traits: ProductTraits::default(),
            variants: vec![variant],
        };
        Catalogue { settings: [].into(), categories: vec![category], products: vec![product] }
    }

    /// A cart with one cup and the command that buys it.
    async fn checkout(store: &Store, number: u8) -> PlaceOrder {
        let cart = CartId::from_bytes([number; 16]);
        let open = OpenCart { id: cart, user: None, currency: Currency::Eur, now: NOW };
        store.open_cart(open, None).await.unwrap().unwrap();
        let edit = CartEdit::Add {
            line: LineId::from_bytes([number; 16]),
            sku: "CUP".parse().unwrap(),
            quantity: 1.try_into().unwrap(),
        };
        let change =
            ChangeCart { id: cart, version: None, edit, freeze: Duration::from_hours(1), now: NOW };
        store.change_cart(change, None).await.unwrap().unwrap();
        PlaceOrder {
            cart,
            order: OrderId::from_bytes([number; 16]),
            payment: PaymentId::from_bytes([number; 16]),
            line_seed: [number; 10],
            token_hash: [number; 32],
            user: None,
            email: "ada@example.org".parse().unwrap(),
            address: Address::default(),
            provider: "test",
            method: KeptMethod::Test(TestMethod::Success),
            token: None,
            claim: Claim {
                scope: "test".to_owned(),
                key: number.to_string(),
                fingerprint: [number; 32],
            },
            hold: Duration::from_mins(10),
            lease: Duration::from_secs(10),
            terms: Terms::default(),
            now: NOW,
        }
    }

    /// Says where numbers are drawn from now on.
    async fn draw(store: &Store, drawing: Drawing) {
        let order_numbers = NumbersChange { drawing: Some(drawing), ..NumbersChange::default() };
        let change = ShopChange { order_numbers, ..ShopChange::default() };
        let command = ChangeShop { change, version: None, actor: "test".to_owned(), now: NOW };
        store.change_shop(command, None).await.unwrap().unwrap();
    }

    /// Many buy at once, every third of them alone beside the batches; returns how many orders there are of each way.
    async fn rush(store: &Store, numbers: std::ops::Range<u8>) -> [usize; 2] {
        let Engine::Postgres(cluster) = &store.engine else { panic!("a file") };
        let commands = join_all(numbers.map(|number| checkout(store, number))).await;
        let placed = join_all(commands.into_iter().enumerate().map(async |(index, command)| {
            let is_alone = index % 3 == 0;
            let placed = if is_alone {
                cluster.write(&command, |tx, command| Box::pin(order::place(tx, command))).await
            } else {
                cluster.place(command).await
            };
            match placed {
                Ok(Placed::Order(_)) => Some(usize::from(is_alone)),
                Ok(Placed::Decided { .. }) => None,
                Err(error) if error.kind() == ErrorKind::Unavailable => None,
                other => panic!("{other:?}"),
            }
        }))
        .await;
        let of = |way| placed.iter().filter(|placed| **placed == Some(way)).count();
        [of(0), of(1)]
    }

    async fn numbers(store: &Store) -> Vec<i64> {
        store
            .read((), |tx, ()| {
                Box::pin(async {
                    let rows = tx.query("SELECT number FROM orders ORDER BY number", &[]).await?;
                    rows.iter().map(|row| row.get(0)).collect()
                })
            })
            .await
            .unwrap()
    }

    fn is_gapless(numbers: &[i64]) -> bool {
        numbers.windows(2).all(|pair| matches!(pair, [one, next] if *next == one + 1))
    }

    /// Batches and lone commands draw from one row; what finds no stock has drawn nothing.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_cluster_that_must_not_leave_gaps_leaves_none_and_gives_no_number_twice() {
        let Some(place) = Place::postgres() else { return };
        let Place::Postgres(database) = &place else { return };
        let config = StoreConfig::cluster(ConnectionUrl::new(database.url()));
        let store = Store::open(&config, "first").await.unwrap();
        store.upsert_catalogue(catalogue(110), NOW).await.unwrap();
        // Some from the sequence first, as a shop has them that changes its mind.
        let [batches, alone] = rush(&store, 0..30).await;
        assert!(batches > 0 && alone > 0, "{batches} {alone}");
        draw(&store, Drawing::Gapless).await;
        let before = numbers(&store).await;
        let [batches, alone] = rush(&store, 30..130).await;
        assert!(batches > 0 && alone > 0, "{batches} {alone}");
        let after = numbers(&store).await;
        let drawn = after.get(before.len() - 1..).unwrap();
        assert_eq!(drawn.len(), batches + alone + 1);
        assert!(is_gapless(drawn), "{drawn:?}");
        // And back: the sequence goes on above what the counter gave out.
        draw(&store, Drawing::Blocks { size: 5 }).await;
        let most = after.last().copied().unwrap();
        let sold_out = rush(&store, 130..140).await;
        assert!(numbers(&store).await.iter().skip(after.len()).all(|number| *number > most));
        assert!(sold_out.iter().sum::<usize>() <= 110 - after.len());
    }
}
