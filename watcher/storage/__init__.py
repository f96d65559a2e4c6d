"""What is kept in PostgreSQL, and the PostgreSQL that the daemon runs itself; knows nothing of HTTP."""
