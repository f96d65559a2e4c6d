"""The configuration as it takes effect, for validate --show."""
