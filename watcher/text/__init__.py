"""Text that is safe to show, to log and to store."""
