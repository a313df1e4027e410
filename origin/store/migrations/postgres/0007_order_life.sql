-- The life of an order after its checkout: parcels, returns, refunds, captures by the staff.

ALTER TABLE orders.orders
  -- Steps of its state in order_states; 0 while the order is told by its payment alone.
  ADD COLUMN state_version BIGINT NOT NULL DEFAULT 0,
  DROP CONSTRAINT orders_status_check,
  ADD CONSTRAINT orders_status_check
    CHECK (status IN ('pending_payment', 'confirmed', 'cancelled', 'expired', 'completed'));
CREATE INDEX orders_email ON orders.orders (email, id);

ALTER TABLE inventory.stock_movements
  DROP CONSTRAINT stock_movements_kind_check,
  ADD CONSTRAINT stock_movements_kind_check CHECK (kind IN ('received', 'adjusted_up', 'adjusted_down', 'reserved',
    'released', 'sold', 'retaken', 'transferred_out', 'transferred_in', 'returned', 'restocked', 'written_off',
    'incoming_expected', 'incoming_arrived', 'incoming_cancelled', 'backordered', 'backorder_cancelled',
    'backorder_held'));

-- The whole state of an order, as domain::order::OrderState writes it; its version is the order's state_version. No
-- personal data.
CREATE TABLE orders.order_states (
  order_id BYTEA NOT NULL PRIMARY KEY REFERENCES orders.orders (id),
  state_json TEXT NOT NULL
) WITH (fillfactor = 80);

-- What happened to an order, for people. No personal data.
CREATE TABLE orders.order_timeline (
  order_id BYTEA NOT NULL REFERENCES orders.orders (id),
  sequence BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  entry_json TEXT NOT NULL,
  PRIMARY KEY (order_id, sequence)
);

CREATE TABLE orders.order_notes (
  order_id BYTEA NOT NULL REFERENCES orders.orders (id),
  id BYTEA NOT NULL,
  at_ms BIGINT NOT NULL,
  author_json TEXT NOT NULL,
  audience TEXT NOT NULL CHECK (audience IN ('staff', 'shopper')),
  body TEXT NOT NULL,
  PRIMARY KEY (order_id, id)
);

-- What the payment provider is asked to do with a payment. Written in the commit that decides it, asked for after it.
CREATE TABLE payments.payment_operations (
  id BYTEA NOT NULL PRIMARY KEY,
  order_id BYTEA NOT NULL REFERENCES orders.orders (id),
  payment_id BYTEA NOT NULL REFERENCES payments.payments (id),
  kind TEXT NOT NULL CHECK (kind IN ('capture', 'void', 'refund')),
  -- The provider knows the request by it: asked twice, it is done once.
  provider_key TEXT NOT NULL,
  currency TEXT NOT NULL,
  amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
  -- What had been captured before, so that an answer which was lost can be told from what others did.
  base_minor BIGINT NOT NULL CHECK (base_minor >= 0),
  status TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
  -- Class of the last failure.
  error TEXT,
  attempts BIGINT NOT NULL,
  next_check_at_ms BIGINT,
  created_at_ms BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX payment_operations_order ON payments.payment_operations (order_id, id);
CREATE INDEX payment_operations_payment ON payments.payment_operations (payment_id);
CREATE INDEX payment_operations_due ON payments.payment_operations (next_check_at_ms) WHERE next_check_at_ms IS NOT NULL;
