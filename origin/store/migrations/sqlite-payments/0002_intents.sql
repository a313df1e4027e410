-- Intents get amounts, capture modes, declines and refunds; deliveries may be several of one webhook.
-- The old tables' checks cannot be widened in place, so the rows move.

CREATE TABLE payments (
  id TEXT NOT NULL PRIMARY KEY,
  reference TEXT NOT NULL,
  amount_minor INTEGER NOT NULL,
  currency TEXT NOT NULL,
  method TEXT NOT NULL,
  capture TEXT NOT NULL CHECK (capture IN ('automatic', 'manual')),
  status TEXT NOT NULL,
  authorized_minor INTEGER NOT NULL CHECK (authorized_minor >= 0),
  captured_minor INTEGER NOT NULL CHECK (captured_minor >= 0),
  released_minor INTEGER NOT NULL CHECK (released_minor >= 0),
  refunded_minor INTEGER NOT NULL CHECK (refunded_minor >= 0),
  decline_code TEXT,
  return_url TEXT,
  due_at_ms INTEGER,
  created_at_ms INTEGER NOT NULL,
  CHECK (captured_minor + released_minor <= authorized_minor AND refunded_minor <= captured_minor)
) STRICT, WITHOUT ROWID;
CREATE INDEX payments_due ON payments (due_at_ms) WHERE due_at_ms IS NOT NULL;

INSERT INTO payments (id, reference, amount_minor, currency, method, capture, status, authorized_minor, captured_minor,
  released_minor, refunded_minor, due_at_ms, created_at_ms)
SELECT id, reference, amount_minor, currency, method, 'automatic', status,
  CASE WHEN status IN ('captured', 'refunded') THEN amount_minor ELSE 0 END,
  CASE WHEN status IN ('captured', 'refunded') THEN amount_minor ELSE 0 END,
  0,
  CASE WHEN status = 'refunded' THEN amount_minor ELSE 0 END,
  CASE WHEN status = 'processing' THEN settles_at_ms END,
  created_at_ms
FROM intents;

CREATE TABLE refunds (
  id TEXT NOT NULL PRIMARY KEY,
  payment_id TEXT NOT NULL REFERENCES payments (id),
  key TEXT NOT NULL,
  amount_minor INTEGER NOT NULL CHECK (amount_minor >= 0),
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refunds_payment ON refunds (payment_id, created_at_ms);

CREATE TABLE calls (
  key TEXT NOT NULL PRIMARY KEY,
  fingerprint BLOB NOT NULL,
  payment_id TEXT NOT NULL REFERENCES payments (id),
  refund_id TEXT REFERENCES refunds (id),
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO calls (key, fingerprint, payment_id, created_at_ms)
SELECT key, fingerprint, intent_id, created_at_ms FROM requests;

DROP TABLE requests;
DROP TABLE intents;

ALTER TABLE webhooks ADD COLUMN event_id TEXT;
