"""Reads channels, alerts, dependencies, maintenance and quiet hours."""
