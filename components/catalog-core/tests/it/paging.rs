//! Walking a list page by page gives each product once, in the order asked for.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use crate::shop::{Product, Shop};

const TITLES: [&str; 6] = ["oak chair", "Oak Table", "elm lamp", "Élan sofa", "oak chair", "Zinc"];
const CATEGORIES: [&str; 2] = ["chairs", "lamps"];

fn shop(products: &[(u8, u8, u8, u8)]) -> Shop {
    let shop = Shop::empty();
    for (at, (title, category, minor, created)) in products.iter().enumerate() {
        let id = i64::try_from(at).unwrap() + 1;
        shop.add(&Product {
            id,
            handle: &format!("product-{id}"),
            title: TITLES[usize::from(*title) % TITLES.len()],
            category: CATEGORIES[usize::from(*category) % CATEGORIES.len()],
            minor: i64::from(*minor % 5),
            created_at_ms: i64::from(*created % 4),
            words: "wood",
            stock: "in_stock",
        });
    }
    shop
}

fn walk(shop: &Shop, query: &str, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    for _ in 0..200 {
        let page = shop.json(&format!("/v1/products?{query}&limit={limit}{cursor}"));
        let found = page["items"].as_array().unwrap().clone();
        assert!(found.len() <= limit);
        items.extend(found);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
    panic!("pages never end for {query}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_order_gives_every_product_once(
        products in proptest::collection::vec(any::<(u8, u8, u8, u8)>(), 0..40),
        limit in 1_usize..9,
    ) {
        let shop = shop(&products);
        for (filter, expected) in [
            ("", products.len()),
            ("&q=woo", products.len()),
            ("&category=lamps", products.iter().filter(|p| p.1 % 2 == 1).count()),
            ("&q=wood&category=lamps", products.iter().filter(|p| p.1 % 2 == 1).count()),
        ] {
            for sort in ["newest", "price_asc", "price_desc", "title", "relevance"] {
                if sort == "relevance" && !filter.contains("q=") {
                    continue;
                }
                let query = format!("sort={sort}{filter}");
                let items = walk(&shop, &query, limit);
                let handles: BTreeSet<_> = items.iter().map(|i| i["handle"].as_str().unwrap()).collect();
                prop_assert_eq!(items.len(), expected, "{}", query);
                prop_assert_eq!(handles.len(), expected, "{}", query);
                prop_assert!(items.is_sorted_by(|a, b| in_order(sort, a, b)), "{}", query);
            }
        }
    }
}

fn in_order(sort: &str, a: &Value, b: &Value) -> bool {
    let minor = |item: &Value| item["price"]["minor"].as_i64().unwrap();
    let title = |item: &Value| item["title"].as_str().unwrap().to_ascii_lowercase();
    match sort {
        "price_asc" => minor(a) <= minor(b),
        "price_desc" => minor(a) >= minor(b),
        "title" => title(a) <= title(b),
        _ => true,
    }
}

#[test]
fn newest_comes_first_and_ids_break_ties() {
    let shop = shop(&[(0, 0, 0, 1), (1, 0, 1, 3), (2, 0, 2, 1), (3, 0, 3, 2)]);
    let handles: Vec<_> =
        walk(&shop, "", 1).iter().map(|item| item["handle"].as_str().unwrap().to_owned()).collect();
    assert_eq!(handles, ["product-2", "product-4", "product-3", "product-1"]);
}
