"""How many workers the worst case needs."""

import pytest

from tests.doubles import a_target
from watcher.model.load import worst_case_workers
from watcher.model.target import Target


@pytest.mark.parametrize(
    ("targets", "workers"),
    [
        ([], 0),
        ([a_target(interval_seconds=10, timeout_seconds=5)], 0.5),
        ([a_target(interval_seconds=10, timeout_seconds=10)] * 20, 20),
        ([a_target(interval_seconds=10, timeout_seconds=2, retries=2, retry_interval_seconds=1)], 0.8),
        # It never needs more than one: a slot that comes during a check is skipped.
        ([a_target(interval_seconds=10, timeout_seconds=10, retries=5)], 1),
    ],
)
def test_rate_times_time(targets: list[Target], workers: float) -> None:
    assert worst_case_workers(targets) == pytest.approx(workers)
