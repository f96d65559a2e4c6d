"""Asserts that something takes no longer than it may, also on a slow or busy machine."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TypeVar

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

TRIES = 3
# The yardstick's time on the machine for which the tests have their bounds.
YARDSTICK_SECONDS = 0.01
YARDSTICK = "[" + "{address: 'https://a.example/', interval: 10}, " * 100 + "]"


def quickly(work: Callable[[], Result], seconds: float) -> Result:
    """Run something, and assert that the best of a few runs is within its time.

    Only the processor time of this thread counts. If it is too long, the run is repeated, and the machine's own pace is
    measured: a slower machine has proportionally more time.

    Args:
        work: does the same each time.
        seconds: how long it may take.
    """
    spent, found = _timed(work)
    for _ in range(TRIES - 1):
        if spent < seconds:
            break
        seconds_again, found = _timed(work)
        spent = min(spent, seconds_again)
    assert spent < seconds or spent < seconds * _slowness()
    return found


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long something takes, in seconds of processor time."""
    return _timed(work)[0]


def calls_of(work: Callable[[], object]) -> int:
    """Count the function calls that something makes in this thread: the same number on every machine."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


def _timed(work: Callable[[], Result]) -> tuple[float, Result]:
    begin = time.thread_time()
    found = work()
    return time.thread_time() - begin, found


def _slowness() -> float:
    """Return how many times slower this machine is, now."""
    return max(1.0, seconds_of(lambda: yaml.safe_load(YARDSTICK)) / YARDSTICK_SECONDS)
