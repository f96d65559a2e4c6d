"""What the database needs now and then: partitions, retention, merging."""
