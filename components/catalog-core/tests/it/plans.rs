//! Every statement prepares on the real tables, and its plan is the one it was written for.

use catalog_core::sql;

use crate::shop::Shop;

fn plan(shop: &Shop, statement: &str) -> String {
    let mut explained = shop.database.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
    // Parameters stay unbound: without statistics a plan does not depend on them.
    let mut rows = explained.raw_query();
    let mut lines = String::new();
    while let Some(row) = rows.next().unwrap() {
        let line: String = row.get(3).unwrap();
        // The one row without a table that stands around what a copy may not have.
        if line != "SCAN CONSTANT ROW" && !line.starts_with("SCAN (subquery") {
            lines.push_str(&line);
            lines.push('\n');
        }
    }
    lines
}

#[test]
fn browsing_walks_an_index_in_order_and_never_sorts() {
    let shop = Shop::empty();
    for (name, statement, index) in [
        ("newest", sql::NEWEST.all, "products_newest"),
        ("newest of a category", sql::NEWEST.category, "products_category"),
        ("cheapest", sql::PRICE_ASC.all, "product_prices_minor"),
        ("cheapest of a category", sql::PRICE_ASC.category, "product_prices_minor"),
        ("dearest", sql::PRICE_DESC.all, "product_prices_minor"),
        ("dearest of a category", sql::PRICE_DESC.category, "product_prices_minor"),
        ("title", sql::TITLE.all, "products_title"),
    ] {
        let plan = plan(&shop, statement);
        assert!(plan.contains(index), "{name}:\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{name}:\n{plan}");
        assert!(!plan.contains("SCAN"), "{name}:\n{plan}");
    }
}

#[test]
fn searching_starts_at_the_index_of_words() {
    let shop = Shop::empty();
    let lists = [sql::NEWEST, sql::PRICE_ASC, sql::PRICE_DESC, sql::TITLE];
    let found = lists.iter().flat_map(|lists| [lists.found, lists.found_category]);
    for statement in found.chain([sql::RELEVANCE, sql::RELEVANCE_CATEGORY]) {
        let plan = plan(&shop, statement);
        assert!(plan.contains("products_fts VIRTUAL TABLE INDEX"), "{plan}");
        assert!(plan.contains("SEARCH p USING INTEGER PRIMARY KEY"), "{plan}");
        assert!(plan.contains("SEARCH pp USING PRIMARY KEY"), "{plan}");
    }
}

#[test]
fn single_reads_go_by_key() {
    let shop = Shop::empty();
    for (statement, indices) in [
        (
            sql::PRODUCT,
            ["SEARCH p USING INDEX sqlite_autoindex_products", "SEARCH pp USING PRIMARY KEY"],
        ),
        (sql::VARIANTS, ["variants_product", "SEARCH vp USING PRIMARY KEY"]),
        (sql::CURRENCY_IS_TRADED, ["SEARCH product_prices", "currency=?"]),
    ] {
        let plan = plan(&shop, statement);
        for index in indices {
            assert!(plan.contains(index), "{index} in\n{plan}");
        }
        assert!(!plan.contains("SCAN p") && !plan.contains("SCAN v"), "{plan}");
    }
}
