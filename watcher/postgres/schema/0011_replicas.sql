-- usable from 10

-- Replicas: several daemons of one location that share its targets. What was in `replicas` goes on being written, for
-- whoever asks until when a location has watched.

-- A lease per replica, by the clock of this server. `replica` is the id of its outbox, `incarnation` is new at each
-- start, so that a copy of a data folder, or a start that has been forgotten, renews nothing.
CREATE TABLE IF NOT EXISTS members (
    location    text NOT NULL,
    replica     uuid NOT NULL,
    incarnation uuid NOT NULL,
    name        text NOT NULL,
    version     text NOT NULL DEFAULT '',
    fingerprint text NOT NULL,
    joined_at   timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    beat_at     timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    epoch       bigint NOT NULL DEFAULT 0,
    targets     int NOT NULL DEFAULT 0,
    lateness_ms double precision,
    slots_until timestamptz,
    PRIMARY KEY (location, replica)
);

-- The replicas that a location has agreed on: one row, which only changes from one epoch to the next.
CREATE TABLE IF NOT EXISTS agreements (
    location   text PRIMARY KEY,
    epoch      bigint NOT NULL,
    seats      jsonb NOT NULL,
    changed_at timestamptz NOT NULL
);

-- Whose a target is, since when, and where it stands with all that the next owner must know of it. An owner that is
-- NULL has released it, at `owned_since`. Entries of the owner's outbox up to `owned_from` came before it owned the
-- target; others had looked at it until `others_until`. `formers` has those from whom it was taken without a release,
-- and when: their flips may come yet, and belong to the past.
ALTER TABLE states ADD COLUMN IF NOT EXISTS owner uuid;
ALTER TABLE states ADD COLUMN IF NOT EXISTS owned_since timestamptz;
ALTER TABLE states ADD COLUMN IF NOT EXISTS owned_from bigint;
ALTER TABLE states ADD COLUMN IF NOT EXISTS others_until timestamptz;
ALTER TABLE states ADD COLUMN IF NOT EXISTS formers jsonb;
ALTER TABLE states ADD COLUMN IF NOT EXISTS standing text;
ALTER TABLE states ADD COLUMN IF NOT EXISTS checked_until timestamptz;

-- Alerts of several replicas. What has happened, numbered here in the order in which it was stored, and by each origin
-- (an outbox) in its own: what has a `channel` is for that one, which the origin has told itself until `taken_until`.
CREATE TABLE IF NOT EXISTS alert_events (
    number        bigserial PRIMARY KEY,
    location      text NOT NULL,
    origin        uuid NOT NULL,
    origin_number bigint NOT NULL,
    channel       text,
    taken_until   bigint,
    payload       text NOT NULL,
    written_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (origin, origin_number)
);
CREATE INDEX IF NOT EXISTS alert_events_location_number ON alert_events (location, number);

-- Who dispatches a channel, by which agreement, and until which number of each origin it has taken in what happened.
CREATE TABLE IF NOT EXISTS channel_owners (
    location  text NOT NULL,
    channel   text NOT NULL,
    owner     uuid,
    epoch     bigint NOT NULL DEFAULT 0,
    positions jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (location, channel)
);

-- What the policy of a channel keeps, and what it has decided on and not sent yet.
CREATE TABLE IF NOT EXISTS channel_records (
    location text NOT NULL,
    channel  text NOT NULL,
    key      text NOT NULL,
    payload  text NOT NULL,
    PRIMARY KEY (location, channel, key)
);
CREATE TABLE IF NOT EXISTS channel_messages (
    location text NOT NULL,
    channel  text NOT NULL,
    id       uuid NOT NULL,
    number   bigint NOT NULL,
    payload  text NOT NULL,
    PRIMARY KEY (location, channel, id)
);
CREATE INDEX IF NOT EXISTS channel_messages_id ON channel_messages (id);
