"""Controls when Python's garbage collector runs, and on which objects, so that it never blocks the loop for long."""

from __future__ import annotations

import gc
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# After a longer full collection, the surviving objects are frozen, so that the collector does not visit them again.
LONG_COLLECTION_SECONDS = 0.005
# For `gc.set_threshold`. A full collection comes after some 7,000 new objects instead of 77,000: in total it finds as
# much, in steps a tenth as large. Viewers who only listen make as many objects within seconds.
THRESHOLDS = (700, 5, 2)


def stop_collecting() -> None:
    """Stop collecting, while memory only grows or 100,000 tasks end."""
    gc.disable()


def collect_in_small_steps(long_seconds: float = LONG_COLLECTION_SECONDS) -> Callable[[str, dict[str, Any]], None]:
    """Run the collector on new objects only.

    Visiting 100,000 targets and their loops takes it seconds, during which no check runs, and the objects that each
    check keeps until the next would trigger it twice a minute. So all present objects are frozen (`gc.freeze`), and
    again whenever a full collection has taken long, since its survivors are not garbage. Frozen objects are freed as
    usual when their last reference goes; only a cycle that dies later stays in memory.

    Args:
        long_seconds: a full collection that takes longer freezes its survivors.

    Returns:
        the function that is called for each collection; it is in `gc.callbacks`.
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
    """Do not collect in the block, which makes many objects that are freed without the collector."""
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_collecting:
            gc.enable()
