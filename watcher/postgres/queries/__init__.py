"""Reads and writes the history by queries."""
