-- The history besides failures: flips, rollups, and present states.

-- One row for each confirmed change of state. `at` is when the state began, which is before it was confirmed.
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

-- The state of each target, from its newest flip, with its configuration.
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

-- Until when each location is known to have watched: later times are unknown.
CREATE TABLE IF NOT EXISTS replicas (
    location   text PRIMARY KEY,
    outbox     uuid NOT NULL,
    started_at timestamptz NOT NULL,
    alive_at   timestamptz NOT NULL
);

-- The results of the checks of a minute, an hour or a day. The arrays of six are for the whole check and its phases
-- resolve, connect, tls, processing and transfer; NULL for a phase that did not happen. `keys` has, for each non-empty
-- bucket of a histogram, 256 * its index in those arrays (from 0) + the bucket, and `counts` the number of checks.
-- `part` separates the rows of one minute in two outboxes; it is 0 for hours and days.
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

-- The hours and days that differ from their minutes: those that go on, and those that have got more minutes.
CREATE TABLE IF NOT EXISTS rollup_work (
    period_seconds int NOT NULL,
    began_at       timestamptz NOT NULL,
    PRIMARY KEY (period_seconds, began_at)
);
