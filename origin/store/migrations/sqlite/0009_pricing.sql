-- Prices decided by rules: promotions and their codes, gift cards, and what a quote said of an order. The shop's shipping and
-- tax policies are settings (`pricing.shipping`, `pricing.taxes`); a shop without any of this goes on as before.

-- What pricing looks at. A category may lie below another one.
ALTER TABLE categories ADD COLUMN parent TEXT;
ALTER TABLE products ADD COLUMN tax_class TEXT NOT NULL DEFAULT 'standard';
ALTER TABLE products ADD COLUMN is_shippable INTEGER NOT NULL DEFAULT 1;
ALTER TABLE products ADD COLUMN is_discountable INTEGER NOT NULL DEFAULT 1;
ALTER TABLE variants ADD COLUMN grams INTEGER NOT NULL DEFAULT 0;

-- Where the cart shall go, how, and which codes and gift cards were entered, as JSON; NULL while nothing was said.
ALTER TABLE carts ADD COLUMN choices_json TEXT;
-- The account's open carts, for whoever signs in.
CREATE INDEX carts_of_user ON carts (user_id, updated_at_ms) WHERE user_id IS NOT NULL AND order_id IS NULL;

-- The price of one piece that the shopper was told, and how long it holds. NULL in lines of an earlier program.
ALTER TABLE cart_lines ADD COLUMN price_minor INTEGER;
ALTER TABLE cart_lines ADD COLUMN price_until_ms INTEGER;

-- What the quote said, as JSON, with the names of the order's own lines; NULL where there was none.
ALTER TABLE orders ADD COLUMN quote_json TEXT;
ALTER TABLE orders ADD COLUMN discount_minor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN gift_card_minor INTEGER NOT NULL DEFAULT 0;

CREATE TABLE promotions (
  id BLOB NOT NULL PRIMARY KEY,
  rule_json TEXT NOT NULL,
  is_automatic INTEGER NOT NULL,
  is_enabled INTEGER NOT NULL,
  -- Whether its uses are limited in all. Decided when it is made: uses of others are not counted here.
  is_limited INTEGER NOT NULL,
  uses INTEGER NOT NULL DEFAULT 0 CHECK (uses >= 0),
  starts_at_ms INTEGER,
  ends_at_ms INTEGER,
  version INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX promotions_automatic ON promotions (id) WHERE is_automatic = 1 AND is_enabled = 1;

CREATE TABLE promotion_codes (
  code TEXT NOT NULL PRIMARY KEY,
  promotion_id BLOB NOT NULL REFERENCES promotions (id),
  uses INTEGER NOT NULL DEFAULT 0 CHECK (uses >= 0),
  uses_max INTEGER,
  is_enabled INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX promotion_codes_listed ON promotion_codes (promotion_id, code);

-- Which order used which promotion. Counted until the order comes to nothing.
CREATE TABLE redemptions (
  order_id BLOB NOT NULL REFERENCES orders (id),
  -- Of promotions; not declared so: checkouts that come in batches would all lock the same few rows.
  promotion_id BLOB NOT NULL,
  code TEXT,
  -- `account:` and its id, or `guest:` and a digest of the e-mail address.
  buyer TEXT NOT NULL,
  currency TEXT NOT NULL,
  amount_minor INTEGER NOT NULL,
  is_counted INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (order_id, promotion_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX redemptions_of_buyer ON redemptions (promotion_id, buyer) WHERE is_counted = 1;

-- Gift cards. Of the code only a digest is known. The sum of a card's movements is its balance.
CREATE TABLE gift_cards (
  id BLOB NOT NULL PRIMARY KEY,
  code_hash BLOB NOT NULL UNIQUE,
  last4 TEXT NOT NULL,
  currency TEXT NOT NULL,
  issued_minor INTEGER NOT NULL CHECK (issued_minor > 0),
  balance_minor INTEGER NOT NULL CHECK (balance_minor >= 0),
  is_enabled INTEGER NOT NULL,
  expires_at_ms INTEGER,
  note TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE gift_card_movements (
  id INTEGER PRIMARY KEY,
  gift_card_id BLOB NOT NULL REFERENCES gift_cards (id),
  kind TEXT NOT NULL CHECK (kind IN ('issued', 'held', 'released', 'retaken', 'refunded', 'adjusted')),
  delta_minor INTEGER NOT NULL,
  order_id BLOB,
  reason TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX gift_card_movements_listed ON gift_card_movements (gift_card_id, id);

-- What gift cards pay of an order.
CREATE TABLE order_gift_cards (
  order_id BLOB NOT NULL REFERENCES orders (id),
  gift_card_id BLOB NOT NULL REFERENCES gift_cards (id),
  amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
  refunded_minor INTEGER NOT NULL DEFAULT 0 CHECK (refunded_minor BETWEEN 0 AND amount_minor),
  status TEXT NOT NULL CHECK (status IN ('held', 'redeemed', 'released')),
  PRIMARY KEY (order_id, gift_card_id)
) STRICT, WITHOUT ROWID;

-- Entries of gift cards that are issued or adjusted belong to no payment.
CREATE TABLE ledger_entries_before AS SELECT * FROM ledger_entries;
DROP TABLE ledger_entries;
CREATE TABLE ledger_entries (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  account TEXT NOT NULL,
  currency TEXT NOT NULL,
  minor INTEGER NOT NULL,
  payment_id BLOB REFERENCES payments (id),
  at_ms INTEGER NOT NULL,
  UNIQUE (key, account)
) STRICT;
INSERT INTO ledger_entries (id, key, account, currency, minor, payment_id, at_ms)
SELECT id, key, account, currency, minor, payment_id, at_ms FROM ledger_entries_before;
DROP TABLE ledger_entries_before;
