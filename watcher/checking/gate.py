"""Holds checks back while several replicas settle which of them owns the targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

# The maximum delay between waking for a slot and entering, unless the loop stands still.
ENTER_SECONDS = 0.25


class Gate:
    """Is closed while the owner of the targets is unknown, and knows which slots have been checked."""

    def __init__(self, is_open: Callable[[str], bool], opened: Callable[[str], Awaitable[None]]) -> None:
        """Create a gate.

        Args:
            is_open: called before each check with the target's name; returns whether the check may start.
            opened: awaited if it may not; may return without opening when a loop ends meanwhile.
        """
        self._is_open = is_open
        self._opened = opened
        # The slots of checks that wait or run, one for each loop.
        self._slots: dict[Hashable, float] = {}

    async def enter(self, loop: Hashable, name: str, due: float) -> None:
        """Wait until the gate is open and a loop may start a check.

        Args:
            loop: the loop.
            name: of its target.
            due: its slot, in seconds since 1970.
        """
        self._slots[loop] = due
        if not self._is_open(name):
            await self._opened(name)

    def leave(self, loop: Hashable) -> None:
        """Record that a loop's check is done, or that the loop has ended."""
        self._slots.pop(loop, None)

    def checked_until(self, now: float, next_due: float) -> float:
        """Return the slot up to which all slots have been checked, in seconds since 1970.

        A check that was cancelled halfway counts as not done.

        Args:
            now: the time.
            next_due: the next slot that any loop is to be woken for.
        """
        return min(next_due, now - ENTER_SECONDS, *self._slots.values())
