-- Who may run a job: the holder until a moment, and a token that only grows. A write of somebody whose token is not the
-- newest is refused.

CREATE TABLE job_leases (
  job TEXT NOT NULL PRIMARY KEY,
  holder TEXT NOT NULL,
  token INTEGER NOT NULL CHECK (token > 0),
  until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Staff: roles of accounts, and keys for programs. Of a key only the digest is known.

CREATE TABLE staff_roles (
  user_id BLOB NOT NULL REFERENCES users (id),
  role TEXT NOT NULL,
  granted_at_ms INTEGER NOT NULL,
  PRIMARY KEY (user_id, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE staff_keys (
  id BLOB NOT NULL PRIMARY KEY,
  digest BLOB NOT NULL,
  name TEXT NOT NULL,
  -- Words separated by spaces.
  roles TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER,
  revoked_at_ms INTEGER,
  last_used_at_ms INTEGER
) STRICT, WITHOUT ROWID;

-- Merchants' webhooks. One that is deleted keeps its row until its deliveries are forgotten.

CREATE TABLE webhook_subscriptions (
  id BLOB NOT NULL PRIMARY KEY,
  url TEXT NOT NULL,
  -- Patterns separated by spaces.
  patterns TEXT NOT NULL,
  description TEXT NOT NULL,
  secret BLOB NOT NULL,
  previous_secret BLOB,
  previous_until_ms INTEGER,
  is_enabled INTEGER NOT NULL,
  disabled_reason TEXT,
  failing_since_ms INTEGER,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_subscriptions_live ON webhook_subscriptions (id) WHERE deleted_at_ms IS NULL;
CREATE INDEX webhook_subscriptions_deleted ON webhook_subscriptions (deleted_at_ms) WHERE deleted_at_ms IS NOT NULL;

-- One event for one subscription. It waits as long as it has a next attempt.
CREATE TABLE webhook_deliveries (
  id BLOB NOT NULL PRIMARY KEY,
  subscription_id BLOB NOT NULL REFERENCES webhook_subscriptions (id),
  event_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  aggregate TEXT NOT NULL,
  aggregate_id TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  body TEXT NOT NULL,
  status TEXT NOT NULL,
  -- Those since it was made or replayed, which the schedule counts, and all of them.
  attempts INTEGER NOT NULL,
  attempts_total INTEGER NOT NULL,
  next_attempt_at_ms INTEGER,
  created_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  UNIQUE (subscription_id, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (subscription_id, next_attempt_at_ms)
  WHERE next_attempt_at_ms IS NOT NULL;
CREATE INDEX webhook_deliveries_untried ON webhook_deliveries (subscription_id, aggregate_id, sequence)
  WHERE next_attempt_at_ms IS NOT NULL AND attempts = 0;
CREATE INDEX webhook_deliveries_listed ON webhook_deliveries (subscription_id, id);
CREATE INDEX webhook_deliveries_by_status ON webhook_deliveries (subscription_id, status, id);

CREATE TABLE webhook_attempts (
  delivery_id BLOB NOT NULL,
  number INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  latency_ms INTEGER NOT NULL,
  -- Of the answer, where there was one.
  status INTEGER,
  -- Class of the failure, where there was one.
  error TEXT,
  PRIMARY KEY (delivery_id, number)
) STRICT, WITHOUT ROWID;
