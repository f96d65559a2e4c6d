"""SQL that writes rows, a file for each table."""
