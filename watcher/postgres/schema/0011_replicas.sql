-- usable from 10

-- Replicas: several daemons of one location that share its targets. The table `replicas` is still written, for readers
-- of the time until which a location has watched.

-- A lease for each replica, by the clock of this server. `replica` is the id of its outbox. `incarnation` is new at
-- each start, so that a copy of a data folder, or a forgotten daemon, renews nothing.
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

-- The agreement of a location on its replicas: one row, which changes only from one epoch to the next.
CREATE TABLE IF NOT EXISTS agreements (
    location   text PRIMARY KEY,
    epoch      bigint NOT NULL,
    seats      jsonb NOT NULL,
    changed_at timestamptz NOT NULL
);

-- The owner of a target, since when, and the standing that the next owner needs. If the owner is NULL, the target was
-- released at `owned_since`. Entries of the owner's outbox up to `owned_from` are from before it owned the target;
-- others had watched it until `others_until`. `formers` has the owners from whom it was taken without a release, and
-- when: their flips may still come, and belong in the past.
ALTER TABLE states ADD COLUMN IF NOT EXISTS owner uuid;
ALTER TABLE states ADD COLUMN IF NOT EXISTS owned_since timestamptz;
ALTER TABLE states ADD COLUMN IF NOT EXISTS owned_from bigint;
ALTER TABLE states ADD COLUMN IF NOT EXISTS others_until timestamptz;
ALTER TABLE states ADD COLUMN IF NOT EXISTS formers jsonb;
ALTER TABLE states ADD COLUMN IF NOT EXISTS standing text;
ALTER TABLE states ADD COLUMN IF NOT EXISTS checked_until timestamptz;

-- Alert events of several replicas, numbered here in the order of storing, and by each origin (an outbox) in its own
-- order. A row with a `channel` is a handover of that channel; the origin has dispatched it until `taken_until`.
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

-- The dispatcher of a channel, its agreement, and the number up to which it has taken in each origin's events.
CREATE TABLE IF NOT EXISTS channel_owners (
    location  text NOT NULL,
    channel   text NOT NULL,
    owner     uuid,
    epoch     bigint NOT NULL DEFAULT 0,
    positions jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (location, channel)
);

-- The records of a channel's policy, and its messages that are not sent yet.
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
