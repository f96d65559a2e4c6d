-- What is kept of the past: failures by month, flips, rollups, and where things stand now.

-- Makes a partition of `parent` for [begins_at, ends_at) of its time `time_column`, and moves into it what the default
-- partition has of that time: while rows of it are there, PostgreSQL would refuse the partition.
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

-- The table of 0001 becomes one of partitions. Its id is made from the slot, so (scheduled_at, id) is as unique as id.
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

-- With all rows in the default partition, each month can be given its own by the function above.
INSERT INTO failures (id, target, address, location, scheduled_at, started_at, duration_ms, reason, detail,
                      status_code, phases_ms, excerpt)
SELECT id, target, address, location, scheduled_at, started_at, duration_ms, reason, detail,
       status_code, phases_ms, excerpt
FROM failures_of_0001;
SELECT watcher_make_partition('failures', 'failures_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM'), 'scheduled_at',
                              month, (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC')
FROM (SELECT DISTINCT date_trunc('month', scheduled_at, 'UTC') AS month FROM failures_of_0001) AS months;
DROP TABLE failures_of_0001;

-- One row a confirmed change of state. `at` is when it began, which is before it was confirmed.
CREATE TABLE IF NOT EXISTS flips (
    id           uuid PRIMARY KEY,
    target       text NOT NULL,
    location     text NOT NULL,
    at           timestamptz NOT NULL,
    confirmed_at timestamptz NOT NULL,
    state        text NOT NULL,
    before       text NOT NULL,
    reason       text,
    detail       text,
    check_id     uuid
);
CREATE INDEX IF NOT EXISTS flips_target_location_at ON flips (target, location, at);
CREATE INDEX IF NOT EXISTS flips_at ON flips (at);

-- Where each target stands: its newest flip, and what it is.
CREATE TABLE IF NOT EXISTS states (
    target     text NOT NULL,
    location   text NOT NULL,
    address    text NOT NULL DEFAULT '',
    group_name text,
    state      text NOT NULL DEFAULT 'pending',
    since      timestamptz,
    reason     text,
    detail     text,
    watched    boolean NOT NULL DEFAULT true,
    PRIMARY KEY (target, location)
);

-- Until when each location is known to have watched: what comes after is unknown.
CREATE TABLE IF NOT EXISTS replicas (
    location   text PRIMARY KEY,
    outbox     uuid NOT NULL,
    started_at timestamptz NOT NULL,
    alive_at   timestamptz NOT NULL
);

-- What the checks of a minute, an hour or a day came to. The arrays of six are for the whole check and its phases
-- resolve, connect, tls, processing and transfer; NULL where a phase did not happen. `keys` has, for each bucket of
-- a histogram that is not empty, 256 * its place in those arrays (from 0) + the bucket, and `counts` how many.
-- `part` tells apart what one minute brought to two outboxes; it is 0 for hours and days.
CREATE TABLE IF NOT EXISTS rollups (
    period_seconds int NOT NULL,
    began_at       timestamptz NOT NULL,
    target         text NOT NULL,
    location       text NOT NULL,
    part           bigint NOT NULL,
    results        jsonb NOT NULL,
    sums_ms        double precision[] NOT NULL,
    mins_ms        double precision[] NOT NULL,
    maxs_ms        double precision[] NOT NULL,
    keys           smallint[] NOT NULL,
    counts         int[] NOT NULL,
    PRIMARY KEY (period_seconds, target, location, began_at, part)
) PARTITION BY LIST (period_seconds);
CREATE TABLE IF NOT EXISTS rollups_minutes PARTITION OF rollups FOR VALUES IN (60) PARTITION BY RANGE (began_at);
CREATE TABLE IF NOT EXISTS rollups_minutes_default PARTITION OF rollups_minutes DEFAULT;
CREATE TABLE IF NOT EXISTS rollups_hours PARTITION OF rollups FOR VALUES IN (3600) PARTITION BY RANGE (began_at);
CREATE TABLE IF NOT EXISTS rollups_hours_default PARTITION OF rollups_hours DEFAULT;
CREATE TABLE IF NOT EXISTS rollups_days PARTITION OF rollups FOR VALUES IN (86400);
CREATE INDEX IF NOT EXISTS rollups_began_at_brin ON rollups USING brin (began_at);

-- The hours and days that are not what their minutes say: those that go on, and those to which more has come.
CREATE TABLE IF NOT EXISTS rollup_work (
    period_seconds int NOT NULL,
    began_at       timestamptz NOT NULL,
    PRIMARY KEY (period_seconds, began_at)
);
