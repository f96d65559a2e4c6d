"""Metrics for Prometheus, written as text, in portions, in the loop of the checks."""
