//! The tables that every edge holds a copy of: the contract between the origin's feed and the edge's readers.
//!
//! The origin sends this DDL inside its snapshots, so an edge needs no release to learn a new shape: a change of
//! [`SCHEMA_VERSION`] makes every edge build a new file from a snapshot. Prices are minor units; times are
//! milliseconds since the Unix epoch; `*_json` columns hold JSON text.

/// Version of the tables below. Raise it with every change to [`DDL`].
///
/// 2: `stock` says how what is not on the shelf can be bought. A component may meet a copy of the version before, of an
/// origin that is older than itself; what it asks of the new columns must be answered there too.
pub const SCHEMA_VERSION: u32 = 2;

/// A replicated table: its columns in the order of the feed's values, and the columns of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Name.
    pub name: &'static str,
    /// Columns, in the order that the feed uses.
    pub columns: &'static [&'static str],
    /// Key columns: a put replaces the row with the same key.
    pub key: &'static [&'static str],
}

/// Reads a `*_json` column into its type; `None` when the text is not that.
#[must_use]
pub fn json_column<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// Every replicated table.
pub const TABLES: &[Table] = &[
    Table { name: "settings", columns: &["name", "value"], key: &["name"] },
    Table {
        name: "categories",
        columns: &["handle", "title", "description", "image_url", "position", "product_count"],
        key: &["handle"],
    },
    Table {
        name: "products",
        columns: &[
            "id",
            "handle",
            "default_sku",
            "category",
            "title",
            "subtitle",
            "description",
            "search_words",
            "image_url",
            "image_alt",
            "has_ar",
            "featured",
            "created_at_ms",
            "tags_json",
            "images_json",
            "options_json",
            "model_json",
        ],
        key: &["id"],
    },
    Table {
        name: "product_prices",
        columns: &["currency", "product_id", "minor"],
        key: &["currency", "product_id"],
    },
    Table {
        name: "variants",
        columns: &[
            "sku",
            "product_id",
            "position",
            "title",
            "options_json",
            "image_url",
            "image_alt",
            "material_variant",
            "web_glb_url",
            "plain_glb_url",
            "usdz_url",
            "poster_url",
            "width_mm",
            "height_mm",
            "depth_mm",
        ],
        key: &["sku"],
    },
    Table {
        name: "variant_prices",
        columns: &["currency", "sku", "minor"],
        key: &["currency", "sku"],
    },
    Table {
        name: "stock",
        columns: &["sku", "product_id", "state", "promise", "ships_at_ms", "promised_until_ms"],
        key: &["sku"],
    },
    Table { name: "signing_keys", columns: &["kid", "jwk_json", "expires_at_ms"], key: &["kid"] },
    Table { name: "revocations", columns: &["session_id", "until_ms"], key: &["session_id"] },
];

/// The statements that make an empty copy, in order. Variants without a model have empty URLs. `products_fts` follows
/// `products` by triggers.
///
/// `stock.state` is `in_stock`, `low` or `out_of_stock`: what lies on the shelf, which is sold first. Where pieces may be
/// promised beyond it, `promise` is `preorder` or `backorder`. `ships_at_ms` is the day of the delivery that covers the next
/// one, where that is known. A pre-order ships at `promised_until_ms` or later, and from then on nothing is promised,
/// without a change that says so: readers compare it with their clock.
pub const DDL: &[&str] = &[
    "CREATE TABLE settings (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE categories (handle TEXT NOT NULL PRIMARY KEY, title TEXT NOT NULL, description TEXT NOT NULL, \
     image_url TEXT NOT NULL, position INTEGER NOT NULL, product_count INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE products (id INTEGER NOT NULL PRIMARY KEY, handle TEXT NOT NULL UNIQUE, default_sku TEXT NOT NULL, \
     category TEXT NOT NULL, title TEXT NOT NULL, subtitle TEXT NOT NULL, description TEXT NOT NULL, \
     search_words TEXT NOT NULL, image_url TEXT NOT NULL, image_alt TEXT NOT NULL, has_ar INTEGER NOT NULL, \
     featured INTEGER NOT NULL, created_at_ms INTEGER NOT NULL, tags_json TEXT NOT NULL, images_json TEXT NOT NULL, \
     options_json TEXT NOT NULL, model_json TEXT)",
    "CREATE INDEX products_newest ON products (created_at_ms DESC, id DESC)",
    "CREATE INDEX products_title ON products (title COLLATE NOCASE, id)",
    "CREATE INDEX products_category ON products (category, created_at_ms DESC, id DESC)",
    "CREATE TABLE product_prices (currency TEXT NOT NULL, product_id INTEGER NOT NULL, minor INTEGER NOT NULL, \
     PRIMARY KEY (currency, product_id)) WITHOUT ROWID",
    "CREATE INDEX product_prices_minor ON product_prices (currency, minor, product_id)",
    "CREATE TABLE variants (sku TEXT NOT NULL PRIMARY KEY, product_id INTEGER NOT NULL, position INTEGER NOT NULL, \
     title TEXT NOT NULL, options_json TEXT NOT NULL, image_url TEXT NOT NULL, image_alt TEXT NOT NULL, \
     material_variant TEXT NOT NULL, web_glb_url TEXT NOT NULL, plain_glb_url TEXT NOT NULL, usdz_url TEXT NOT NULL, \
     poster_url TEXT NOT NULL, width_mm INTEGER NOT NULL, height_mm INTEGER NOT NULL, depth_mm INTEGER NOT NULL) \
     WITHOUT ROWID",
    "CREATE INDEX variants_product ON variants (product_id, position)",
    "CREATE TABLE variant_prices (currency TEXT NOT NULL, sku TEXT NOT NULL, minor INTEGER NOT NULL, \
     PRIMARY KEY (currency, sku)) WITHOUT ROWID",
    "CREATE TABLE stock (sku TEXT NOT NULL PRIMARY KEY, product_id INTEGER NOT NULL, state TEXT NOT NULL, \
     promise TEXT, ships_at_ms INTEGER, promised_until_ms INTEGER) WITHOUT ROWID",
    "CREATE INDEX stock_product ON stock (product_id, state, promise, promised_until_ms)",
    "CREATE TABLE signing_keys (kid TEXT NOT NULL PRIMARY KEY, jwk_json TEXT NOT NULL, expires_at_ms INTEGER NOT NULL) \
     WITHOUT ROWID",
    "CREATE TABLE revocations (session_id TEXT NOT NULL PRIMARY KEY, until_ms INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE VIRTUAL TABLE products_fts USING fts5 (title, subtitle, category, search_words, description, \
     content='products', content_rowid='id', tokenize='unicode61 remove_diacritics 2', prefix='2 3')",
    "CREATE TRIGGER products_fts_insert AFTER INSERT ON products BEGIN \
     INSERT INTO products_fts (rowid, title, subtitle, category, search_words, description) \
     VALUES (new.id, new.title, new.subtitle, new.category, new.search_words, new.description); END",
    "CREATE TRIGGER products_fts_delete AFTER DELETE ON products BEGIN \
     INSERT INTO products_fts (products_fts, rowid, title, subtitle, category, search_words, description) \
     VALUES ('delete', old.id, old.title, old.subtitle, old.category, old.search_words, old.description); END",
    "CREATE TRIGGER products_fts_update AFTER UPDATE ON products BEGIN \
     INSERT INTO products_fts (products_fts, rowid, title, subtitle, category, search_words, description) \
     VALUES ('delete', old.id, old.title, old.subtitle, old.category, old.search_words, old.description); \
     INSERT INTO products_fts (rowid, title, subtitle, category, search_words, description) \
     VALUES (new.id, new.title, new.subtitle, new.category, new.search_words, new.description); END",
];
