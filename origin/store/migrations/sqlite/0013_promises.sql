-- What a line was promised when it was bought: `backorder` or `preorder`, how many pieces of it were not there yet, and from
-- when on they ship, where that was known. NULL: everything was there, or a program sold it that kept no promises.

ALTER TABLE order_lines ADD COLUMN promise TEXT;
ALTER TABLE order_lines ADD COLUMN promised_pieces INTEGER;
ALTER TABLE order_lines ADD COLUMN ships_at_ms INTEGER;
