"""Keeping secrets out of what is shown."""
