"""Serves viewers under bounds, so that no load on the page slows the checks."""
