-- Everything the shop knows. Money is minor units, times are milliseconds since 1970, ids are 16 bytes.
-- Tables with small keys and rows are WITHOUT ROWID; UUIDv7 keys insert at the right edge.

CREATE TABLE settings (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL,
  is_public INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO settings (name, value, is_public) VALUES
  ('currencies', '["EUR"]', 1),
  ('default_currency', 'EUR', 1),
  ('hero_image_url', '', 1),
  ('tax_rate_basis_points', '1900', 0);

CREATE TABLE server_secrets (
  name TEXT NOT NULL PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Accounts.

CREATE TABLE users (
  id BLOB NOT NULL PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  password_hash TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
  id BLOB NOT NULL PRIMARY KEY,
  user_id BLOB NOT NULL REFERENCES users (id),
  created_at_ms INTEGER NOT NULL,
  revoked_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE refresh_tokens (
  hash BLOB NOT NULL PRIMARY KEY,
  session_id BLOB NOT NULL REFERENCES sessions (id),
  generation INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  used_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at_ms);

CREATE TABLE login_attempts (
  email TEXT NOT NULL PRIMARY KEY,
  failures INTEGER NOT NULL,
  since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX login_attempts_since ON login_attempts (since_ms);

CREATE TABLE revocations (
  session_id TEXT NOT NULL PRIMARY KEY,
  until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_keys (
  kid TEXT NOT NULL PRIMARY KEY,
  seed BLOB NOT NULL,
  jwk_json TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('next', 'active', 'retired')),
  active_since_ms INTEGER,
  expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX signing_keys_one_active ON signing_keys (state) WHERE state <> 'retired';

-- Catalogue and stock.

CREATE TABLE categories (
  handle TEXT NOT NULL PRIMARY KEY,
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  position INTEGER NOT NULL,
  image_url TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE products (
  id INTEGER PRIMARY KEY,
  handle TEXT NOT NULL UNIQUE,
  title TEXT NOT NULL,
  subtitle TEXT NOT NULL,
  description TEXT NOT NULL,
  category TEXT NOT NULL REFERENCES categories (handle),
  search_words TEXT NOT NULL,
  featured INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  tags_json TEXT NOT NULL,
  images_json TEXT NOT NULL,
  options_json TEXT NOT NULL,
  model_json TEXT
) STRICT;
CREATE INDEX products_category ON products (category);

CREATE TABLE variants (
  sku TEXT NOT NULL PRIMARY KEY,
  product_id INTEGER NOT NULL REFERENCES products (id),
  position INTEGER NOT NULL,
  title TEXT NOT NULL,
  options_json TEXT NOT NULL,
  image_url TEXT NOT NULL,
  image_alt TEXT NOT NULL,
  material_variant TEXT NOT NULL,
  web_glb_url TEXT NOT NULL,
  plain_glb_url TEXT NOT NULL,
  usdz_url TEXT NOT NULL,
  poster_url TEXT NOT NULL,
  width_mm INTEGER NOT NULL,
  height_mm INTEGER NOT NULL,
  depth_mm INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX variants_product ON variants (product_id, position);

CREATE TABLE prices (
  sku TEXT NOT NULL REFERENCES variants (sku),
  currency TEXT NOT NULL,
  minor INTEGER NOT NULL CHECK (minor >= 0),
  PRIMARY KEY (sku, currency)
) STRICT, WITHOUT ROWID;

CREATE TABLE stock (
  sku TEXT NOT NULL PRIMARY KEY REFERENCES variants (sku),
  on_hand INTEGER NOT NULL CHECK (on_hand >= 0),
  reserved INTEGER NOT NULL CHECK (reserved >= 0 AND reserved <= on_hand)
) STRICT, WITHOUT ROWID;

-- Every change of a counter: the sums of a SKU's movements are its counters.
CREATE TABLE stock_movements (
  id INTEGER PRIMARY KEY,
  sku TEXT NOT NULL REFERENCES stock (sku),
  kind TEXT NOT NULL CHECK (kind IN ('received', 'reserved', 'released', 'sold', 'retaken')),
  on_hand_delta INTEGER NOT NULL,
  reserved_delta INTEGER NOT NULL,
  order_id BLOB,
  at_ms INTEGER NOT NULL
) STRICT;

-- Carts.

CREATE TABLE carts (
  id BLOB NOT NULL PRIMARY KEY,
  user_id BLOB REFERENCES users (id),
  currency TEXT NOT NULL,
  version INTEGER NOT NULL,
  order_id BLOB,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE cart_lines (
  cart_id BLOB NOT NULL REFERENCES carts (id),
  id BLOB NOT NULL,
  sku TEXT NOT NULL REFERENCES variants (sku),
  quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 99),
  PRIMARY KEY (cart_id, id),
  UNIQUE (cart_id, sku)
) STRICT, WITHOUT ROWID;

-- Orders and money.

CREATE TABLE counters (
  name TEXT NOT NULL PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value) VALUES ('order_number', 100000);

CREATE TABLE orders (
  id BLOB NOT NULL PRIMARY KEY,
  number INTEGER NOT NULL UNIQUE,
  cart_id BLOB NOT NULL REFERENCES carts (id),
  cart_version INTEGER NOT NULL,
  user_id BLOB REFERENCES users (id),
  token_hash BLOB NOT NULL,
  email TEXT NOT NULL,
  address_json TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending_payment', 'confirmed', 'cancelled', 'expired')),
  currency TEXT NOT NULL,
  subtotal_minor INTEGER NOT NULL,
  shipping_minor INTEGER NOT NULL,
  tax_minor INTEGER NOT NULL,
  total_minor INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_user ON orders (user_id, created_at_ms DESC) WHERE user_id IS NOT NULL;
CREATE INDEX orders_pending ON orders (expires_at_ms) WHERE status = 'pending_payment';

CREATE TABLE order_lines (
  order_id BLOB NOT NULL REFERENCES orders (id),
  position INTEGER NOT NULL,
  id BLOB NOT NULL,
  sku TEXT NOT NULL,
  handle TEXT NOT NULL,
  title TEXT NOT NULL,
  variant_title TEXT NOT NULL,
  image_url TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  unit_minor INTEGER NOT NULL,
  total_minor INTEGER NOT NULL,
  PRIMARY KEY (order_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE reservations (
  order_id BLOB NOT NULL REFERENCES orders (id),
  sku TEXT NOT NULL REFERENCES stock (sku),
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  status TEXT NOT NULL CHECK (status IN ('held', 'consumed', 'released')),
  expires_at_ms INTEGER NOT NULL,
  PRIMARY KEY (order_id, sku)
) STRICT, WITHOUT ROWID;

CREATE TABLE payments (
  id BLOB NOT NULL PRIMARY KEY,
  order_id BLOB NOT NULL UNIQUE REFERENCES orders (id),
  provider TEXT NOT NULL,
  method TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('created', 'processing', 'requires_action', 'captured', 'declined',
    'cancelled', 'unknown', 'refunded')),
  currency TEXT NOT NULL,
  amount_minor INTEGER NOT NULL,
  provider_ref TEXT,
  checks INTEGER NOT NULL DEFAULT 0,
  next_check_at_ms INTEGER,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX payments_to_check ON payments (next_check_at_ms) WHERE next_check_at_ms IS NOT NULL;

-- Double entry: the entries of one key add up to zero in their currency.
CREATE TABLE ledger_entries (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  account TEXT NOT NULL,
  currency TEXT NOT NULL,
  minor INTEGER NOT NULL,
  payment_id BLOB NOT NULL REFERENCES payments (id),
  at_ms INTEGER NOT NULL,
  UNIQUE (key, account)
) STRICT;

-- Once and only once.

CREATE TABLE idempotency (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint BLOB NOT NULL,
  answer TEXT,
  order_id BLOB,
  lease_until_ms INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (created_at_ms);

CREATE TABLE webhook_events (
  id TEXT NOT NULL PRIMARY KEY,
  received_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_events_age ON webhook_events (received_at_ms);

CREATE TABLE outbox (
  id INTEGER PRIMARY KEY,
  aggregate TEXT NOT NULL,
  aggregate_id TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  kind TEXT NOT NULL,
  payload_json TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  delivered_at_ms INTEGER,
  UNIQUE (aggregate, aggregate_id, sequence)
) STRICT;
CREATE INDEX outbox_waiting ON outbox (id) WHERE delivered_at_ms IS NULL;
CREATE INDEX outbox_delivered ON outbox (delivered_at_ms) WHERE delivered_at_ms IS NOT NULL;

-- The feed to the edges.

CREATE TABLE feed_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch TEXT NOT NULL,
  position INTEGER NOT NULL,
  pruned_to INTEGER NOT NULL
) STRICT;

CREATE TABLE feed_changes (
  position INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  change_json TEXT NOT NULL,
  PRIMARY KEY (position, sequence)
) STRICT, WITHOUT ROWID;

-- The rows that the edges were told last, so that nothing is told twice.
CREATE TABLE feed_rows (
  table_name TEXT NOT NULL,
  key_json TEXT NOT NULL,
  values_json TEXT NOT NULL,
  PRIMARY KEY (table_name, key_json)
) STRICT, WITHOUT ROWID;

-- What the edges read, one view per table of the read model. Snapshots and changes both read these views.

CREATE VIEW read_settings AS SELECT name, value FROM settings WHERE is_public = 1;

CREATE VIEW read_categories AS
  SELECT c.handle, c.title, c.description, c.image_url, c.position,
    (SELECT count(*) FROM products p WHERE p.category = c.handle) AS product_count
  FROM categories c;

CREATE VIEW read_products AS
  SELECT p.id, p.handle, v.sku AS default_sku, p.category, p.title, p.subtitle, p.description, p.search_words,
    v.image_url, v.image_alt,
    EXISTS (SELECT 1 FROM variants a WHERE a.product_id = p.id AND a.usdz_url <> '') AS has_ar,
    p.featured, p.created_at_ms, p.tags_json, p.images_json, p.options_json, p.model_json
  FROM products p
  JOIN variants v ON v.product_id = p.id
    AND v.position = (SELECT min(f.position) FROM variants f WHERE f.product_id = p.id);

CREATE VIEW read_product_prices AS
  SELECT r.currency, v.product_id, min(r.minor) AS minor
  FROM prices r JOIN variants v ON v.sku = r.sku
  GROUP BY r.currency, v.product_id;

CREATE VIEW read_variants AS
  SELECT sku, product_id, position, title, options_json, image_url, image_alt, material_variant,
    web_glb_url, plain_glb_url, usdz_url, poster_url, width_mm, height_mm, depth_mm
  FROM variants;

CREATE VIEW read_variant_prices AS SELECT currency, sku, minor FROM prices;

-- The thresholds are those of domain::reservation::Stock::level; a test compares them.
CREATE VIEW read_stock AS
  SELECT s.sku, v.product_id,
    CASE WHEN s.on_hand - s.reserved <= 0 THEN 'out_of_stock'
         WHEN s.on_hand - s.reserved <= 5 THEN 'low'
         ELSE 'in_stock' END AS state
  FROM stock s JOIN variants v ON v.sku = s.sku;

CREATE VIEW read_signing_keys AS SELECT kid, jwk_json, expires_at_ms FROM signing_keys;

CREATE VIEW read_revocations AS SELECT session_id, until_ms FROM revocations;
