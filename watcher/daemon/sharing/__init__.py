"""Chooses which of the configured targets this replica watches, as the file and the other replicas change."""
