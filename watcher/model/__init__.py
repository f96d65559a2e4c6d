"""Frozen values and pure decisions: the lowest floor. It imports no other part of watcher, and not trio."""
