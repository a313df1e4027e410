-- How an order's number is written is kept with it: what was given never changes. NULL: `VT-` and the number as it is.

ALTER TABLE orders ADD COLUMN number_prefix TEXT;
ALTER TABLE orders ADD COLUMN number_digits INTEGER;

-- Imports may bring categories too. The old check knows too few words and cannot be widened in place, so the rows move;
-- whoever refers to imports finds them again at the commit.

PRAGMA defer_foreign_keys = ON;

CREATE TABLE imports_before AS SELECT * FROM imports;
DROP TABLE imports;

CREATE TABLE imports (
  id BLOB NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('categories', 'products', 'prices', 'stock')),
  format TEXT NOT NULL CHECK (format IN ('csv', 'ndjson')),
  is_dry_run INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('uploading', 'running', 'done', 'failed', 'cancelled')),
  -- Names of the columns of a CSV file, as JSON, once they are read.
  columns_json TEXT,
  bytes_total INTEGER NOT NULL,
  bytes_done INTEGER NOT NULL,
  rows_done INTEGER NOT NULL,
  rows_failed INTEGER NOT NULL,
  -- Why it failed as a whole.
  failure TEXT,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO imports (id, kind, format, is_dry_run, status, columns_json, bytes_total, bytes_done, rows_done, rows_failed,
  failure, created_at_ms, updated_at_ms)
SELECT id, kind, format, is_dry_run, status, columns_json, bytes_total, bytes_done, rows_done, rows_failed,
  failure, created_at_ms, updated_at_ms
FROM imports_before;
DROP TABLE imports_before;

CREATE INDEX imports_running ON imports (id) WHERE status = 'running';
CREATE INDEX imports_age ON imports (created_at_ms);
