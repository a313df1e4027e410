-- Stock lies at several locations, may be promised before it is there, and is moved by the staff.
-- The counters in `stock` are those of the main location, which every shop has; all others are in `stock_at`.

CREATE TABLE locations (
  id BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  priority INTEGER NOT NULL,
  country TEXT NOT NULL,
  -- Countries it ships to, as a JSON list; empty: all.
  serves_json TEXT NOT NULL,
  is_active INTEGER NOT NULL,
  version INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The country `ZZ` is none: nobody has said yet where it stands.
INSERT INTO locations (id, name, priority, country, serves_json, is_active, version, created_at_ms, updated_at_ms)
VALUES (x'00000000000080008000000000000001', 'Main', 0, 'ZZ', '[]', 1, 1, 0, 0);

ALTER TABLE stock ADD COLUMN incoming INTEGER NOT NULL DEFAULT 0 CHECK (incoming >= 0);
ALTER TABLE stock ADD COLUMN backordered INTEGER NOT NULL DEFAULT 0 CHECK (backordered >= 0);
ALTER TABLE stock ADD COLUMN safety INTEGER NOT NULL DEFAULT 0 CHECK (safety >= 0);
-- Rules of the SKU, wherever it lies.
ALTER TABLE stock ADD COLUMN per_order_max INTEGER CHECK (per_order_max > 0);
ALTER TABLE stock ADD COLUMN backorder TEXT NOT NULL DEFAULT 'deny' CHECK (backorder IN ('deny', 'allow', 'pre_order'));
ALTER TABLE stock ADD COLUMN backorder_max INTEGER NOT NULL DEFAULT 0 CHECK (backorder_max >= 0);
ALTER TABLE stock ADD COLUMN backorder_until_ms INTEGER;

CREATE TABLE stock_at (
  sku TEXT NOT NULL REFERENCES stock (sku),
  location_id BLOB NOT NULL REFERENCES locations (id),
  on_hand INTEGER NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
  reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0 AND reserved <= on_hand),
  incoming INTEGER NOT NULL DEFAULT 0 CHECK (incoming >= 0),
  backordered INTEGER NOT NULL DEFAULT 0 CHECK (backordered >= 0),
  safety INTEGER NOT NULL DEFAULT 0 CHECK (safety >= 0),
  PRIMARY KEY (sku, location_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX stock_at_location ON stock_at (location_id, sku);

-- Deliveries that were ordered from suppliers.
CREATE TABLE supplies (
  id BLOB NOT NULL PRIMARY KEY,
  sku TEXT NOT NULL REFERENCES stock (sku),
  location_id BLOB NOT NULL REFERENCES locations (id),
  pieces INTEGER NOT NULL CHECK (pieces > 0),
  arrived INTEGER NOT NULL DEFAULT 0 CHECK (arrived >= 0),
  cancelled INTEGER NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
  expected_at_ms INTEGER,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  CHECK (arrived + cancelled <= pieces)
) STRICT, WITHOUT ROWID;
CREATE INDEX supplies_open ON supplies (sku) WHERE arrived + cancelled < pieces;

CREATE TABLE transfers (
  id BLOB NOT NULL PRIMARY KEY,
  from_id BLOB NOT NULL REFERENCES locations (id),
  to_id BLOB NOT NULL REFERENCES locations (id),
  status TEXT NOT NULL CHECK (status IN ('draft', 'in_transit', 'received', 'cancelled')),
  lines_json TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX transfers_status ON transfers (status, id);

-- What an order holds elsewhere than at the main location, and what it was promised. What is in no part is held or sold
-- at the main location: an order without parts is a plain one.
CREATE TABLE reservation_parts (
  order_id BLOB NOT NULL REFERENCES orders (id),
  sku TEXT NOT NULL REFERENCES stock (sku),
  location_id BLOB NOT NULL REFERENCES locations (id),
  held INTEGER NOT NULL CHECK (held >= 0),
  backordered INTEGER NOT NULL CHECK (backordered >= 0),
  expected_at_ms INTEGER,
  status TEXT NOT NULL CHECK (status IN ('held', 'consumed', 'released')),
  PRIMARY KEY (order_id, sku, location_id)
) STRICT, WITHOUT ROWID;

-- Who waits for pieces, oldest first: names of orders begin with their moment.
CREATE INDEX reservation_parts_owed ON reservation_parts (sku, location_id, order_id)
  WHERE backordered > 0 AND status <> 'released';

ALTER TABLE stock_movements ADD COLUMN location_id BLOB NOT NULL DEFAULT x'00000000000080008000000000000001';
ALTER TABLE stock_movements ADD COLUMN incoming_delta INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stock_movements ADD COLUMN backordered_delta INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stock_movements ADD COLUMN reason TEXT;
ALTER TABLE stock_movements ADD COLUMN transfer_id BLOB;
-- Who of the staff, for what the staff did.
ALTER TABLE stock_movements ADD COLUMN actor TEXT;
CREATE INDEX stock_movements_sku ON stock_movements (sku, id);

-- Nobody passes it here, where commands run one after the other; a cluster has the same tables. It has no rows.
CREATE TABLE lane_gate (is_closed INTEGER) STRICT;

-- The level of all active locations together, safety stock left out.
DROP VIEW read_stock;
CREATE VIEW read_stock AS
  SELECT l.sku, l.product_id,
    CASE WHEN l.available <= 0 THEN 'out_of_stock'
         WHEN l.available <= 5 THEN 'low'
         ELSE 'in_stock' END AS state
  FROM (SELECT s.sku, v.product_id,
      coalesce((SELECT max(0, s.on_hand - s.reserved - s.safety) FROM locations m
        WHERE m.id = x'00000000000080008000000000000001' AND m.is_active = 1), 0)
      + coalesce((SELECT sum(max(0, a.on_hand - a.reserved - a.safety)) FROM stock_at a
        JOIN locations p ON p.id = a.location_id WHERE a.sku = s.sku AND p.is_active = 1), 0) AS available
    FROM stock s JOIN variants v ON v.sku = s.sku) l;
