"""Decides when a target is checked, and whether it may be now."""
