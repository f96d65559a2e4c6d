"""Shortens the interpreter turns of computing threads: a check needs the interpreter back after each system call."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# A thread holds the interpreter for 5 ms at a time, and a check would wait that long at each of its some ten system
# calls.
TURN_SECONDS = 0.0005


class _Turns:
    """How many blocks want small turns now, and the usual length of a turn."""

    def __init__(self) -> None:
        self.wanted = 0
        self.usual_seconds = sys.getswitchinterval()


_turns = _Turns()


@contextmanager
def in_small_turns() -> Iterator[None]:
    """Shorten the turns of all threads during a block; call it in the loop's thread."""
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
