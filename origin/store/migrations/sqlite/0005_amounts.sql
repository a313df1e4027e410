-- Payments get amounts: how much was authorized, captured, let go, given back. None of them ever shrinks.
-- The old table's check knows too few words and cannot be widened in place, so the rows move; entries of the ledger refer to
-- them and find them again at the commit.

PRAGMA defer_foreign_keys = ON;

CREATE TABLE payments_before AS SELECT * FROM payments;
DROP TABLE payments;

CREATE TABLE payments (
  id BLOB NOT NULL PRIMARY KEY,
  order_id BLOB NOT NULL UNIQUE REFERENCES orders (id),
  provider TEXT NOT NULL,
  method TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('created', 'processing', 'requires_action', 'authorized', 'partially_captured',
    'captured', 'declined', 'cancelled', 'unknown', 'partially_refunded', 'refunded')),
  currency TEXT NOT NULL,
  amount_minor INTEGER NOT NULL,
  authorized_minor INTEGER NOT NULL DEFAULT 0 CHECK (authorized_minor >= 0),
  captured_minor INTEGER NOT NULL DEFAULT 0 CHECK (captured_minor >= 0),
  released_minor INTEGER NOT NULL DEFAULT 0 CHECK (released_minor >= 0),
  refunded_minor INTEGER NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0),
  provider_ref TEXT,
  checks INTEGER NOT NULL DEFAULT 0,
  next_check_at_ms INTEGER,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  CHECK (captured_minor <= authorized_minor AND refunded_minor <= captured_minor)
) STRICT;
CREATE INDEX payments_to_check ON payments (next_check_at_ms) WHERE next_check_at_ms IS NOT NULL;

INSERT INTO payments (id, order_id, provider, method, status, currency, amount_minor, authorized_minor, captured_minor,
  refunded_minor, provider_ref, checks, next_check_at_ms, created_at_ms, updated_at_ms)
SELECT id, order_id, provider, method, status, currency, amount_minor,
  CASE WHEN status IN ('captured', 'refunded') THEN amount_minor ELSE 0 END,
  CASE WHEN status IN ('captured', 'refunded') THEN amount_minor ELSE 0 END,
  CASE WHEN status = 'refunded' THEN amount_minor ELSE 0 END,
  provider_ref, checks, next_check_at_ms, created_at_ms, updated_at_ms
FROM payments_before;

DROP TABLE payments_before;
