-- Stock lies at several locations, may be promised before it is there, and is moved by the staff.
-- The counters in `stock` are those of the main location, which every shop has; all others are in `stock_at`.

CREATE TABLE inventory.locations (
  id BYTEA NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  priority BIGINT NOT NULL,
  country TEXT NOT NULL,
  -- Countries it ships to, as a JSON list; empty: all.
  serves_json TEXT NOT NULL,
  is_active BIGINT NOT NULL,
  version BIGINT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL
);

-- The country `ZZ` is none: nobody has said yet where it stands.
INSERT INTO inventory.locations
  (id, name, priority, country, serves_json, is_active, version, created_at_ms, updated_at_ms)
VALUES ('\x00000000000080008000000000000001'::bytea, 'Main', 0, 'ZZ', '[]', 1, 1, 0, 0);

ALTER TABLE inventory.stock
  ADD COLUMN incoming BIGINT NOT NULL DEFAULT 0 CHECK (incoming >= 0),
  ADD COLUMN backordered BIGINT NOT NULL DEFAULT 0 CHECK (backordered >= 0),
  ADD COLUMN safety BIGINT NOT NULL DEFAULT 0 CHECK (safety >= 0),
  -- Rules of the SKU, wherever it lies.
  ADD COLUMN per_order_max BIGINT CHECK (per_order_max > 0),
  ADD COLUMN backorder TEXT NOT NULL DEFAULT 'deny' CHECK (backorder IN ('deny', 'allow', 'pre_order')),
  ADD COLUMN backorder_max BIGINT NOT NULL DEFAULT 0 CHECK (backorder_max >= 0),
  ADD COLUMN backorder_until_ms BIGINT;

CREATE TABLE inventory.stock_at (
  sku TEXT NOT NULL REFERENCES stock (sku),
  location_id BYTEA NOT NULL REFERENCES locations (id),
  on_hand BIGINT NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
  reserved BIGINT NOT NULL DEFAULT 0 CHECK (reserved >= 0 AND reserved <= on_hand),
  incoming BIGINT NOT NULL DEFAULT 0 CHECK (incoming >= 0),
  backordered BIGINT NOT NULL DEFAULT 0 CHECK (backordered >= 0),
  safety BIGINT NOT NULL DEFAULT 0 CHECK (safety >= 0),
  PRIMARY KEY (sku, location_id)
) WITH (fillfactor = 50);
CREATE INDEX stock_at_location ON stock_at (location_id, sku);

-- Deliveries that were ordered from suppliers.
CREATE TABLE inventory.supplies (
  id BYTEA NOT NULL PRIMARY KEY,
  sku TEXT NOT NULL REFERENCES stock (sku),
  location_id BYTEA NOT NULL REFERENCES locations (id),
  pieces BIGINT NOT NULL CHECK (pieces > 0),
  arrived BIGINT NOT NULL DEFAULT 0 CHECK (arrived >= 0),
  cancelled BIGINT NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
  expected_at_ms BIGINT,
  created_at_ms BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL,
  CHECK (arrived + cancelled <= pieces)
);
CREATE INDEX supplies_open ON supplies (sku) WHERE arrived + cancelled < pieces;

CREATE TABLE inventory.transfers (
  id BYTEA NOT NULL PRIMARY KEY,
  from_id BYTEA NOT NULL REFERENCES locations (id),
  to_id BYTEA NOT NULL REFERENCES locations (id),
  status TEXT NOT NULL CHECK (status IN ('draft', 'in_transit', 'received', 'cancelled')),
  lines_json TEXT NOT NULL,
  version BIGINT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL
);
CREATE INDEX transfers_status ON transfers (status, id);

-- What an order holds elsewhere than at the main location, and what it was promised. What is in no part is held or sold
-- at the main location: an order without parts is a plain one.
CREATE TABLE inventory.reservation_parts (
  order_id BYTEA NOT NULL REFERENCES orders (id),
  sku TEXT NOT NULL REFERENCES stock (sku),
  location_id BYTEA NOT NULL REFERENCES locations (id),
  held BIGINT NOT NULL CHECK (held >= 0),
  backordered BIGINT NOT NULL CHECK (backordered >= 0),
  expected_at_ms BIGINT,
  status TEXT NOT NULL CHECK (status IN ('held', 'consumed', 'released')),
  PRIMARY KEY (order_id, sku, location_id)
);

-- Who waits for pieces, oldest first: names of orders begin with their moment.
CREATE INDEX reservation_parts_owed ON reservation_parts (sku, location_id, order_id)
  WHERE backordered > 0 AND status <> 'released';

ALTER TABLE inventory.stock_movements
  ADD COLUMN location_id BYTEA NOT NULL DEFAULT '\x00000000000080008000000000000001'::bytea,
  ADD COLUMN incoming_delta BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN backordered_delta BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN reason TEXT,
  ADD COLUMN transfer_id BYTEA,
  -- Who of the staff, for what the staff did.
  ADD COLUMN actor TEXT;
CREATE INDEX stock_movements_sku ON stock_movements (sku, id);

-- Lanes pass it, one beside the other; a command that met them again and again closes it for a moment. It has no rows.
CREATE TABLE orders.lane_gate (is_closed BIGINT);

-- The level of all active locations together, safety stock left out.
CREATE OR REPLACE VIEW feed.read_stock AS
  SELECT l.sku, l.product_id,
    CASE WHEN l.available <= 0 THEN 'out_of_stock'
         WHEN l.available <= 5 THEN 'low'
         ELSE 'in_stock' END AS state
  FROM (SELECT s.sku, v.product_id,
      coalesce((SELECT greatest(0, s.on_hand - s.reserved - s.safety) FROM locations m
        WHERE m.id = '\x00000000000080008000000000000001'::bytea AND m.is_active = 1), 0)
      + coalesce((SELECT sum(greatest(0, a.on_hand - a.reserved - a.safety)) FROM stock_at a
        JOIN locations p ON p.id = a.location_id WHERE a.sku = s.sku AND p.is_active = 1), 0) AS available
    FROM stock s JOIN variants v ON v.sku = s.sku) l;
