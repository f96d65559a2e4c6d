"""The regular upkeep of the database: partitions, retention, merging."""
