"""What can go wrong with the daemon; apart from it, since commands that run none need not wait for its import."""

from __future__ import annotations


class UnusablePathError(Exception):
    """A path of the settings cannot be written; the message names the key."""
