"""Reads and validates targets."""
