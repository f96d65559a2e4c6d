"""The minutes of the rollups: no measurement is lost or counted twice."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.doubles import a_failure, an_outcome
from watcher.history.rollup import measurement_of
from watcher.outbox.minutes import ALL_MINUTES, MAX_ROLLUPS_IN_ENTRY, MINUTE_SECONDS, close_minutes, open_minute
from watcher.outbox.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from watcher.model.outcome import Outcome

MINUTE = 29_000_000
NOW = float(MINUTE * MINUTE_SECONDS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    with closing(Outbox(path)) as outbox:
        yield outbox


def measure(outbox: Outbox, now: float, *outcomes: Outcome) -> None:
    """Keep conclusions, as the outbox writer does."""
    measurements = json.dumps([measurement_of(outcome) for outcome in outcomes])
    outbox.append([], now=now, minute=open_minute(outbox, now), measurements=measurements)


def close(outbox: Outbox, now: float) -> None:
    """Close past minutes, as the outbox writer does now and then."""
    close_minutes(outbox, now, before_minute=int(now // MINUTE_SECONDS))


def rollups(outbox: Outbox) -> list[dict[str, Any]]:
    return [row for entry in outbox.peek(10**6, 10**12) for row in json.loads(entry.payload)]


def keys(outbox: Outbox) -> list[tuple[object, ...]]:
    """Return the columns by which PostgreSQL distinguishes rollups."""
    return [(row["target"], row["location"], row["began_at"], row["part"]) for row in rollups(outbox)]


def checks(outbox: Outbox) -> Counter[str]:
    """Return how many checks of each target are in rollups and in the journal."""
    counted = Counter[str]()
    for row in rollups(outbox):
        counted[row["target"]] += sum(row["results"].values())
    for _, _, payload in outbox.journal(ALL_MINUTES):
        counted.update(target for target, *_ in json.loads(payload))
    return counted


def test_a_minute_becomes_one_rollup_a_target_when_it_is_over(outbox: Outbox) -> None:
    measure(outbox, NOW, an_outcome("a"), a_failure("b"))
    measure(outbox, NOW + 30, an_outcome("a", duration_seconds=0.5), an_outcome("a", location="vienna"))
    close(outbox, NOW + 59.9)
    assert rollups(outbox) == [], "it goes on"
    close(outbox, NOW + 60)
    found = {(row["target"], row["location"]): row for row in rollups(outbox)}
    assert set(found) == {("a", "default"), ("a", "vienna"), ("b", "default")}
    row = found["a", "default"]
    assert row["began_at"] == datetime.fromtimestamp(NOW, UTC).isoformat()
    assert row["part"] == outbox.meta("part")
    assert row["results"] == {"up": 2}
    assert row["sums_ms"][0] == pytest.approx(643.2)
    assert (row["mins_ms"][0], row["maxs_ms"][0]) == (pytest.approx(143.2), pytest.approx(500))
    assert found["b", "default"]["results"] == {"status": 1}
    assert outbox.journal(ALL_MINUTES) == []
    close(outbox, NOW + 60)
    assert len(rollups(outbox)) == 3


def test_rollups_come_when_the_minute_is_over_and_so_are_as_old_as_that(outbox: Outbox) -> None:
    measure(outbox, NOW, an_outcome("a"))
    close(outbox, NOW + 75)
    [entry] = outbox.peek(10, 10**6)
    assert (entry.kind, entry.created_at) == ("rollups", NOW + 75)


def test_several_minutes_are_closed_in_their_order(outbox: Outbox) -> None:
    for minute in range(3):
        measure(outbox, NOW + 60 * minute, an_outcome("a"))
    close(outbox, NOW + 600)
    times = [row["began_at"] for row in rollups(outbox)]
    assert times == sorted(set(times))
    assert len(times) == 3


def test_many_targets_become_several_entries(outbox: Outbox) -> None:
    names = [f"site {number}" for number in range(MAX_ROLLUPS_IN_ENTRY + 1)]
    measure(outbox, NOW, *map(an_outcome, names))
    close(outbox, NOW + 60)
    assert [len(json.loads(entry.payload)) for entry in outbox.peek(10, 10**12)] == [MAX_ROLLUPS_IN_ENTRY, 1]
    assert [row["target"] for row in rollups(outbox)] == names


def test_minutes_cut_by_a_crash_are_rolled_up_at_the_next_start(path: Path, outbox: Outbox) -> None:
    measure(outbox, NOW, an_outcome("a"), an_outcome("b"))
    with closing(Outbox(path)) as another:  # the first is not closed: memory is empty
        measure(another, NOW + 30, an_outcome("a"))
        close(another, NOW + 60)
        assert checks(another) == {"a": 2, "b": 1}
    with closing(Outbox(path)) as another:
        close(another, NOW + 61)
        assert checks(another) == {"a": 2, "b": 1}
        assert len(set(keys(another))) == len(keys(another)) == 2


def test_a_minute_that_comes_once_more_becomes_another_part(outbox: Outbox) -> None:
    measure(outbox, NOW, an_outcome("a"))
    measure(outbox, NOW + 120, an_outcome("a"))
    close(outbox, NOW + 180)
    measure(outbox, NOW + 200, an_outcome("a"))
    first_part = outbox.meta("part")
    measure(outbox, NOW + 30, an_outcome("a"))  # the clock was set back
    assert outbox.meta("part") != first_part
    measure(outbox, NOW + 125, an_outcome("a"))
    measure(outbox, NOW + 205, an_outcome("a"))
    close(outbox, NOW + 600)
    assert checks(outbox) == {"a": 6}
    assert len(set(keys(outbox))) == len(keys(outbox)) == 6


def test_a_clock_that_was_set_back_within_the_open_minute_changes_nothing(outbox: Outbox) -> None:
    part = outbox.meta("part")
    measure(outbox, NOW + 50, an_outcome("a"))
    measure(outbox, NOW + 10, an_outcome("a"))
    close(outbox, NOW + 60)
    assert outbox.meta("part") == part
    assert [row["results"] for row in rollups(outbox)] == [{"up": 2}]


def test_measurements_that_cannot_be_read_hold_up_no_others(path: Path, outbox: Outbox) -> None:
    measure(outbox, NOW, an_outcome("a"))
    measure(outbox, NOW, an_outcome("b"))
    measure(outbox, NOW, an_outcome("c"))
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE journal SET payload = replace(payload, '\"b\"', '\"b') WHERE payload LIKE '%\"b\"%'")
        database.execute("UPDATE journal SET payload = '7' WHERE payload LIKE '%\"c\"%'")
        database.commit()
    close(outbox, NOW + 60)
    assert checks(outbox) == {"a": 1}


# The steps of the clock, in seconds, and what happens then.
STEPS = st.tuples(
    st.sampled_from([0.0, 5.0, 30.0, 61.0, 600.0, -5.0, -61.0, -300.0, -4000.0]),
    st.sampled_from(["measure", "measure", "close", "crash", "drain"]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=30))
@pytest.mark.slow
def test_whatever_the_clock_does_each_check_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, str]]
) -> None:
    path = tmp_path_factory.mktemp("outbox") / "outbox.sqlite"
    outbox, now, measured, stored = Outbox(path), NOW, Counter[str](), dict[tuple[object, ...], int]()
    opened = [outbox]

    def drain() -> None:
        for row in rollups(outbox):
            key = (row["target"], row["location"], row["began_at"], row["part"])
            assert key not in stored, "PostgreSQL would take two rollups for one"
            stored[key] = sum(row["results"].values())
        outbox.remove(outbox.peek(10**6, 10**12))

    for step, what in steps:
        now += step
        if what == "measure":
            measure(outbox, now, an_outcome("a"), a_failure("b"))
            measured.update("ab")
        elif what == "close":
            close(outbox, now)
        elif what == "crash":
            outbox = Outbox(path)
            opened.append(outbox)
        else:
            drain()
    close_minutes(outbox, now, before_minute=ALL_MINUTES)
    drain()
    counted = Counter[str]()
    for (target, *_), count in stored.items():
        counted[str(target)] += count
    assert counted == measured
    for one in opened:
        one.close()
