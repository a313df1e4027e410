-- How many events each thing has had. The events themselves are forgotten some days after they were taken; their numbers
-- must go on all the same.

CREATE TABLE event_sequences (
  aggregate TEXT NOT NULL,
  aggregate_id TEXT NOT NULL,
  last INTEGER NOT NULL CHECK (last > 0),
  PRIMARY KEY (aggregate, aggregate_id)
) STRICT, WITHOUT ROWID;

INSERT INTO event_sequences (aggregate, aggregate_id, last)
SELECT aggregate, aggregate_id, max(sequence) FROM outbox GROUP BY aggregate, aggregate_id;
