"""Connections and their bounds: whoever asks, and however, the checks do not feel it."""
