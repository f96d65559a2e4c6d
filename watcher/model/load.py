"""How many checks can be in flight at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.model.target import Target


def worst_case_workers(targets: Iterable[Target]) -> float:
    """Say how many workers it takes when every site hangs, by Little's law: rate times time.

    Args:
        targets: each that is enabled holds a worker for all its attempts, but never longer than its interval.

    Returns:
        the mean number of checks in flight.
    """
    return sum(min(_worst_seconds(target) / target.interval_seconds, 1.0) for target in targets if target.enabled)


def _worst_seconds(target: Target) -> float:
    return target.timeout_seconds * (1 + target.retries) + target.retry_interval_seconds * target.retries
