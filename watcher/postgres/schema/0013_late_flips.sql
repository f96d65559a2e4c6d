-- usable from 10

-- How many batches of an outbox had flips that were confirmed long before they were stored: whoever reads only the
-- newest flips has missed these, and reads all states once.
ALTER TABLE outboxes ADD COLUMN IF NOT EXISTS late int NOT NULL DEFAULT 0;
