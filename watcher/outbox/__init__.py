"""The outbox: what is meant for PostgreSQL, on disk until it is there."""
