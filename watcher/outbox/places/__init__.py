"""What the outbox knows of targets that several places watch, and of alerts over all places."""
