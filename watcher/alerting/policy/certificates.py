"""Decides which certificates end so soon that channels are notified, and remembers former notices. Pure."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from watcher.alerting.policy.event import Certificate

if TYPE_CHECKING:
    from collections.abc import Mapping

STEPS_DAYS = (21, 14, 7, 1)
FIRST_STEP = timedelta(days=max(STEPS_DAYS))
# A step counts if it is shorter than this part of the lifetime: a certificate of six days is renewed every other day.
_PART_OF_LIFETIME = 3
# Servers behind one address may serve different certificates; the newest ones of each target are remembered.
_MAX_REMEMBERED = 4


def step_of(expires_at: datetime, begins_at: datetime | None, now: datetime) -> int | None:
    """Return the last step that a certificate has reached.

    Args:
        expires_at: when it ends.
        begins_at: start of its validity; None if unknown, so that every step counts.
        now: a moment with a time zone.

    Returns:
        days, one of `STEPS_DAYS`; None if it has reached no step or has ended.
    """
    left = expires_at - now
    if left <= timedelta(0):
        return None
    steps = (
        days
        for days in STEPS_DAYS
        if begins_at is None or timedelta(days=days) * _PART_OF_LIFETIME < expires_at - begins_at
    )
    return min((days for days in steps if left <= timedelta(days=days)), default=None)


class ToldCertificates:
    """The steps notified for each target's certificates: each step once, and again for another certificate."""

    def __init__(self, remembered: Mapping[str, str]) -> None:
        """Load texts that `remembered` has returned, by target; an unreadable one counts as never notified."""
        self._steps: dict[str, dict[str, int]] = {}
        for target, text in remembered.items():
            try:
                self._steps[target] = {str(end): int(step) for end, step in json.loads(text).items()}
            except (ValueError, TypeError, AttributeError):
                continue

    def news(self, target: str, expires_at: datetime, begins_at: datetime | None, now: datetime) -> Certificate | None:
        """Return the notice due for a target's certificate, and mark it as notified; None if nothing is due."""
        step = step_of(expires_at, begins_at, now)
        if step is None:
            return None
        steps, end = self._steps.setdefault(target, {}), expires_at.isoformat()
        if step >= steps.get(end, FIRST_STEP.days + 1):
            return None
        steps.pop(end, None)
        steps[end] = step
        while len(steps) > _MAX_REMEMBERED:
            del steps[next(iter(steps))]
        return Certificate(step, expires_at)

    def rename(self, renamed: Mapping[str, str]) -> None:
        """Apply new names of targets, given by former ones."""
        for old, new in renamed.items():
            if old in self._steps:
                self._steps[new] = self._steps.pop(old)

    def remembered(self, target: str) -> str:
        """Return the text to remember for a target."""
        return json.dumps(self._steps.get(target, {}))
