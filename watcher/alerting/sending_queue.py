"""Which message of a channel is tried next, and when; pure, with no clock of its own."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from watcher.alerting.messages import Waiting

MIN_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 300.0
# After so many tries in a row that failed it is the receiver, not a message: all messages wait for it, at most so long.
FAILING_TRIES = 3
MAX_PAUSE_SECONDS = 10.0
# The bound of the messages that are looked through for one that may overtake: each look takes less than a millisecond.
MAX_LOOKED_AT = 200


class SendingQueue:
    """The messages of a channel that wait to be sent: oldest first, each after those that tell of the same incident.

    Attributes:
        failing: how many tries in a row have failed.
    """

    def __init__(self, jitter: random.Random | None = None) -> None:
        """Begin with none; `jitter` is what backoff is drawn from."""
        self._jitter = jitter or random.Random()  # noqa: S311  # nothing secret hangs on it
        self._waiting: dict[int, Waiting] = {}
        self._not_before = 0.0  # what the receiver has asked for, or a pause
        self.failing = 0

    def __len__(self) -> int:
        """Count what waits."""
        return len(self._waiting)

    def add(self, waiting: Iterable[Waiting]) -> None:
        """Take messages, in the order of their numbers."""
        self._waiting.update((one.number, one) for one in waiting)

    def next(self, now: float) -> Waiting | None:
        """Return the message to be tried now, None where none is due; moments are in seconds since 1970."""
        if now < self._not_before:
            return None
        return next((one for one in self._first() if one.next_try_at <= now), None)

    def due_at(self) -> float | None:
        """Return when a message is due next; None where none waits."""
        first = min((one.next_try_at for one in self._first()), default=None)
        return None if first is None else max(first, self._not_before)

    def drop(self, waiting: Waiting) -> None:
        """Take out a message that waits no more."""
        self._waiting.pop(waiting.number, None)

    def succeeded(self, waiting: Waiting) -> None:
        """Take note that a message was sent: what has waited for the receiver to come back is due at once."""
        self.drop(waiting)
        if self.failing >= FAILING_TRIES:
            self._waiting = {number: replace(one, next_try_at=0.0) for number, one in self._waiting.items()}
        self.failing, self._not_before = 0, 0.0

    def failed(self, waiting: Waiting, now: float, after_seconds: float | None) -> float:
        """Take note that a try has failed, and return when the next one of this message is due.

        Args:
            waiting: the message.
            now: in seconds since 1970.
            after_seconds: for how long the receiver wants nothing; None where it has not said.
        """
        self.failing += 1
        if after_seconds is not None:
            self._not_before = max(self._not_before, now + after_seconds)
        elif self.failing >= FAILING_TRIES:
            self._not_before = now + self._backoff(self.failing - FAILING_TRIES, MAX_PAUSE_SECONDS)
        due = max(now + self._backoff(waiting.tries, MAX_BACKOFF_SECONDS), now + (after_seconds or 0.0))
        self._waiting[waiting.number] = replace(waiting, tries=waiting.tries + 1, next_try_at=due)
        return due

    def too_old(self, created_before: float) -> list[Waiting]:
        """Return the messages that have waited for too long while tries fail."""
        return [one for one in self._waiting.values() if one.created_at < created_before] if self.failing else []

    def _first(self) -> Iterator[Waiting]:
        """Yield the messages before which none waits that tells of the same incident, oldest first."""
        told_before = set[str]()
        for looked_at, one in enumerate(self._waiting.values()):
            if looked_at >= MAX_LOOKED_AT:
                return
            if told_before.isdisjoint(one.members):
                yield one
            told_before |= one.members

    def _backoff(self, tries: int, most_seconds: float) -> float:
        longest = min(MIN_BACKOFF_SECONDS * 2.0 ** min(tries, 20), most_seconds)
        return self._jitter.uniform(longest / 2, longest)
