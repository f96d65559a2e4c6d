"""When a target is due, the one HTTP exchange of a check, and the verdict on it; knows nothing of storage."""
