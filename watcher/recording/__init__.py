"""Sends check outcomes on: successes to monitor.log, failures to storage."""
