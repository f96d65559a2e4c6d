-- Until which of its entries each outbox has been stored, noted with them: where this is less than the outbox knows, the
-- database has gone back in time, as after a restore, or where another server has taken over.
CREATE TABLE IF NOT EXISTS outboxes (
    outbox       uuid PRIMARY KEY,
    stored_until bigint NOT NULL,
    stored_at    timestamptz NOT NULL DEFAULT now()
);
