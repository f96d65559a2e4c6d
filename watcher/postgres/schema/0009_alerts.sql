-- Messages to channels, each with its delivery result. `payload` has the message as its receiver got it, without
-- secrets; `error` is of the last failed try, `answer` the receiver's when it accepted the message. `tries` counts, so
-- that the later of two writes of a row is known.
CREATE TABLE IF NOT EXISTS notifications (
    id          uuid PRIMARY KEY,
    channel     text NOT NULL,
    kind        text NOT NULL,
    created_at  timestamptz NOT NULL,
    next_try_at timestamptz,
    sent_at     timestamptz,
    given_up_at timestamptz,
    tries       int NOT NULL DEFAULT 0,
    error       text,
    answer      text,
    payload     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS notifications_created_at ON notifications (created_at);

-- Silences, with their start and end. With both `targets` and `group_name` NULL, a silence applies to all targets.
CREATE TABLE IF NOT EXISTS silences (
    id         uuid PRIMARY KEY,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,
    why        text NOT NULL,
    said_by    text NOT NULL DEFAULT '',
    targets    text[],
    group_name text
);
CREATE INDEX IF NOT EXISTS silences_ends_at ON silences (ends_at);

-- Acknowledgements of a target's incident that was open at the moment.
CREATE TABLE IF NOT EXISTS acks (
    id      uuid PRIMARY KEY,
    target  text NOT NULL,
    at      timestamptz NOT NULL,
    why     text NOT NULL DEFAULT '',
    said_by text NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS acks_target_at ON acks (target, at);
