"""Decides the combined state of targets that several places watch; one replica of all places decides each target."""
