"""Which message of a channel is tried next, and when; pure, with no clock of its own.

Moments are those of a steady clock, so that no leap of the wall clock makes anything wait for longer. Only what is read
from rows is in seconds since 1970: it is converted when it is taken in.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from watcher.alerting.messages import Waiting

MIN_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 300.0
# After so many tries in a row that failed it is the receiver, not a message: all messages wait for it, at most so long.
FAILING_TRIES = 3
MAX_PAUSE_SECONDS = 10.0
# What a receiver may ask for at most; nothing else waits for longer, so that a moment further ahead is a wrong clock's.
MAX_ASKED_SECONDS = 3600.0
# The bound of the messages that are looked through for one that may overtake: each look takes less than a millisecond.
MAX_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class _Queued:
    """A message, since when it waits, and when it is due, both on the steady clock."""

    waiting: Waiting
    since: float
    due: float


class SendingQueue:
    """The messages of a channel that wait to be sent: oldest first, each after those that tell of the same incident.

    Attributes:
        failing: how many tries in a row have failed.
    """

    def __init__(self, jitter: random.Random | None = None) -> None:
        """Begin with none; `jitter` is what backoff is drawn from."""
        self._jitter = jitter or random.Random()  # noqa: S311  # nothing secret hangs on it
        self._waiting: dict[int, _Queued] = {}
        self._not_before = -math.inf  # what the receiver has asked for, or a pause
        self.failing = 0

    def __len__(self) -> int:
        """Count what waits."""
        return len(self._waiting)

    def add(self, waiting: Iterable[Waiting], now: float, wall: float) -> None:
        """Take messages, in the order of their numbers.

        Args:
            waiting: as the rows have them; what lies further ahead than anything waits was written by a wrong clock.
            now: in seconds, as all moments here.
            wall: the same moment, in seconds since 1970.
        """
        for one in waiting:
            wait = one.next_try_at - wall
            due = now + (wait if wait <= MAX_ASKED_SECONDS else 0.0)
            self._waiting[one.number] = _Queued(one, now - max(wall - one.created_at, 0.0), due)

    def next(self, now: float) -> Waiting | None:
        """Return the message to be tried now, None where none is due."""
        if now < self._not_before:
            return None
        return next((one.waiting for one in self._first() if one.due <= now), None)

    def due_at(self) -> float | None:
        """Return when a message is due next; None where none waits."""
        first = min((one.due for one in self._first()), default=None)
        return None if first is None else max(first, self._not_before)

    def drop(self, waiting: Waiting) -> None:
        """Take out a message that waits no more."""
        self._waiting.pop(waiting.number, None)

    def succeeded(self, waiting: Waiting) -> None:
        """Take note that a message was sent: what has waited for the receiver to come back is due at once."""
        self.drop(waiting)
        if self.failing >= FAILING_TRIES:
            self._waiting = {number: replace(one, due=-math.inf) for number, one in self._waiting.items()}
        self.failing, self._not_before = 0, -math.inf

    def failed(
        self, waiting: Waiting, now: float, after_seconds: float | None, give_up_after_seconds: float = math.inf
    ) -> float:
        """Take note that a try has failed, and return when the next one of this message is due.

        Args:
            waiting: the message, one of those here.
            now: in seconds.
            after_seconds: for how long the receiver wants nothing; None where it has not said.
            give_up_after_seconds: how old a message is tried at the latest.

        Returns:
            the moment, never past that at which the message is too old; `now` where no other try comes before that.
        """
        self.failing += 1
        queued, asked = self._waiting[waiting.number], min(after_seconds or 0.0, MAX_ASKED_SECONDS)
        backoff, last = self._backoff(waiting.tries, MAX_BACKOFF_SECONDS), queued.since + give_up_after_seconds
        due = min(now + max(backoff, asked), last) if now + backoff <= last else now
        if after_seconds is not None:
            # Not past the last try of any: it would be given up untried.
            last_tries = (one.since + give_up_after_seconds for one in self._first() if one is not queued or due > now)
            until = min((moment for moment in last_tries if moment > now), default=math.inf)
            self._not_before = min(max(self._not_before, now + asked), until)
        elif self.failing >= FAILING_TRIES:
            self._not_before = now + self._backoff(self.failing - FAILING_TRIES, MAX_PAUSE_SECONDS)
        self._waiting[waiting.number] = replace(queued, waiting=replace(waiting, tries=waiting.tries + 1), due=due)
        return due

    def too_old(self, since_before: float) -> list[Waiting]:
        """Return the messages that have waited for too long while tries fail."""
        return [one.waiting for one in self._waiting.values() if one.since < since_before] if self.failing else []

    def _first(self) -> Iterator[_Queued]:
        """Yield the messages before which none waits that tells of the same incident, oldest first."""
        told_before = set[str]()
        for looked_at, one in enumerate(self._waiting.values()):
            if looked_at >= MAX_LOOKED_AT:
                return
            if told_before.isdisjoint(one.waiting.members):
                yield one
            told_before |= one.waiting.members

    def _backoff(self, tries: int, most_seconds: float) -> float:
        longest = min(MIN_BACKOFF_SECONDS * 2.0 ** min(tries, 20), most_seconds)
        return self._jitter.uniform(longest / 2, longest)
