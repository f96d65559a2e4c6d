"""Histories for tests, written as a letter a minute: U is up, g degraded, D down, ? unknown, m, p and . (pending)."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from tests.doubles import MOMENT
from watcher.history.uptime import Timeline
from watcher.model.outcome import Fault, Reason
from watcher.model.state import Flip, State

MINUTE = timedelta(minutes=1)
STATES = {
    "U": State.UP,
    "g": State.DEGRADED,
    "D": State.DOWN,
    "?": State.UNKNOWN,
    "m": State.MAINTENANCE,
    "p": State.PAUSED,
    ".": State.PENDING,
}


def a_flip(minute: float, state: State, *, confirmed: int = 0, cause: Fault | None = None) -> Flip:
    """Return a flip, that many minutes after MOMENT."""
    at = MOMENT + minute * MINUTE
    return Flip("Checkout", "default", at, at + timedelta(seconds=confirmed), state, State.PENDING, cause)


def flips_of(letters: str) -> list[Flip]:
    """Return the flips of a history; each flip to down names its minute."""
    changes = [(0, letters[0]), *((i, new) for i, (old, new) in enumerate(pairwise(letters), start=1) if old != new)]
    return [
        a_flip(minute, STATES[letter], cause=Fault(Reason.STATUS, f"minute {minute}") if letter == "D" else None)
        for minute, letter in changes
    ]


def timeline_of(letters: str, *, skip: int = 0) -> Timeline:
    """Return the timeline of a history, without its first minutes."""
    until = MOMENT + len(letters) * MINUTE
    return Timeline.of(flips_of(letters), since=MOMENT + skip * MINUTE, until=until, alive_at=until)
