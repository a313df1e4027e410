-- What is needed to find what may be forgotten, and to delete it without reading whole tables for its references.

CREATE INDEX carts_idle ON carts (updated_at_ms) WHERE order_id IS NULL;
CREATE INDEX orders_cart ON orders (cart_id);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
CREATE INDEX revocations_until ON revocations (until_ms);
