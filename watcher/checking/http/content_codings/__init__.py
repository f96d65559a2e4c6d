"""Decodes content encodings in steps of bounded size."""
