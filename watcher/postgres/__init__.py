"""PostgreSQL: the bridge, the database, its tables, queries and upkeep."""
