"""Measures the phases of a check."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from watcher.model.outcome import Phases

if TYPE_CHECKING:
    from collections.abc import Callable

# Names of the steps, for people, in "cut off while ...". `processing` ends with the first byte of the response, as in
# blackbox_exporter, so the rest of the head belongs to the phase `transfer`, but is a step of its own. `preparing`
# belongs to no phase.
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
    """Adds up the time of each phase, across redirects, and knows the present step."""

    __slots__ = ("_now", "_seconds", "_since", "step")

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        """Create a stopwatch on a monotonic clock that returns seconds."""
        self._now = now
        self._since = 0.0
        self._seconds: dict[str, float] = {}
        self.step: str | None = None

    def enter(self, step: str | None) -> None:
        """End the present step, and start another one, or none."""
        now, ending = self._now(), self.step
        if ending is not None:
            seconds, phase = self._seconds, _PHASE_OF_STEP.get(ending, ending)
            seconds[phase] = seconds.get(phase, 0.0) + now - self._since
        self.step, self._since = step, now

    def phases(self) -> Phases:
        """End the present step, and return the five phases."""
        self.enter(None)
        get = self._seconds.get
        return Phases(get("resolve"), get("connect"), get("tls"), get("processing"), get("transfer"))
