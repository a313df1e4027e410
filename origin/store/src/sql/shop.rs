//! Statements of the shop's settings. Each is a row of its own, which whoever needs it reads in its own transaction: no
//! instance remembers one.

use api_types::shop::{FlatShipping, Shop};
use domain::cart::ShippingRule;

use super::{catalogue, invoice, numbers, outbox};
use crate::StoreError;
use crate::pricing::{self, COUNTRY, MERGE_RULE};
use crate::shop::{ChangeShop, ShopRefused};
use crate::tx::{Tx, values};

/// Name of the setting that counts changes.
const VERSION: &str = "shop_version";

pub(crate) async fn read(tx: &Tx<'_>) -> Result<Shop, StoreError> {
    let (default_currency, currencies) = catalogue::currencies(tx).await?;
    let (country, merge_rule, tax, version) = (
        catalogue::setting(tx, COUNTRY).await?,
        catalogue::setting(tx, MERGE_RULE).await?,
        catalogue::setting(tx, catalogue::TAX_RATE).await?,
        catalogue::setting(tx, VERSION).await?,
    );
    let mut tax_basis_points = catalogue::TAX_BASIS_POINTS_DEFAULT;
    let mut shipping = std::collections::BTreeMap::new();
    for &currency in &currencies {
        let text = catalogue::setting(tx, &catalogue::shipping_setting(currency)).await?;
        let (rule, rate) = catalogue::rules_of(tax.as_deref(), text.as_deref(), currency)?;
        let ShippingRule { flat_minor, free_from_minor } = rule;
        shipping.insert(currency, FlatShipping { flat_minor, free_from_minor });
        tax_basis_points = rate;
    }
    Ok(Shop {
        country: pricing::read_country(country.as_deref())?,
        cart_merge_rule: pricing::read_merge_rule(merge_rule.as_deref())?,
        currencies,
        default_currency,
        tax_basis_points,
        shipping,
        order_numbers: numbers::rule(tx).await?,
        invoice_numbers: invoice::rule(tx).await?,
        version: version
            .map_or(Ok(0), |text| text.parse())
            .map_err(|_unreadable| StoreError::Corrupt("version of the shop"))?,
    })
}

pub(crate) async fn change(
    tx: &Tx<'_>,
    command: &ChangeShop,
) -> Result<Result<Shop, ShopRefused>, StoreError> {
    let before = read(tx).await?;
    if command.version.is_some_and(|version| version != before.version) {
        return Ok(Err(ShopRefused::Stale(before.version)));
    }
    let changed = write_all(tx, command, &before).await?;
    if changed.is_empty() {
        return Ok(Ok(before));
    }
    let version = before.version.saturating_add(1);
    write(tx, VERSION, &version.to_string()).await?;
    let words = serde_json::json!({
        "type": "shop.updated",
        "version": version,
        "changed": changed,
        "actor": command.actor,
        "at": command.now,
    });
    let about = ("shop", "settings");
    outbox::append_about(tx, about, "shop.updated", &words.to_string(), command.now).await?;
    read(tx).await.map(Ok)
}

/// Writes what differs. Returns its names.
async fn write_all(
    tx: &Tx<'_>,
    command: &ChangeShop,
    before: &Shop,
) -> Result<Vec<&'static str>, StoreError> {
    let mut changed = Vec::new();
    let change = &command.change;
    if let Some(country) = change.country.filter(|country| *country != before.country) {
        write(tx, COUNTRY, country.as_str()).await?;
        changed.push("country");
    }
    if let Some(rule) = change.cart_merge_rule.filter(|rule| *rule != before.cart_merge_rule) {
        write(tx, MERGE_RULE, rule.as_str()).await?;
        changed.push("cart_merge_rule");
    }
    if let Some(rate) = change.tax_basis_points.filter(|rate| *rate != before.tax_basis_points) {
        write(tx, catalogue::TAX_RATE, &rate.to_string()).await?;
        changed.push("tax_basis_points");
    }
    for (currency, &ShippingRule { flat_minor, free_from_minor }) in &change.shipping {
        if before.shipping.get(currency) != Some(&FlatShipping { flat_minor, free_from_minor }) {
            let text = format!("{flat_minor},{free_from_minor}");
            write(tx, &catalogue::shipping_setting(*currency), &text).await?;
            if !changed.contains(&"shipping") {
                changed.push("shipping");
            }
        }
    }
    let rule = change.order_numbers.of(before.order_numbers.clone());
    if rule != before.order_numbers {
        numbers::set_rule(tx, &before.order_numbers, &rule).await?;
        changed.push("order_numbers");
    }
    let rule = change.invoice_numbers.of(before.invoice_numbers.clone());
    if rule != before.invoice_numbers {
        invoice::set_rule(tx, &rule).await?;
        changed.push("invoice_numbers");
    }
    Ok(changed)
}

/// Writes a setting that is the staff's alone.
pub(super) async fn write(tx: &Tx<'_>, name: &str, value: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO settings (name, value, is_public) VALUES (?1, ?2, 0)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        values![name, value],
    )
    .await?;
    Ok(())
}
