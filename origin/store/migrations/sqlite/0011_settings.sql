-- How an order's number is written is kept with it: what was given never changes. NULL: `VT-` and the number as it is.

ALTER TABLE orders ADD COLUMN number_prefix TEXT;
ALTER TABLE orders ADD COLUMN number_digits INTEGER;
