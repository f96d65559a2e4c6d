"""When Python's garbage collector works, and on what: so that it never holds up the loop for long."""

from __future__ import annotations

import gc
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A full collection that takes longer has looked through what stays for good, and need not do so again.
LONG_COLLECTION_SECONDS = 0.005
# For `gc.set_threshold`. A full collection so comes after some 7,000 new objects, and not 77,000: it finds as much in
# all, in steps of a tenth. Viewers who only listen make as many within seconds.
THRESHOLDS = (700, 5, 2)


def stop_collecting() -> None:
    """Let no collection begin: not while memory only grows, and not amid 100,000 tasks that end."""
    gc.disable()


def collect_in_small_steps(long_seconds: float = LONG_COLLECTION_SECONDS) -> Callable[[str, dict[str, Any]], None]:
    """Let the collector work, on what is made from now on.

    To go through 100,000 targets and their loops takes it seconds, in which no check is made, and what each check
    leaves until the next makes it do so twice a minute. So all that there is now is set apart (`gc.freeze`), and again
    whenever a full collection has taken long: what it left is no garbage. What is set apart is freed as ever when the
    last reference goes; only a cycle that dies after that is kept.

    Args:
        long_seconds: how long a full collection may take before what it left is set apart.

    Returns:
        what is called for each collection; it stands in `gc.callbacks`.
    """
    began = 0.0

    def watch(phase: str, info: dict[str, Any]) -> None:
        nonlocal began
        if info["generation"] < 2:
            return
        if phase == "start":
            began = time.perf_counter()
        elif time.perf_counter() - began > long_seconds:
            gc.freeze()

    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.callbacks.append(watch)
    gc.enable()
    return watch


@contextmanager
def not_collecting() -> Iterator[None]:
    """Let no collection begin in the block, in which much is made that goes again by itself."""
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_collecting:
            gc.enable()
