-- One row for each failing check. The check makes the id, so that writing a row again is harmless.
CREATE TABLE failures (
    id           uuid PRIMARY KEY,
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
    excerpt      text
);

CREATE INDEX failures_target_started_at ON failures (target, started_at);
CREATE INDEX failures_started_at ON failures (started_at);
