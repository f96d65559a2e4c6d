"""Estimates how many checks can be in flight at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.model.target import Target


def worst_case_workers(targets: Iterable[Target]) -> float:
    """Return the workers needed if every site hangs, by Little's law: rate times time.

    Args:
        targets: each enabled one holds a worker for all its attempts, but never longer than its interval.

    Returns:
        the mean number of checks in flight.
    """
    return sum(min(_worst_seconds(target) / target.interval_seconds, 1.0) for target in targets if target.enabled)


def complaint_about_workers(targets: Iterable[Target], max_workers: int) -> str | None:
    """Return a warning with the numbers if hanging sites would delay each other's checks; otherwise None."""
    needed = math.ceil(worst_case_workers(targets))
    if needed <= max_workers:
        return None
    return (
        f"if every site hung, checks would need {needed} workers, and MAX_WORKERS is {max_workers}: they would "
        "start late; raise it, or lower timeouts or retries"
    )


def _worst_seconds(target: Target) -> float:
    return target.timeout_seconds * (1 + target.retries) + target.retry_interval_seconds * target.retries
