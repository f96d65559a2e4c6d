"""Incidents at the location `*`, and the move of alerts to another location."""
