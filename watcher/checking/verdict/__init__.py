"""Judges an exchange by what its target expects."""
