"""How rows are written, a file for each table."""
