"""Lateness, from the lines of a log and the slots of a schedule."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.lateness import Lateness, lateness_of
from benchmarks.workload import Kind, Workload
from watcher.checking.scheduling.schedule import Schedule
from watcher.text.timestamps import timestamp

WORKLOAD = Workload(Kind.HTTP, targets=2, rate=1)
PORTS = {Kind.HTTP: 8080}
NAME = WORKLOAD.addresses(PORTS)[1]
SLOT = 1_800_000_000 + Schedule.of(NAME, WORKLOAD.interval_seconds).offset_seconds


@pytest.mark.parametrize(
    ("starts", "window", "slots", "late", "missed", "twice"),
    [
        pytest.param([0.0], (-0.1, 1.9), 1, [0.0], 0, 0, id="in time"),
        pytest.param([1.5], (-0.1, 1.9), 1, [1.5], 0, 0, id="late"),
        # The log cuts times to milliseconds: that is not almost an interval late.
        pytest.param([-0.001], (-0.1, 1.9), 1, [-0.001], 0, 0, id="early"),
        # The last starts after the window, but its slot is in it; the first slot is before it.
        pytest.param([0.01, 2.01, 4.01, 6.01, 8.01], (0.005, 6.005), 3, [0.01] * 3, 0, 0, id="by slots"),
        pytest.param([0.0, 4.0], (-0.1, 5.9), 3, [0.0, 0.0], 1, 0, id="missed"),
        # Two checks of one slot do not hide one that is missed.
        pytest.param([0.0, 0.5, 4.0], (-0.1, 5.9), 3, [0.0, 0.5, 0.0], 1, 1, id="twice"),
    ],
)
def test_the_checks_of_a_window_are_found_by_their_slots(
    tmp_path: Path,
    starts: list[float],
    window: tuple[float, float],
    slots: int,
    late: list[float],
    missed: int,
    twice: int,
) -> None:
    lines = [f'{timestamp(datetime.fromtimestamp(SLOT + at, UTC))} success target="{NAME}" status=200' for at in starts]
    (tmp_path / "monitor.log").write_text("\n".join([*lines, "half a line"]))
    begin, end = (SLOT + at for at in window)
    found = lateness_of([tmp_path / "monitor.log"], WORKLOAD, PORTS, begin, end, skipped=1)
    assert (found.slots, found.missed, found.twice) == (slots, missed, twice)
    assert found.seconds == pytest.approx(late, abs=0.0011)


def test_the_cells_have_the_nearest_rank() -> None:
    cells = Lateness(101, [number / 1000 for number in range(1, 101)]).cells()
    assert [cells[name] for name in ("p50", "p99", "most")] == ["50 ms", "99 ms", "100 ms"]
    assert cells["slots without a success"] == "1 of 101"
