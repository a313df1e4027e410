-- The local payment provider's own records. They live apart from the shop's, as a real provider's would.

CREATE TABLE intents (
  id TEXT NOT NULL PRIMARY KEY,
  reference TEXT NOT NULL,
  amount_minor INTEGER NOT NULL,
  currency TEXT NOT NULL,
  method TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('processing', 'requires_action', 'captured', 'declined', 'cancelled',
    'refunded')),
  settles_at_ms INTEGER,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX intents_due ON intents (settles_at_ms) WHERE status = 'processing';

CREATE TABLE requests (
  key TEXT NOT NULL PRIMARY KEY,
  fingerprint BLOB NOT NULL,
  intent_id TEXT NOT NULL REFERENCES intents (id),
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE webhooks (
  id TEXT NOT NULL PRIMARY KEY,
  body TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  next_attempt_at_ms INTEGER,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX webhooks_due ON webhooks (next_attempt_at_ms) WHERE next_attempt_at_ms IS NOT NULL;
