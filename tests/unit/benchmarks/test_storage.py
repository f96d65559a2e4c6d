"""Figures of the outbox as rows."""

from benchmarks.outbox import Burst, Drained, conclusions
from benchmarks.storage import Cost, Hour, burst_rows, cost_rows, drain_rows, hour_rows

LATE = tuple(number / 1000 for number in range(1, 101))  # 1 to 100 ms


def test_a_burst_is_told_with_its_lateness_and_the_cost_of_a_failure() -> None:
    kept = Burst(True, 1000, 1.25, 500, LATE, 0.03)
    assert burst_rows([("kept", kept)]) == [
        ("kept", "1,000", "1.25 s", "500", "50.0 ms", "99.0 ms", "100.0 ms", "30 µs"),
    ]


def test_what_is_only_made_waits_for_nothing() -> None:
    made = Burst(False, 1000, 1.25, 1000, LATE, 0.01)
    assert burst_rows([("made", made)])[0][2:4] == ("-", "-")


def test_a_cost_is_told_as_a_part_of_a_core() -> None:
    assert cost_rows([Cost("a success", 38, 10e-6)]) == [("a success", "38", "10.0 µs", "0.8%")]


def test_rates_are_compared_to_the_first() -> None:
    found = [Drained("outbox", 200, 2.0, 0.002), Drained("row by row", 50, 5.0, 0.05)]
    assert drain_rows(found) == [
        ("outbox", "200", "2.00", "100", "10 µs", "1.00"),
        ("row by row", "50", "5.00", "10", "1000 µs", "0.10"),
    ]


def test_an_hour_is_told_in_words() -> None:
    hour = Hour(36_120, 32 * 2**20, 38 * 2**20, 0.028, Drained("an hour", 36_120, 1.94, 0.5))
    assert [figure for _, figure in hour_rows(hour)] == ["36,120", "32.0 MiB", "38.0 MiB", "28 ms", "1.9 s"]


def test_no_two_conclusions_are_of_the_same_check() -> None:
    found = [*conclusions(3000, failing=True), *conclusions(10, failing=True, first=3000)]
    assert len({one.outcome.check_id for one in found}) == 3010
    assert not any(one.outcome.ok for one in found)
    assert all(one.outcome.ok for one in conclusions(3, failing=False))
