-- How an order's number is written is kept with it: what was given never changes. NULL: `VT-` and the number as it is.

ALTER TABLE orders.orders
  ADD COLUMN number_prefix TEXT,
  ADD COLUMN number_digits BIGINT;

-- Imports may bring categories too.
ALTER TABLE catalogue.imports
  DROP CONSTRAINT imports_kind_check,
  ADD CONSTRAINT imports_kind_check CHECK (kind IN ('categories', 'products', 'prices', 'stock'));
