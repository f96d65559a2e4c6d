"""How long each phase of a check takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from watcher.model.outcome import Phases

if TYPE_CHECKING:
    from collections.abc import Callable

# What a person calls the step in which a check was cut off. `processing` ends with the first byte of the response,
# as blackbox_exporter has it, so the rest of its head is part of the phase `transfer`, but a step of its own. What is
# prepared on this machine is in no phase.
STEP_NAMES = {
    "preparing": "reading the certificates that this machine trusts",
    "resolve": "resolving the name",
    "connect": "connecting",
    "tls": "the TLS handshake",
    "processing": "waiting for the response",
    "headers": "reading the headers",
    "transfer": "reading the body",
    "matching": "matching the body",
}
_PHASE_OF_STEP = {"headers": "transfer"}


class Stopwatch:
    """Adds up the time of each phase, over redirects too, and knows the step that runs now."""

    __slots__ = ("_now", "_seconds", "_since", "step")

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        """Make a stopwatch on a monotonic clock that returns seconds."""
        self._now = now
        self._since = 0.0
        self._seconds: dict[str, float] = {}
        self.step: str | None = None

    def enter(self, step: str | None) -> None:
        """End the step that runs, and begin another one, or none."""
        now, ending = self._now(), self.step
        if ending is not None:
            seconds, phase = self._seconds, _PHASE_OF_STEP.get(ending, ending)
            seconds[phase] = seconds.get(phase, 0.0) + now - self._since
        self.step, self._since = step, now

    def phases(self) -> Phases:
        """End what runs, and return the five phases."""
        self.enter(None)
        get = self._seconds.get
        return Phases(get("resolve"), get("connect"), get("tls"), get("processing"), get("transfer"))
