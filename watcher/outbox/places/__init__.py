"""Outbox statements for incidents at the location `*`, and for the move of alerts to another location."""
