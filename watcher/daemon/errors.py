"""Errors of the daemon; a separate module, so that other commands need not import the daemon."""

from __future__ import annotations


class UnusablePathError(Exception):
    """A path of the settings cannot be written; the message names the key."""
