"""What the first checks of a start come to, taken together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from watcher.model.outcome import Reason

if TYPE_CHECKING:
    from watcher.model.outcome import Fault

log = structlog.get_logger()

# What the lack of a network looks like; one target that says anything else has been reached.
_OF_THE_NETWORK = frozenset({Reason.LOCAL, Reason.DNS, Reason.CONNECT})


class FirstChecks:
    """Counts the first checks of a start, and says once where all of them found no network."""

    def __init__(self, count: int) -> None:
        """Wait for so many first checks."""
        self._count = self._left = count

    def note(self, fault: Fault | None) -> None:
        """Note what the first check of a target failed for, None for a success."""
        if self._left <= 0:
            return
        if fault is None or fault.was_refused or fault.reason not in _OF_THE_NETWORK:
            self._left = 0
            return
        self._left -= 1
        if not self._left:
            log.warning(
                "no target could be reached since the start, the network of this machine seems to be away",
                targets=self._count,
            )
