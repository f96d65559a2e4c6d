"""How long each phase of a check takes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from watcher.model.outcome import Phases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What a person calls the phase in which a check was cut off.
PHASE_NAMES = {
    "resolve": "resolving the name",
    "connect": "connecting",
    "tls": "the TLS handshake",
    "processing": "waiting for the response",
    "transfer": "reading the body",
    "matching": "matching the body",
}


class Stopwatch:
    """Adds up the time of each phase, over redirects too, and knows the phase that runs now.

    Phases nest: `resolve` runs inside `connect` and is not counted there again.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """Make a stopwatch on a monotonic clock that returns seconds."""
        self._now = now
        self._running: list[tuple[str, float]] = []
        self._seconds: dict[str, float] = {}

    def start(self, phase: str) -> None:
        """Begin a phase, inside the one that runs."""
        self._running.append((phase, self._now()))

    def stop(self, phase: str) -> None:
        """End a phase, and any that began inside it; nothing happens where it does not run."""
        while any(name == phase for name, _ in self._running):
            name, started = self._running.pop()
            seconds = self._now() - started
            self._seconds[name] = self._seconds.get(name, 0.0) + seconds
            if self._running:  # the outer phase stood still meanwhile
                outer, outer_started = self._running[-1]
                self._running[-1] = (outer, outer_started + seconds)

    @contextmanager
    def phase(self, phase: str) -> Iterator[None]:
        """Time a block."""
        self.start(phase)
        try:
            yield
        finally:
            self.stop(phase)

    @property
    def running(self) -> str | None:
        """The innermost phase that runs now."""
        return self._running[-1][0] if self._running else None

    def phases(self) -> Phases:
        """End what runs, and return the five phases."""
        while self._running:
            self.stop(self._running[0][0])
        return Phases(**{name: self._seconds.get(name) for name in Phases.__slots__})
