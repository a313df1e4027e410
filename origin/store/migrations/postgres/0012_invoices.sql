-- Deliveries that are awaited, in the order in which promises look at them; the condition is written as SQLite wants it.

DROP INDEX inventory.supplies_open;
CREATE INDEX supplies_open ON inventory.supplies (sku, location_id, expected_at_ms) WHERE pieces > arrived + cancelled;

-- Invoices that have numbers of their own. A row is there from the commit on that accepts its order, if the shop numbers its
-- invoices so; it has no number until one is drawn. What was given never changes.
CREATE TABLE orders.invoices (
  order_id BYTEA NOT NULL PRIMARY KEY REFERENCES orders.orders (id),
  accepted_at_ms BIGINT NOT NULL,
  number BIGINT UNIQUE CHECK (number > 0),
  -- How the number is written, since it was given.
  prefix TEXT,
  digits BIGINT,
  issued_at_ms BIGINT,
  CHECK ((issued_at_ms IS NULL) = (number IS NULL)),
  CHECK ((issued_at_ms IS NULL) = (prefix IS NULL)),
  CHECK ((issued_at_ms IS NULL) = (digits IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX invoices_due ON orders.invoices (accepted_at_ms, order_id) WHERE issued_at_ms IS NULL;

INSERT INTO orders.counters (name, value) VALUES ('invoice_number', 0);
