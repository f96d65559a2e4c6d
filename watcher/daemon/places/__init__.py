"""Decides the combined state of targets that several places watch: for each target one replica of all places does."""
