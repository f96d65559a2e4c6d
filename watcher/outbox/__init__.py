"""The outbox: keeps rows for PostgreSQL on disk until they are stored."""
