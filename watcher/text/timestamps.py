"""Timestamps as they are written everywhere."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(moment: datetime) -> str:
    """Write a moment in ISO 8601 UTC with milliseconds, as in `2026-11-23T15:20:55.857Z`."""
    return f"{moment.astimezone(UTC).isoformat(timespec='milliseconds')[:-6]}Z"
