"""The daemon: opens everything in order, and closes it in reverse order."""
