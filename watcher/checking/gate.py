"""What checks pass before they begin, where several replicas share the targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

# Whoever is woken for its slot enters so much later at most, unless the loop stands still.
ENTER_SECONDS = 0.25


class Gate:
    """It is shut while it is not known whose the targets are, and knows which slots have been checked."""

    def __init__(self, is_open: Callable[[str], bool], opened: Callable[[str], Awaitable[None]]) -> None:
        """Make a gate.

        Args:
            is_open: asked before each check, with the target's name.
            opened: waited for where it is not; a loop that ends meanwhile is let go.
        """
        self._is_open = is_open
        self._opened = opened
        # The slots in which checks wait or are under way; one a loop.
        self._slots: dict[Hashable, float] = {}

    async def enter(self, loop: Hashable, name: str, due: float) -> None:
        """Let a loop begin a check, as soon as the gate is open.

        Args:
            loop: which.
            name: of its target.
            due: its slot, in seconds since 1970.
        """
        self._slots[loop] = due
        if not self._is_open(name):
            await self._opened(name)

    def leave(self, loop: Hashable) -> None:
        """Take note that a loop's check is done, or that the loop has ended."""
        self._slots.pop(loop, None)

    def checked_until(self, now: float, next_due: float) -> float:
        """Return until which slot all have been checked, in seconds since 1970.

        A check that was cancelled in the middle counts as not done.

        Args:
            now: the time.
            next_due: the next slot for which anybody is to be woken.
        """
        return min(next_due, now - ENTER_SECONDS, *self._slots.values())
