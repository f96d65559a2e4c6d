"""Detects from the first checks after a start whether this machine has a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from watcher.model.outcome import Reason

if TYPE_CHECKING:
    from watcher.model.outcome import Fault

log = structlog.get_logger()

# Reasons that a missing network causes; a target with any other result has been reached.
_OF_THE_NETWORK = frozenset({Reason.LOCAL, Reason.DNS, Reason.CONNECT})


class FirstChecks:
    """Counts the first checks after a start, and logs once if all of them found no network."""

    def __init__(self, count: int) -> None:
        """Wait for `count` first checks."""
        self._count = self._left = count

    def note(self, fault: Fault | None) -> None:
        """Record the fault of a target's first check, None for a success."""
        if self._left <= 0:
            return
        if fault is None or fault.was_refused or fault.reason not in _OF_THE_NETWORK:
            self._left = 0
            return
        self._left -= 1
        if not self._left:
            log.warning(
                "no target reached since the start; this machine seems to have no network",
                targets=self._count,
            )
