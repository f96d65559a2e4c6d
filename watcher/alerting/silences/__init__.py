"""Silences and acknowledgements: the orders of operators, and how the daemon takes them in."""
