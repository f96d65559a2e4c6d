"""What this replica watches of all that is configured, as the file and the other replicas change."""
