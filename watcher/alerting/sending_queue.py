"""Chooses the next message of a channel to try, and when. Pure, without a clock of its own.

Moments are those of a steady clock, so that a leap of the wall clock delays nothing. Only the rows have seconds since
1970; they are converted when they are added.
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
# After so many failed tries in a row the receiver is at fault, not a message: all messages wait, at most so long.
FAILING_TRIES = 3
MAX_PAUSE_SECONDS = 10.0
# The longest wait that a receiver can ask for. Nothing waits longer: a later moment comes from a wrong clock.
MAX_ASKED_SECONDS = 3600.0
# The messages searched for one that may overtake: each search takes less than a millisecond.
MAX_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class _Queued:
    """A message, since when it waits, and when it is due, on the steady clock."""

    waiting: Waiting
    since: float
    due: float


class SendingQueue:
    """The waiting messages of a channel: oldest first, each after those about the same incident.

    Attributes:
        failing: the number of failed tries in a row.
    """

    def __init__(self, jitter: random.Random | None = None) -> None:
        """Create an empty queue; `jitter` is the source of random backoff."""
        self._jitter = jitter or random.Random()  # noqa: S311  # nothing secret hangs on it
        self._waiting: dict[int, _Queued] = {}
        self._not_before = -math.inf  # asked for by the receiver, or a pause
        self.failing = 0

    def __len__(self) -> int:
        """Return the number of waiting messages."""
        return len(self._waiting)

    def add(self, waiting: Iterable[Waiting], now: float, wall: float) -> None:
        """Add messages in the order of their numbers.

        Args:
            waiting: as stored; a moment later than the longest wait was written by a wrong clock.
            now: in seconds, like all moments here.
            wall: the same moment, in seconds since 1970.
        """
        for one in waiting:
            wait = one.next_try_at - wall
            due = now + (wait if wait <= MAX_ASKED_SECONDS else 0.0)
            self._waiting[one.number] = _Queued(one, now - max(wall - one.created_at, 0.0), due)

    def next(self, now: float) -> Waiting | None:
        """Return the message to try now; None if none is due."""
        if now < self._not_before:
            return None
        return next((one.waiting for one in self._first() if one.due <= now), None)

    def due_at(self) -> float | None:
        """Return when the next message is due; None if none waits."""
        first = min((one.due for one in self._first()), default=None)
        return None if first is None else max(first, self._not_before)

    def drop(self, waiting: Waiting) -> None:
        """Remove a message that no longer waits."""
        self._waiting.pop(waiting.number, None)

    def succeeded(self, waiting: Waiting) -> None:
        """Record that a message was sent: those that waited for the receiver are due at once."""
        self.drop(waiting)
        if self.failing >= FAILING_TRIES:
            self._waiting = {number: replace(one, due=-math.inf) for number, one in self._waiting.items()}
        self.failing, self._not_before = 0, -math.inf

    def failed(
        self, waiting: Waiting, now: float, after_seconds: float | None, give_up_after_seconds: float = math.inf
    ) -> float:
        """Record that a try has failed; return when the next try of this message is due.

        Args:
            waiting: the message, in this queue.
            now: in seconds.
            after_seconds: how long the receiver asks to wait; None if it does not say.
            give_up_after_seconds: the age at which a message is given up.

        Returns:
            the moment, at the latest when the message is too old; `now` if it has no other try before that.
        """
        self.failing += 1
        queued, asked = self._waiting[waiting.number], min(after_seconds or 0.0, MAX_ASKED_SECONDS)
        backoff, last = self._backoff(waiting.tries, MAX_BACKOFF_SECONDS), queued.since + give_up_after_seconds
        due = min(now + max(backoff, asked), last) if now + backoff <= last else now
        if after_seconds is not None:
            # Not past the last try of any message: it would be given up untried.
            last_tries = (one.since + give_up_after_seconds for one in self._first() if one is not queued or due > now)
            until = min((moment for moment in last_tries if moment > now), default=math.inf)
            self._not_before = min(max(self._not_before, now + asked), until)
        elif self.failing >= FAILING_TRIES:
            self._not_before = now + self._backoff(self.failing - FAILING_TRIES, MAX_PAUSE_SECONDS)
        self._waiting[waiting.number] = replace(queued, waiting=replace(waiting, tries=waiting.tries + 1), due=due)
        return due

    def too_old(self, since_before: float) -> list[Waiting]:
        """Return the messages that have waited too long while tries fail."""
        return [one.waiting for one in self._waiting.values() if one.since < since_before] if self.failing else []

    def _first(self) -> Iterator[_Queued]:
        """Yield the messages that no earlier one about the same incident holds up, oldest first."""
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
