-- How many events each thing has had. The events themselves are forgotten some days after they were taken; their numbers
-- must go on all the same.

CREATE TABLE orders.event_sequences (
  aggregate TEXT NOT NULL,
  aggregate_id TEXT NOT NULL,
  last BIGINT NOT NULL CHECK (last > 0),
  PRIMARY KEY (aggregate, aggregate_id)
) WITH (fillfactor = 80);

INSERT INTO orders.event_sequences (aggregate, aggregate_id, last)
SELECT aggregate, aggregate_id, max(sequence) FROM orders.outbox GROUP BY aggregate, aggregate_id;
