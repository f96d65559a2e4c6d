"""Serves pages, health, metrics and the API of the daemon over HTTP."""
