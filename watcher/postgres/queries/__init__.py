"""How the history is read."""
