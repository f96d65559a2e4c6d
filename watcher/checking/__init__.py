"""Schedules checks, runs the HTTP exchange of each and judges it; knows nothing of storage."""
