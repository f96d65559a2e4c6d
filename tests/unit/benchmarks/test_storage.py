"""Figures of the outbox as rows."""

from benchmarks.outbox import Burst, Drained
from benchmarks.storage import burst_rows, drain_rows

LATE = tuple(number / 1000 for number in range(1, 101))  # 1 to 100 ms


def test_a_burst_is_shown_with_its_lateness_and_the_cost_of_a_failure() -> None:
    kept = Burst(True, 1000, 1.25, 500, LATE, 0.03)
    assert burst_rows([("kept", kept)]) == [
        ("kept", "1,000", "1.25 s", "500", "50.0 ms", "99.0 ms", "100.0 ms", "30 µs"),
    ]


def test_rates_are_compared_to_the_first() -> None:
    found = [Drained("outbox", 200, 2.0, 0.002), Drained("row by row", 50, 5.0, 0.05)]
    assert drain_rows(found) == [
        ("outbox", "200", "2.00", "100", "10 µs", "1.00"),
        ("row by row", "50", "5.00", "10", "1000 µs", "0.10"),
    ]
