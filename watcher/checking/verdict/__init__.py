"""From an exchange and what was expected of it to a verdict."""
