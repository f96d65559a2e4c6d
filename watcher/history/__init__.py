"""Computes the history of a target: rollups, incidents, uptime."""
