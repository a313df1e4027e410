-- What happened in the shop, added up per day. Days are whole days since 1970-01-01 in UTC.

CREATE TABLE event_counts (
  day INTEGER NOT NULL,
  name TEXT NOT NULL,
  -- A page, or the handle of a product that the shop has; otherwise empty, so strangers cannot make rows.
  subject TEXT NOT NULL,
  count INTEGER NOT NULL CHECK (count > 0),
  PRIMARY KEY (day, name, subject)
) STRICT, WITHOUT ROWID;

-- Batches that came, so that one sent again counts once.
CREATE TABLE event_batches (
  id TEXT NOT NULL PRIMARY KEY,
  received_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX event_batches_received ON event_batches (received_at_ms);
