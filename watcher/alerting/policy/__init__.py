"""Decides what is notified, to which channel and when. Pure, without a clock of its own."""
