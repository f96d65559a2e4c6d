"""The replicas of one location: who is alive, and who checks which target."""
