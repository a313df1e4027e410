//! The first round trip: claims keys, locks carts and stock, and reads what decides about them.

use std::collections::{BTreeMap, BTreeSet};

use api_types::cart::Cart;
use domain::cart::CartStatus;
use domain::inventory::MAIN_LOCATION;
use domain::numbers::{Drawing, NumberStyle};
use domain::pricing::{Buyer, Quote};
use domain::{CartId, Currency, Sku};
use futures::join;

use crate::StoreError;
use crate::catalogue::PriceRow;
use crate::order::PlaceOrder;
use crate::postgres::lanes::BEGIN;
use crate::postgres::session::Session;
use crate::pricing::{self, Asked, Rules};
use crate::sql::allocation::{self, Rule};
use crate::sql::cart::{Stored, StoredLine};
use crate::sql::pricing::{self as sql_pricing, PARENTS};
use crate::sql::{cart, catalogue, numbers, stock};
use crate::stock::MainStock;
use crate::tx::Row;

pub(super) const CLAIM: &str =
    "INSERT INTO idempotency (scope, key, fingerprint, order_id, lease_until_ms, created_at_ms)
SELECT * FROM unnest(?1::text[], ?2::text[], ?3::bytea[], ?4::bytea[], ?5::bigint[], ?6::bigint[])
ON CONFLICT (scope, key) DO NOTHING RETURNING scope, key";
pub(super) const LOCK_CARTS: &str =
    "SELECT id, currency, version, order_id IS NOT NULL, choices_json, user_id FROM carts WHERE id = ANY(?1)
ORDER BY id FOR UPDATE";
macro_rules! stock_of_carts {
    ($end:literal) => {
        concat!(
            "SELECT s.on_hand, s.reserved, s.incoming, s.backordered, s.safety, s.per_order_max,
  s.backorder, s.backorder_max, s.backorder_until_ms, EXISTS (SELECT 1 FROM stock_at a WHERE a.sku = s.sku), s.sku
FROM stock s WHERE s.sku IN (SELECT sku FROM cart_lines WHERE cart_id = ANY(?1)) ORDER BY s.sku",
            $end
        )
    };
}
pub(super) const SEE_STOCK: &str = stock_of_carts!("");
pub(super) const LOCK_STOCK: &str = stock_of_carts!(" FOR UPDATE OF s");
pub(super) const READ_LINES: &str = "SELECT l.cart_id, l.id, l.sku, l.quantity, l.price_minor, l.price_until_ms, p.handle, p.title,
  v.title, v.image_url, r.minor, p.category, p.tags_json, p.tax_class, v.grams, p.is_shippable, p.is_discountable
FROM cart_lines l JOIN carts c ON c.id = l.cart_id JOIN variants v ON v.sku = l.sku JOIN products p ON p.id = v.product_id
LEFT JOIN prices r ON r.sku = l.sku AND r.currency = c.currency AND p.archived_at_ms IS NULL
WHERE l.cart_id = ANY(?1) ORDER BY l.cart_id, l.id";
pub(super) const READ_RULES: &str = "SELECT name, value FROM settings WHERE name = ANY(?1)";
pub(super) const READ_PROMOTIONS: &str = "SELECT rule_json, uses FROM promotions
WHERE is_automatic = 1 AND is_enabled = 1 AND coalesce(starts_at_ms, 0) <= ?2 AND coalesce(ends_at_ms, 9223372036854775807) > ?1
ORDER BY id LIMIT 90";

/// How a batch looks at stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stock {
    /// Others may take from it meanwhile.
    Seen,
    /// Nobody else may, until the batch ends.
    Locked,
}

/// What the batch was told of the shop.
pub(super) struct Shop {
    /// Keys that nobody had used.
    pub(super) claimed: BTreeSet<(String, String)>,
    carts: BTreeMap<CartId, Stored>,
    lines: BTreeMap<CartId, Vec<(StoredLine, PriceRow)>>,
    pub(super) stock: BTreeMap<Sku, MainStock>,
    pub(super) rule: Rule,
    settings: BTreeMap<String, String>,
    rules: Rules,
}

impl Shop {
    fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// Returns where the numbers of orders come from.
    pub(super) fn drawing(&self) -> Result<Drawing, StoreError> {
        numbers::drawing_of(self.setting(numbers::ORDER_NUMBERS))
    }

    /// Returns how they are written.
    pub(super) fn style(&self) -> Result<NumberStyle, StoreError> {
        numbers::read_style(self.setting(numbers::ORDER_NUMBER_STYLE))
    }

    /// Looks again at stock that was only seen, and locks it.
    pub(super) async fn lock_stock(
        &mut self,
        session: &Session,
        commands: &[&PlaceOrder],
    ) -> Result<(), StoreError> {
        self.stock = lock_stock(session, commands).await?;
        Ok(())
    }

    /// Puts a cart together as it is bought; nothing where the shopper must hear why it cannot, or where more has to be
    /// looked up to say what it costs.
    pub(super) fn cart(&self, command: &PlaceOrder) -> Result<Option<Cart>, StoreError> {
        let (id, now) = (command.cart, command.now);
        let (Some(stored), Some(rows)) = (self.carts.get(&id), self.lines.get(&id)) else {
            return Ok(None);
        };
        let choices = &stored.choices;
        let asks_for_more = !choices.codes.is_empty() || !choices.gift_cards.is_empty();
        if stored.status == CartStatus::CheckedOut || asks_for_more {
            return Ok(None);
        }
        let currency = stored.currency;
        let line = |(stored, row): &(StoredLine, PriceRow)| {
            cart::line_of(stored.clone(), row.clone(), currency, now)
        };
        let Ok(lines) = rows.iter().map(line).collect::<Result<Vec<_>, _>>() else {
            return Ok(None);
        };
        let setting = |name: &str| self.setting(name);
        let shipping = setting(&catalogue::shipping_setting(currency));
        let asked = Asked {
            now,
            currency,
            lines: &lines,
            choices,
            destination: pricing::destination_of(&command.address),
            buyer: Buyer { has_account: command.user.is_some(), ..Buyer::default() },
            codes: &[],
            by_code: &[],
            gift_cards: &[],
            plain: catalogue::rules_of(setting(catalogue::TAX_RATE), shipping, currency)?,
        };
        let Ok(price) = self.rules.price(&asked)? else { return Ok(None) };
        if price.quote.as_ref().is_some_and(|quote| self.is_limited(quote)) {
            return Ok(None);
        }
        let cart = cart::cart(stored.clone(), lines, price, now);
        let is_as_shown = pricing::refusal_of(&cart, &command.terms).is_none();
        Ok(is_as_shown.then_some(cart))
    }

    /// Whether a promotion took something off whose uses or buyers must be counted first.
    fn is_limited(&self, quote: &Quote) -> bool {
        self.rules
            .automatic
            .iter()
            .filter(|known| known.is_limited())
            .any(|known| quote.promotions.iter().any(|one| one.promotion == known.promotion.id))
    }
}

/// Returns the names of the settings that decide what a checkout costs and how its order is called.
fn settings_read() -> Vec<String> {
    [catalogue::TAX_RATE, numbers::ORDER_NUMBERS, numbers::ORDER_NUMBER_STYLE]
        .into_iter()
        .map(str::to_owned)
        .chain(Currency::ALL.into_iter().map(catalogue::shipping_setting))
        .chain(pricing::SETTINGS.map(str::to_owned))
        .collect()
}

/// Locks the stock of the carts of a batch, and reads it.
pub(super) async fn lock_stock(
    session: &Session,
    commands: &[&PlaceOrder],
) -> Result<BTreeMap<Sku, MainStock>, StoreError> {
    let rows = session.bulk(LOCK_STOCK, [&carts_of(commands)]).await?;
    rows.iter().map(read_stock).collect()
}

fn carts_of<'a>(commands: &[&'a PlaceOrder]) -> Vec<&'a [u8]> {
    let carts: BTreeSet<&[u8]> =
        commands.iter().map(|command| command.cart.as_bytes().as_slice()).collect();
    carts.into_iter().collect()
}

/// The first round trip.
pub(super) async fn read(
    session: &Session,
    commands: &[&PlaceOrder],
    stock: Stock,
) -> Result<Shop, StoreError> {
    let read_stock_by = match stock {
        Stock::Seen => SEE_STOCK,
        Stock::Locked => LOCK_STOCK,
    };
    // One statement must not meet a key twice, and every batch takes its locks in one order.
    let claims: BTreeMap<(&str, &str), &PlaceOrder> = commands
        .iter()
        .rev()
        .map(|command| ((command.claim.scope.as_str(), command.claim.key.as_str()), *command))
        .collect();
    let scopes: Vec<&str> = claims.keys().map(|(scope, _)| *scope).collect();
    let keys: Vec<&str> = claims.keys().map(|(_, key)| *key).collect();
    let each = |read: fn(&PlaceOrder) -> i64| -> Vec<i64> {
        claims.values().map(|command| read(command)).collect()
    };
    let fingerprints: Vec<&[u8]> =
        claims.values().map(|command| command.claim.fingerprint.as_slice()).collect();
    let orders: Vec<&[u8]> =
        claims.values().map(|command| command.order.as_bytes().as_slice()).collect();
    let leases = each(|command| command.now.after(command.lease).unix_ms());
    let created = each(|command| command.now.unix_ms());
    let carts = carts_of(commands);
    let settings = settings_read();
    let moments = commands.iter().map(|command| command.now.unix_ms());
    let (first, last) =
        (moments.clone().min().unwrap_or_default(), moments.max().unwrap_or_default());
    // Sent one behind the other, answered together. What is read after a lock is as it was left by whoever had it. The
    // stock comes last: of a hot SKU everybody waits for it.
    let main = MAIN_LOCATION.as_bytes().as_slice();
    let (begun, claimed, carts, lines, settings, promotions, parents, rule, stock) = join!(
        session.batch(BEGIN),
        session.bulk(CLAIM, [&scopes, &keys, &fingerprints, &orders, &leases, &created]),
        session.bulk(LOCK_CARTS, [&carts]),
        session.bulk(READ_LINES, [&carts]),
        session.bulk(READ_RULES, [&settings]),
        session.bulk(READ_PROMOTIONS, [&first, &last]),
        session.bulk(PARENTS, []),
        session.bulk(allocation::READ_RULE, [&main]),
        session.bulk(read_stock_by, [&carts]),
    );
    begun?;
    let (claimed, carts, lines, settings) = (claimed?, carts?, lines?, settings?);
    let (promotions, parents, rule, stock) = (promotions?, parents?, rule?, stock?);
    let rule = rule.first().ok_or(StoreError::Corrupt("main location"))?;
    let pair =
        |row: &Row| -> Result<(String, String), StoreError> { Ok((row.get(0)?, row.get(1)?)) };
    let stock: BTreeMap<Sku, MainStock> =
        stock.iter().map(read_stock).collect::<Result<_, StoreError>>()?;
    let carts: BTreeMap<CartId, Stored> = carts
        .iter()
        .map(|row| cart::read_stored(row).map(|stored| (stored.id, stored)))
        .collect::<Result<_, StoreError>>()?;
    let settings: BTreeMap<String, String> = settings.iter().map(pair).collect::<Result<_, _>>()?;
    let rules = Rules::new(
        |name| settings.get(name).map(String::as_str),
        promotions.iter().map(sql_pricing::known).collect::<Result<_, _>>()?,
        parents.iter().map(sql_pricing::parent).collect::<Result<_, _>>()?,
    )?;
    Ok(Shop {
        claimed: claimed.iter().map(pair).collect::<Result<_, _>>()?,
        lines: read_lines(&carts, &lines)?,
        carts,
        stock,
        settings,
        rules,
        rule: allocation::rule_of(rule)?,
    })
}

fn read_stock(row: &Row) -> Result<(Sku, MainStock), StoreError> {
    let sku: String = row.get(10)?;
    let sku = sku.parse().map_err(|_invalid| StoreError::Corrupt("SKU of a stock counter"))?;
    Ok((sku, stock::main_of(row, 0)?))
}

type LinesOf = BTreeMap<CartId, Vec<(StoredLine, PriceRow)>>;

fn read_lines(carts: &BTreeMap<CartId, Stored>, rows: &[Row]) -> Result<LinesOf, StoreError> {
    let mut lines = LinesOf::new();
    for row in rows {
        let id = CartId::from_bytes(row.get(0)?);
        let Some(&Stored { currency, .. }) = carts.get(&id) else { continue };
        lines.entry(id).or_default().push(cart::priced_line(row, 1, currency)?);
    }
    Ok(lines)
}
