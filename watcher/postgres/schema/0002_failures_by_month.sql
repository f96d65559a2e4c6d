-- Failures by month.

-- Creates a partition of `parent` for [begins_at, ends_at) of its column `time_column`, and moves the default
-- partition's rows of that time into it: while such rows exist, PostgreSQL would refuse the partition.
CREATE OR REPLACE FUNCTION watcher_make_partition(
    parent text, name text, time_column text, begins_at timestamptz, ends_at timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass(format('%I', name)) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name, parent);
    EXECUTE format(
        'WITH moved AS (DELETE FROM %I WHERE %I >= %L AND %I < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
        parent || '_default', time_column, begins_at, time_column, ends_at, name
    );
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, name, begins_at, ends_at);
    RETURN true;
END
$$;

-- The table of 0001 becomes partitioned. Its id is made from the slot, so (scheduled_at, id) is as unique as id.
ALTER TABLE failures RENAME TO failures_of_0001;
ALTER INDEX failures_pkey RENAME TO failures_of_0001_pkey;
ALTER INDEX failures_target_started_at RENAME TO failures_of_0001_target_started_at;
ALTER INDEX failures_started_at RENAME TO failures_of_0001_started_at;

CREATE TABLE failures (
    id           uuid NOT NULL,
    target       text NOT NULL,
    address      text NOT NULL,
    location     text NOT NULL,
    scheduled_at timestamptz NOT NULL,
    started_at   timestamptz NOT NULL,
    duration_ms  double precision NOT NULL,
    reason       text NOT NULL,
    detail       text NOT NULL,
    status_code  int,
    phases_ms    jsonb NOT NULL,
    excerpt      text,
    headers      jsonb,
    PRIMARY KEY (scheduled_at, id)
) PARTITION BY RANGE (scheduled_at);
CREATE TABLE IF NOT EXISTS failures_default PARTITION OF failures DEFAULT;
CREATE INDEX failures_target_started_at ON failures (target, started_at);
CREATE INDEX failures_started_at_brin ON failures USING brin (started_at);

-- All rows are in the default partition; the function above can then create a partition for each month.
INSERT INTO failures (id, target, address, location, scheduled_at, started_at, duration_ms, reason, detail,
                      status_code, phases_ms, excerpt)
SELECT id, target, address, location, scheduled_at, started_at, duration_ms, reason, detail,
       status_code, phases_ms, excerpt
FROM failures_of_0001;
SELECT watcher_make_partition('failures', 'failures_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM'), 'scheduled_at',
                              month, (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC')
FROM (SELECT DISTINCT date_trunc('month', scheduled_at, 'UTC') AS month FROM failures_of_0001) AS months;
DROP TABLE failures_of_0001;
