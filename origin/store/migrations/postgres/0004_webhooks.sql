-- Who may run a job: the holder until a moment, and a token that only grows. A write of somebody whose token is not the
-- newest is refused.

CREATE TABLE orders.job_leases (
  job TEXT NOT NULL PRIMARY KEY,
  holder TEXT NOT NULL,
  token BIGINT NOT NULL CHECK (token > 0),
  until_ms BIGINT NOT NULL
) WITH (fillfactor = 50);

-- Staff: roles of accounts, and keys for programs. Of a key only the digest is known.

CREATE TABLE accounts.staff_roles (
  user_id BYTEA NOT NULL REFERENCES users (id),
  role TEXT NOT NULL,
  granted_at_ms BIGINT NOT NULL,
  PRIMARY KEY (user_id, role)
);

CREATE TABLE accounts.staff_keys (
  id BYTEA NOT NULL PRIMARY KEY,
  digest BYTEA NOT NULL,
  name TEXT NOT NULL,
  -- Words separated by spaces.
  roles TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT,
  revoked_at_ms BIGINT,
  last_used_at_ms BIGINT
);

-- Merchants' webhooks. One that is deleted keeps its row until its deliveries are forgotten.

CREATE TABLE orders.webhook_subscriptions (
  id BYTEA NOT NULL PRIMARY KEY,
  url TEXT NOT NULL,
  -- Patterns separated by spaces.
  patterns TEXT NOT NULL,
  description TEXT NOT NULL,
  secret BYTEA NOT NULL,
  previous_secret BYTEA,
  previous_until_ms BIGINT,
  is_enabled BIGINT NOT NULL,
  disabled_reason TEXT,
  failing_since_ms BIGINT,
  created_at_ms BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL,
  deleted_at_ms BIGINT
);
CREATE INDEX webhook_subscriptions_live ON webhook_subscriptions (id) WHERE deleted_at_ms IS NULL;
CREATE INDEX webhook_subscriptions_deleted ON webhook_subscriptions (deleted_at_ms) WHERE deleted_at_ms IS NOT NULL;

-- One event for one subscription. It waits as long as it has a next attempt.
CREATE TABLE orders.webhook_deliveries (
  id BYTEA NOT NULL PRIMARY KEY,
  subscription_id BYTEA NOT NULL REFERENCES webhook_subscriptions (id),
  event_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  aggregate TEXT NOT NULL,
  aggregate_id TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  body TEXT NOT NULL,
  status TEXT NOT NULL,
  -- Those since it was made or replayed, which the schedule counts, and all of them.
  attempts BIGINT NOT NULL,
  attempts_total BIGINT NOT NULL,
  next_attempt_at_ms BIGINT,
  created_at_ms BIGINT NOT NULL,
  ended_at_ms BIGINT,
  UNIQUE (subscription_id, event_id)
) WITH (fillfactor = 90);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (subscription_id, next_attempt_at_ms)
  WHERE next_attempt_at_ms IS NOT NULL;
CREATE INDEX webhook_deliveries_untried ON webhook_deliveries (subscription_id, aggregate_id, sequence)
  WHERE next_attempt_at_ms IS NOT NULL AND attempts = 0;
CREATE INDEX webhook_deliveries_listed ON webhook_deliveries (subscription_id, id);
CREATE INDEX webhook_deliveries_by_status ON webhook_deliveries (subscription_id, status, id);

CREATE TABLE orders.webhook_attempts (
  delivery_id BYTEA NOT NULL,
  number BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  latency_ms BIGINT NOT NULL,
  -- Of the answer, where there was one.
  status BIGINT,
  -- Class of the failure, where there was one.
  error TEXT,
  PRIMARY KEY (delivery_id, number)
);
