"""Several replicas of one location: who is there, and who checks which target."""
