-- Payments get amounts: how much was authorized, captured, let go, given back. None of them ever shrinks.
-- The program before this one writes states without amounts; whoever reads a state that moved money and no amounts takes
-- the whole for it.

ALTER TABLE payments.payments
  ADD COLUMN authorized_minor BIGINT NOT NULL DEFAULT 0 CHECK (authorized_minor >= 0),
  ADD COLUMN captured_minor BIGINT NOT NULL DEFAULT 0 CHECK (captured_minor >= 0),
  ADD COLUMN released_minor BIGINT NOT NULL DEFAULT 0 CHECK (released_minor >= 0),
  ADD COLUMN refunded_minor BIGINT NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0),
  ADD CONSTRAINT payments_amounts_check CHECK (captured_minor <= authorized_minor AND refunded_minor <= captured_minor),
  DROP CONSTRAINT payments_status_check,
  ADD CONSTRAINT payments_status_check CHECK (status IN ('created', 'processing', 'requires_action', 'authorized',
    'partially_captured', 'captured', 'declined', 'cancelled', 'unknown', 'partially_refunded', 'refunded'));

UPDATE payments.payments SET authorized_minor = amount_minor, captured_minor = amount_minor,
  refunded_minor = CASE WHEN status = 'refunded' THEN amount_minor ELSE 0 END
WHERE status IN ('captured', 'refunded');
