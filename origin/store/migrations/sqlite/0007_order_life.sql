-- The life of an order after its checkout: parcels, returns, refunds, captures by the staff.
-- Two old checks know too few words and cannot be widened in place, so the rows of their tables move; whoever refers to
-- orders finds them again at the commit.

PRAGMA defer_foreign_keys = ON;

CREATE TABLE orders_before AS SELECT * FROM orders;
DROP TABLE orders;

CREATE TABLE orders (
  id BLOB NOT NULL PRIMARY KEY,
  number INTEGER NOT NULL UNIQUE,
  cart_id BLOB NOT NULL REFERENCES carts (id),
  cart_version INTEGER NOT NULL,
  user_id BLOB REFERENCES users (id),
  token_hash BLOB NOT NULL,
  email TEXT NOT NULL,
  address_json TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending_payment', 'confirmed', 'cancelled', 'expired', 'completed')),
  currency TEXT NOT NULL,
  subtotal_minor INTEGER NOT NULL,
  shipping_minor INTEGER NOT NULL,
  tax_minor INTEGER NOT NULL,
  total_minor INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  -- Steps of its state in order_states; 0 while the order is told by its payment alone.
  state_version INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO orders (id, number, cart_id, cart_version, user_id, token_hash, email, address_json, status, currency,
  subtotal_minor, shipping_minor, tax_minor, total_minor, created_at_ms, updated_at_ms, expires_at_ms)
SELECT id, number, cart_id, cart_version, user_id, token_hash, email, address_json, status, currency,
  subtotal_minor, shipping_minor, tax_minor, total_minor, created_at_ms, updated_at_ms, expires_at_ms
FROM orders_before;
DROP TABLE orders_before;

CREATE INDEX orders_user ON orders (user_id, created_at_ms DESC) WHERE user_id IS NOT NULL;
CREATE INDEX orders_pending ON orders (expires_at_ms) WHERE status = 'pending_payment';
CREATE INDEX orders_cart ON orders (cart_id);
CREATE INDEX orders_email ON orders (email, id);

CREATE TABLE stock_movements_before AS SELECT * FROM stock_movements;
DROP TABLE stock_movements;

CREATE TABLE stock_movements (
  id INTEGER PRIMARY KEY,
  sku TEXT NOT NULL REFERENCES stock (sku),
  kind TEXT NOT NULL CHECK (kind IN ('received', 'adjusted_up', 'adjusted_down', 'reserved', 'released', 'sold', 'retaken',
    'transferred_out', 'transferred_in', 'returned', 'restocked', 'written_off', 'incoming_expected', 'incoming_arrived',
    'incoming_cancelled', 'backordered', 'backorder_cancelled', 'backorder_held')),
  on_hand_delta INTEGER NOT NULL,
  reserved_delta INTEGER NOT NULL,
  order_id BLOB,
  at_ms INTEGER NOT NULL
) STRICT;

INSERT INTO stock_movements (id, sku, kind, on_hand_delta, reserved_delta, order_id, at_ms)
SELECT id, sku, kind, on_hand_delta, reserved_delta, order_id, at_ms FROM stock_movements_before;
DROP TABLE stock_movements_before;

-- The whole state of an order, as domain::order::OrderState writes it; its version is the order's state_version. No
-- personal data.
CREATE TABLE order_states (
  order_id BLOB NOT NULL PRIMARY KEY REFERENCES orders (id),
  state_json TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What happened to an order, for people. No personal data.
CREATE TABLE order_timeline (
  order_id BLOB NOT NULL REFERENCES orders (id),
  sequence INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  entry_json TEXT NOT NULL,
  PRIMARY KEY (order_id, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_notes (
  order_id BLOB NOT NULL REFERENCES orders (id),
  id BLOB NOT NULL,
  at_ms INTEGER NOT NULL,
  author_json TEXT NOT NULL,
  audience TEXT NOT NULL CHECK (audience IN ('staff', 'shopper')),
  body TEXT NOT NULL,
  PRIMARY KEY (order_id, id)
) STRICT, WITHOUT ROWID;

-- What the payment provider is asked to do with a payment. Written in the commit that decides it, asked for after it.
CREATE TABLE payment_operations (
  id BLOB NOT NULL PRIMARY KEY,
  order_id BLOB NOT NULL REFERENCES orders (id),
  payment_id BLOB NOT NULL REFERENCES payments (id),
  kind TEXT NOT NULL CHECK (kind IN ('capture', 'void', 'refund')),
  -- The provider knows the request by it: asked twice, it is done once.
  provider_key TEXT NOT NULL,
  currency TEXT NOT NULL,
  amount_minor INTEGER NOT NULL CHECK (amount_minor >= 0),
  -- What had been captured before, so that an answer which was lost can be told from what others did.
  base_minor INTEGER NOT NULL CHECK (base_minor >= 0),
  status TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
  -- Class of the last failure.
  error TEXT,
  attempts INTEGER NOT NULL,
  next_check_at_ms INTEGER,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX payment_operations_order ON payment_operations (order_id, id);
CREATE INDEX payment_operations_payment ON payment_operations (payment_id);
CREATE INDEX payment_operations_due ON payment_operations (next_check_at_ms) WHERE next_check_at_ms IS NOT NULL;
