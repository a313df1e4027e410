-- How an order is paid beyond the test methods. `method` stays a word that every program knows; `method_kind` says what it
-- really is. A token is sealed, and gone as soon as the provider has answered.

ALTER TABLE payments ADD COLUMN method_kind TEXT CHECK (method_kind IN ('token', 'hosted'));
ALTER TABLE payments ADD COLUMN token_sealed BLOB;
CREATE INDEX payments_held ON payments (updated_at_ms) WHERE status IN ('authorized', 'partially_captured');
