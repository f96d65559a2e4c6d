"""Silences and acknowledgements: how operators say them, and how the daemon takes them in."""
