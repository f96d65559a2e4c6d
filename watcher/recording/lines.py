"""The line of a check: of a success in monitor.log, of a failure on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.model.text import key_values, quoted
from watcher.model.timestamps import timestamp

if TYPE_CHECKING:
    from watcher.model.outcome import Outcome


def success_line(outcome: Outcome) -> str:
    """Write a success as one line, as users, scripts and dashboards know it."""
    phases = {f"{name}_ms": value for name, value in outcome.phases.as_milliseconds().items()}
    numbers = {"status": outcome.status_code, "duration_ms": outcome.duration_seconds * 1000, **phases}
    fields = {name: f"{value:.1f}" if isinstance(value, float) else value for name, value in numbers.items()}
    return f"{_head(outcome, 'success')} {key_values({**fields, 'bytes': outcome.body_bytes})}"


def failure_line(outcome: Outcome, *, stored: bool) -> str:
    """Write a failure as one line.

    Args:
        outcome: of a check that failed.
        stored: whether it is safe on disk; the line of one that had to be given up says so.
    """
    assert outcome.fault is not None
    detail = f"reason={outcome.fault.reason} detail={quoted(outcome.fault.detail)}"
    return f"{_head(outcome, 'failure')} {detail} check_id={outcome.check_id}{'' if stored else ' stored=no'}"


def _head(outcome: Outcome, kind: str) -> str:
    name = quoted(outcome.target)
    return f"{timestamp(outcome.started_at)} {kind} target={name} {key_values({'url': outcome.address})}"
