"""Small turns for threads that compute: a check asks for the interpreter back at each of some ten system calls."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# A thread holds the interpreter for 5 ms at a time, and each call of the system that a check makes would have to wait
# for that.
TURN_SECONDS = 0.0005


class _Turns:
    """How many want small turns now, and how long others are."""

    def __init__(self) -> None:
        self.wanted = 0
        self.usual_seconds = sys.getswitchinterval()


_turns = _Turns()


@contextmanager
def in_small_turns() -> Iterator[None]:
    """Make the turns of all threads short for the time of a block; to be used in the loop's thread."""
    if not _turns.wanted:
        _turns.usual_seconds = sys.getswitchinterval()
        sys.setswitchinterval(TURN_SECONDS)
    _turns.wanted += 1
    try:
        yield
    finally:
        _turns.wanted -= 1
        if not _turns.wanted:
            sys.setswitchinterval(_turns.usual_seconds)
