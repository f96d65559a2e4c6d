"""Runs one HTTP exchange in five phases."""
