-- What happened in the shop, added up per day. Days are whole days since 1970-01-01 in UTC.

CREATE TABLE analytics.event_counts (
  day BIGINT NOT NULL,
  name TEXT NOT NULL,
  -- A page, or the handle of a product that the shop has; otherwise empty, so strangers cannot make rows.
  subject TEXT NOT NULL,
  count BIGINT NOT NULL CHECK (count > 0),
  PRIMARY KEY (day, name, subject)
);

-- Batches that came, so that one sent again counts once.
CREATE TABLE analytics.event_batches (
  id TEXT NOT NULL PRIMARY KEY,
  received_at_ms BIGINT NOT NULL
);

CREATE INDEX event_batches_received ON event_batches (received_at_ms);
