-- The last stored entry of each outbox, written with the entries: if it is less than the outbox knows, the database has
-- gone back in time, as after a restore or a failover.
CREATE TABLE IF NOT EXISTS outboxes (
    outbox       uuid PRIMARY KEY,
    stored_until bigint NOT NULL,
    stored_at    timestamptz NOT NULL DEFAULT now()
);
