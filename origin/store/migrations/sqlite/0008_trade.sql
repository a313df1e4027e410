-- How an order is paid beyond the test methods. `method` stays a word that every program knows; `method_kind` says what it
-- really is. A token is sealed, and gone as soon as the provider has answered.

ALTER TABLE payments ADD COLUMN method_kind TEXT CHECK (method_kind IN ('token', 'hosted'));
ALTER TABLE payments ADD COLUMN token_sealed BLOB;
CREATE INDEX payments_held ON payments (updated_at_ms) WHERE status IN ('authorized', 'partially_captured');

-- The staff's catalogue: a version for each product, and products that are no longer sold.

ALTER TABLE products ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE products ADD COLUMN archived_at_ms INTEGER;

-- What is archived is not told to edges, and cannot be bought; orders and histories keep its name.

DROP VIEW read_categories;
CREATE VIEW read_categories AS
  SELECT c.handle, c.title, c.description, c.image_url, c.position,
    (SELECT count(*) FROM products p WHERE p.category = c.handle AND p.archived_at_ms IS NULL) AS product_count
  FROM categories c;

DROP VIEW read_products;
CREATE VIEW read_products AS
  SELECT p.id, p.handle, v.sku AS default_sku, p.category, p.title, p.subtitle, p.description, p.search_words,
    v.image_url, v.image_alt,
    EXISTS (SELECT 1 FROM variants a WHERE a.product_id = p.id AND a.usdz_url <> '') AS has_ar,
    p.featured, p.created_at_ms, p.tags_json, p.images_json, p.options_json, p.model_json
  FROM products p
  JOIN variants v ON v.product_id = p.id
    AND v.position = (SELECT min(f.position) FROM variants f WHERE f.product_id = p.id)
  WHERE p.archived_at_ms IS NULL;

DROP VIEW read_product_prices;
CREATE VIEW read_product_prices AS
  SELECT r.currency, v.product_id, min(r.minor) AS minor
  FROM prices r JOIN variants v ON v.sku = r.sku JOIN products p ON p.id = v.product_id
  WHERE p.archived_at_ms IS NULL
  GROUP BY r.currency, v.product_id;

DROP VIEW read_variants;
CREATE VIEW read_variants AS
  SELECT v.sku, v.product_id, v.position, v.title, v.options_json, v.image_url, v.image_alt, v.material_variant,
    v.web_glb_url, v.plain_glb_url, v.usdz_url, v.poster_url, v.width_mm, v.height_mm, v.depth_mm
  FROM variants v JOIN products p ON p.id = v.product_id WHERE p.archived_at_ms IS NULL;

DROP VIEW read_variant_prices;
CREATE VIEW read_variant_prices AS
  SELECT r.currency, r.sku, r.minor
  FROM prices r JOIN variants v ON v.sku = r.sku JOIN products p ON p.id = v.product_id
  WHERE p.archived_at_ms IS NULL;

-- Files that the staff brings in: their pieces as they were sent, how far they are, and which rows were wrong.

CREATE TABLE imports (
  id BLOB NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('products', 'prices', 'stock')),
  format TEXT NOT NULL CHECK (format IN ('csv', 'ndjson')),
  is_dry_run INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('uploading', 'running', 'done', 'failed', 'cancelled')),
  -- Names of the columns of a CSV file, as JSON, once they are read.
  columns_json TEXT,
  bytes_total INTEGER NOT NULL,
  bytes_done INTEGER NOT NULL,
  rows_done INTEGER NOT NULL,
  rows_failed INTEGER NOT NULL,
  -- Why it failed as a whole.
  failure TEXT,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX imports_running ON imports (id) WHERE status = 'running';
CREATE INDEX imports_age ON imports (created_at_ms);

CREATE TABLE import_parts (
  import_id BLOB NOT NULL REFERENCES imports (id),
  number INTEGER NOT NULL,
  starts_at INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (import_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE import_errors (
  import_id BLOB NOT NULL REFERENCES imports (id),
  row_number INTEGER NOT NULL,
  place INTEGER NOT NULL,
  field TEXT NOT NULL,
  code TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (import_id, row_number, place)
) STRICT, WITHOUT ROWID;
