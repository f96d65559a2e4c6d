"""The PostgreSQL server that the daemon runs itself."""
