"""Decides who may read what, and who may write."""
