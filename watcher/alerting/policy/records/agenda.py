"""What is due when: a heap of moments, of which those that no longer hold are found out when they come."""

from __future__ import annotations

import enum
import heapq
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

# How often that is looked at which changes without an event: a maintenance, or a parent's state.
LOOK = timedelta(seconds=30)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Task(enum.IntEnum):
    """What is to be done; of one moment, in this order."""

    RECORD = 1  # look again at a record that waits
    PARENTS = 2  # look again at what others depend on
    CALM = 3  # a record has not changed for as long as it takes to be calm
    NOTICE = 4  # look again at what concerns no incident
    REMIND = 5  # a reminder of a group
    FLUSH = 6  # the next message of a group
    TIDY = 7  # forget a group


class Entry(NamedTuple):
    """A task at a moment; whose it is."""

    due: datetime
    task: Task
    key: str


class Agenda:
    """Tasks by their moments; the same task may stand in it more than once, and only one of them may hold."""

    def __init__(self) -> None:
        """Begin with none."""
        self._heap: list[Entry] = []

    @property
    def due_at(self) -> datetime | None:
        """The first moment, None where there is none."""
        return self._heap[0].due if self._heap else None

    def add(self, due: datetime, task: Task, key: str) -> None:
        """Put a task in."""
        heapq.heappush(self._heap, Entry(due, task, key))

    def pop(self, now: datetime) -> Entry | None:
        """Take out the first task that is due, None where none is."""
        return heapq.heappop(self._heap) if self._heap and self._heap[0].due <= now else None


def next_look(now: datetime, every: timedelta) -> datetime:
    """Return the next moment of looking at what changes without an event: the same ones after a restart."""
    return _EPOCH + ((now - _EPOCH) // every + 1) * every
