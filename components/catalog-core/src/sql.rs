//! Every statement that the catalogue runs. One per request for lists, two for a product.
//!
//! Parameters are always bound. `tests/it` prepares each on the real tables and checks that its plan uses an index.
//! Columns that are expressions have short names: names travel to the component with every answer.
//! Lists page by key, not by offset: the last row's sort key and id are bound, so page 100 costs what page 1 does.
//!
//! A copy of an origin from before promises has no columns for them. So what reads them stands in a subquery whose outer
//! row has columns of these names, all empty: a name that a table does not have is looked for outside (SQLite's scopes).

/// The currency to price in: the one asked for (`?1`), else the shop's own.
macro_rules! currency {
    () => {
        "COALESCE(?1, (SELECT value FROM settings WHERE name = 'default_currency'))"
    };
}

/// How the best variant of a product can be bought: as [`crate::row`] numbers it, absent where none has stock. `?7` is
/// now.
macro_rules! best {
    () => {
        "(SELECT (SELECT MAX(CASE s.state WHEN 'in_stock' THEN 4 WHEN 'low' THEN 3 ELSE CASE \
         WHEN promised_until_ms <= ?7 THEN 0 WHEN promise = 'preorder' THEN 2 WHEN promise = 'backorder' THEN 1 \
         ELSE 0 END END) FROM stock s WHERE s.product_id = p.id) \
         FROM (SELECT NULL AS promise, NULL AS promised_until_ms))"
    };
}

/// Columns of a list's rows; the sort key comes last, for the cursor.
macro_rules! columns {
    ($key:literal) => {
        concat!(
            "SELECT p.default_sku, p.handle, p.title, p.subtitle, p.category, p.image_url, p.image_alt, p.has_ar, ",
            best!(),
            " AS best, pp.minor, pp.currency, p.id, ",
            $key
        )
    };
}

/// Keeps what can be bought, where that is asked for (`?8` is 1).
macro_rules! buyable {
    () => {
        concat!(" AND (?8 = 0 OR ", best!(), " > 0)")
    };
}

/// A list without words: `?2` and `?3` are the key and id to go on after, `?4` the most rows, `?5` the category, `?7` now,
/// `?8` whether only what can be bought is asked for.
/// `CROSS JOIN` fixes the order of the loops (SQLite's documented use of it), so that the outer index gives the order.
macro_rules! browse {
    ($key:literal, $from:literal, $on:literal, $after:literal, $order:literal, $category:literal) => {
        concat!(
            columns!($key),
            " FROM ",
            $from,
            " ON ",
            $on,
            " WHERE pp.currency = ",
            currency!(),
            " AND ",
            $after,
            $category,
            buyable!(),
            " ORDER BY ",
            $order,
            " LIMIT ?4"
        )
    };
}

macro_rules! newest {
    ($category:literal) => {
        browse!(
            "p.created_at_ms",
            "products p CROSS JOIN product_prices pp",
            "pp.product_id = p.id",
            "(p.created_at_ms, p.id) < (?2, ?3)",
            "p.created_at_ms DESC, p.id DESC",
            $category
        )
    };
}
macro_rules! price {
    ($after:literal, $order:literal, $category:literal) => {
        browse!(
            "pp.minor",
            "product_prices pp CROSS JOIN products p",
            "p.id = pp.product_id",
            $after,
            $order,
            $category
        )
    };
}
// Written out, as SQLite does not seek by a row value with a collation.
macro_rules! title {
    ($category:literal) => {
        browse!(
            "p.title",
            "products p CROSS JOIN product_prices pp",
            "pp.product_id = p.id",
            "p.title COLLATE NOCASE >= ?2 AND (p.title COLLATE NOCASE > ?2 OR p.id > ?3)",
            "p.title COLLATE NOCASE, p.id",
            $category
        )
    };
}

/// A list by words: as [`browse!`], with the match expression in `?6`. Weights: title 10, subtitle 5, category 4,
/// words 3, description 1. `bm25` is smaller for better matches.
macro_rules! found {
    ($key:literal, $after:literal, $order:literal, $category:literal) => {
        concat!(
            columns!($key),
            " FROM (SELECT rowid AS id, bm25(products_fts, 10.0, 5.0, 4.0, 3.0, 1.0) AS score FROM products_fts \
             WHERE products_fts MATCH ?6) f \
             CROSS JOIN products p ON p.id = f.id \
             CROSS JOIN product_prices pp ON pp.product_id = p.id \
             WHERE pp.currency = ",
            currency!(), " AND ", $after, $category, buyable!(), " ORDER BY ", $order, " LIMIT ?4"
        )
    };
}

/// The statements of one order: everything or one category, browsed or found.
#[derive(Debug, Clone, Copy)]
pub struct Lists {
    /// All products.
    pub all: &'static str,
    /// One category.
    pub category: &'static str,
    /// All that match.
    pub found: &'static str,
    /// All of one category that match.
    pub found_category: &'static str,
}

macro_rules! lists {
    ($browse:ident ( $($part:literal),* ), $key:literal, $after:literal, $order:literal) => {
        Lists {
            all: $browse!($($part,)* ""),
            category: $browse!($($part,)* " AND p.category = ?5"),
            found: found!($key, $after, $order, ""),
            found_category: found!($key, $after, $order, " AND p.category = ?5"),
        }
    };
}

/// Newest first.
pub const NEWEST: Lists = lists!(
    newest(),
    "p.created_at_ms",
    "(p.created_at_ms, p.id) < (?2, ?3)",
    "p.created_at_ms DESC, p.id DESC"
);
/// Cheapest first.
pub const PRICE_ASC: Lists = lists!(
    price("(pp.minor, pp.product_id) > (?2, ?3)", "pp.minor, pp.product_id"),
    "pp.minor",
    "(pp.minor, pp.product_id) > (?2, ?3)",
    "pp.minor, pp.product_id"
);
/// Dearest first.
pub const PRICE_DESC: Lists = lists!(
    price("(pp.minor, pp.product_id) < (?2, ?3)", "pp.minor DESC, pp.product_id DESC"),
    "pp.minor",
    "(pp.minor, pp.product_id) < (?2, ?3)",
    "pp.minor DESC, pp.product_id DESC"
);
/// By title, without regard to the case of ASCII letters.
pub const TITLE: Lists = lists!(
    title(),
    "p.title",
    "p.title COLLATE NOCASE >= ?2 AND (p.title COLLATE NOCASE > ?2 OR p.id > ?3)",
    "p.title COLLATE NOCASE, p.id"
);
/// Best match first; all products.
pub const RELEVANCE: &str = found!("f.score", "(f.score, p.id) > (?2, ?3)", "f.score, p.id", "");
/// Best match first; one category.
pub const RELEVANCE_CATEGORY: &str =
    found!("f.score", "(f.score, p.id) > (?2, ?3)", "f.score, p.id", " AND p.category = ?5");

/// One product by handle (`?2`). The price is absent where it is not sold in the currency (`?1`).
pub const PRODUCT: &str = concat!(
    "SELECT p.id, p.default_sku, p.handle, p.title, p.subtitle, p.description, p.category, p.tags_json, \
     p.images_json, p.options_json, p.model_json, pp.minor, pp.currency \
     FROM products p LEFT JOIN product_prices pp ON pp.product_id = p.id AND pp.currency = ",
    currency!(),
    " WHERE p.handle = ?2"
);

/// The variants of a product (`?2`) that are priced in the currency (`?1`), in their order.
pub const VARIANTS: &str = "SELECT v.sku, v.title, v.options_json, v.image_url, v.image_alt, \
     v.plain_glb_url <> '' AND v.usdz_url <> '' AS has_ar, vp.minor, \
     COALESCE((SELECT s.state FROM stock s WHERE s.sku = v.sku), 'out_of_stock') AS state, \
     (SELECT (SELECT promise FROM stock s WHERE s.sku = v.sku) FROM (SELECT NULL AS promise)) AS promise, \
     (SELECT (SELECT ships_at_ms FROM stock s WHERE s.sku = v.sku) FROM (SELECT NULL AS ships_at_ms)) AS ships, \
     (SELECT (SELECT promised_until_ms FROM stock s WHERE s.sku = v.sku) \
     FROM (SELECT NULL AS promised_until_ms)) AS until \
     FROM variants v CROSS JOIN variant_prices vp ON vp.sku = v.sku \
     WHERE v.product_id = ?2 AND vp.currency = ?1 ORDER BY v.position, v.sku LIMIT 200";

/// All categories, in the shop's order. At most 500.
pub const CATEGORIES: &str = "SELECT handle, title, description, image_url, product_count FROM categories \
     ORDER BY position, handle LIMIT 500";

/// Whether anything is sold in a currency (`?1`); asked only where a list came out empty.
pub const CURRENCY_IS_TRADED: &str =
    "SELECT EXISTS (SELECT 1 FROM product_prices WHERE currency = ?1)";
