-- Deliveries that are awaited, found by SQLite too: it looks for a condition in a query as it is written in the index, and a
-- comparison whose column stands on its right it turns round in the query alone.

DROP INDEX supplies_open;
CREATE INDEX supplies_open ON supplies (sku, location_id, expected_at_ms) WHERE pieces > arrived + cancelled;

-- Invoices that have numbers of their own. A row is there from the commit on that accepts its order, if the shop numbers its
-- invoices so; it has no number until one is drawn. What was given never changes.
CREATE TABLE invoices (
  order_id BLOB NOT NULL PRIMARY KEY REFERENCES orders (id),
  accepted_at_ms INTEGER NOT NULL,
  number INTEGER UNIQUE CHECK (number > 0),
  -- How the number is written, since it was given.
  prefix TEXT,
  digits INTEGER,
  issued_at_ms INTEGER,
  CHECK ((issued_at_ms IS NULL) = (number IS NULL)),
  CHECK ((issued_at_ms IS NULL) = (prefix IS NULL)),
  CHECK ((issued_at_ms IS NULL) = (digits IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX invoices_due ON invoices (accepted_at_ms, order_id) WHERE issued_at_ms IS NULL;

INSERT INTO counters (name, value) VALUES ('invoice_number', 0);
