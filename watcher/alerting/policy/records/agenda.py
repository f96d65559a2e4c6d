"""Orders tasks by the moment when they are due; an outdated one is recognised when it comes up."""

from __future__ import annotations

import enum
import heapq
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

# Time between two looks at conditions that change without an event: a maintenance, or a parent's state.
LOOK = timedelta(seconds=30)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Task(enum.IntEnum):
    """The kinds of tasks; those of one moment run in this order."""

    RECORD = 1  # look again at a record that waits
    PARENTS = 2  # look again at parents
    CALM = 3  # a record has been calm for long enough
    REMIND = 4  # a reminder of a group
    FLUSH = 5  # the next message of a group
    TIDY = 6  # forget a group


class Entry(NamedTuple):
    """A task, its moment, and the key that it concerns."""

    due: datetime
    task: Task
    key: str


class Agenda:
    """A heap of tasks; a task may be in it more than once, and only one of them may be valid."""

    def __init__(self) -> None:
        """Create it without tasks."""
        self._heap: list[Entry] = []

    @property
    def due_at(self) -> datetime | None:
        """The first moment; None without tasks."""
        return self._heap[0].due if self._heap else None

    def add(self, due: datetime, task: Task, key: str) -> None:
        """Add a task."""
        heapq.heappush(self._heap, Entry(due, task, key))

    def pop(self, now: datetime) -> Entry | None:
        """Remove and return the first task that is due; None if none is."""
        return heapq.heappop(self._heap) if self._heap and self._heap[0].due <= now else None


def next_look(now: datetime, every: timedelta) -> datetime:
    """Return the next moment for conditions that change without an event; it is the same after a restart."""
    return _EPOCH + ((now - _EPOCH) // every + 1) * every
