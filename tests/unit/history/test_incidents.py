"""Incidents and flapping, derived from histories of a letter a minute."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import MOMENT
from tests.unit.history.histories import MINUTE, STATES, timeline_of
from watcher.history.incidents import FLAPPING_FLIPS, Flapping, Incident, entries, flapping, incidents
from watcher.history.uptime import Uptime
from watcher.model.state import State

HISTORIES = st.text("".join(STATES), min_size=1, max_size=60)


def minute(moment: datetime | None) -> float | None:
    """Return how many minutes after MOMENT it is."""
    return None if moment is None else (moment - MOMENT) / MINUTE


def spans(letters: str, skip: int = 0) -> list[tuple[float | None, float | None, float, bool]]:
    """Return the start, the end, the minutes down and the exactness of the end of each incident."""
    return [
        (minute(incident.start), minute(incident.end), incident.down_seconds / 60, incident.end_is_exact)
        for incident in incidents(timeline_of(letters, skip=skip))
    ]


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("UUUU", []),
        ("..??mp", []),
        ("UUDDUU", [(2, 4, 2, True)]),
        ("UUDDgg", [(2, 4, 2, True)]),
        ("UDUDDU", [(1, 2, 1, True), (3, 5, 2, True)]),
        ("UUDD", [(2, None, 2, True)]),
        ("UDD??DDU", [(1, 7, 4, True)]),
        ("UDDmmDDU", [(1, 7, 4, True)]),
        ("UDDppDDU", [(1, 7, 4, True)]),
        ("UDm?pDU", [(1, 6, 2, True)]),
        ("UD.DU", [(1, 4, 2, True)]),
        ("UDD??UU", [(1, 3, 2, False)]),
        ("UDD?pgU", [(1, 3, 2, False)]),
        ("UDD?D?UU", [(1, 5, 3, False)]),
        ("UDD??", [(1, None, 2, True)]),
        ("UDDmm", [(1, None, 2, True)]),
        ("UDDpp", [(1, 3, 2, False)]),
        ("UDDp?", [(1, 3, 2, False)]),
        ("UDDpDD", [(1, None, 4, True)]),
        ("?DDU", [(1, 3, 2, True)]),
    ],
)
def test_incidents(letters: str, expected: list[tuple[float, float | None, float, bool]]) -> None:
    assert spans(letters) == expected


def test_an_incident_from_before_the_window_has_its_true_start() -> None:
    [incident] = incidents(timeline_of("UDDDDU", skip=3))
    assert minute(incident.start) == 1
    assert (incident.length_seconds, incident.down_seconds) == (240, 240)
    assert incident.cause is not None
    assert incident.cause.detail == "minute 1"


def test_the_length_has_the_gaps_and_the_cause_is_the_first() -> None:
    [incident] = incidents(timeline_of("UD???DU"))
    assert (incident.length_seconds, incident.down_seconds) == (300, 120)
    assert incident.cause is not None
    assert incident.cause.detail == "minute 1"


def test_one_that_goes_on_is_as_long_as_is_known() -> None:
    [incident] = incidents(timeline_of("UDD?????"))
    assert (incident.end, incident.length_seconds) == (None, 120)


@given(HISTORIES)
def test_incidents_have_all_the_time_down_and_none_of_the_time_up(letters: str) -> None:
    timeline = timeline_of(letters)
    found = incidents(timeline)
    assert sum(one.down_seconds for one in found) == Uptime.of(timeline).seconds[State.DOWN]
    for one in found:
        begin, end = minute(one.start), minute(one.end or timeline.until)
        inside = letters[int(begin or 0) : int(end or 0)]
        assert inside[0] == "D"
        assert set(inside) <= set("D?mp.")
        if one.end is not None:
            assert inside[-1] == "D"
        assert one.down_seconds == inside.count("D") * 60


def test_more_flips_than_are_bearable_are_one_entry() -> None:
    letters = "UUDUDUDUDUU" + "U" * 90 + "DDU"
    [run, incident] = entries(timeline_of(letters))
    assert isinstance(run, Flapping)
    assert (minute(run.start), minute(run.end), run.flips) == (2, 9, 8)
    assert (len(run.incidents), run.down_seconds) == (4, 240)
    assert isinstance(incident, Incident)
    assert minute(incident.start) == 101


def test_as_many_flips_as_are_bearable_are_incidents() -> None:
    assert len(entries(timeline_of("UDUDUDU"))) == 3  # six flips
    assert len(entries(timeline_of("UDUDUDUD"))) == 2  # seven, the last of which starts an incident that goes on


def test_flips_that_are_an_hour_apart_are_not_flapping() -> None:
    outages = "U" + ("D" * 10 + "U" * 10) * 3
    assert flapping(timeline_of(f"{outages}D")) != []  # seven flips in 60 minutes
    assert flapping(timeline_of(f"{outages}UD")) == []  # and in 61


def test_degraded_states_and_gaps_are_not_flips() -> None:
    assert flapping(timeline_of("Ug" * 20)) == []
    assert flapping(timeline_of("D?" * 20)) == []
    assert flapping(timeline_of("D?U?" * 20)) != []


def test_times_of_flapping_that_overlap_are_one() -> None:
    letters = "UD" * 30 + "U" * 120 + "DU" * 10
    first, second = flapping(timeline_of(letters))
    assert (minute(first.start), minute(first.end), first.flips) == (1, 60, 60)
    assert (minute(second.start), second.flips) == (180, 20)


def test_an_incident_longer_than_the_flapping_is_separate() -> None:
    run, last = entries(timeline_of("UD" * 10 + "D" * 300 + "U"))
    assert isinstance(run, Flapping)
    assert isinstance(last, Incident)
    assert last.start == run.end


@given(HISTORIES, st.integers(0, 4), st.integers(1, 30))
def test_flapping_is_where_any_window_has_too_many_flips(letters: str, flips: int, minutes: int) -> None:
    known = [(number, letter == "D") for number, letter in enumerate(letters) if letter in "UgD"]
    moments = [known[i][0] for i in range(1, len(known)) if known[i][1] != known[i - 1][1]]
    crowded = set()
    for first in moments:
        within = [moment for moment in moments if first <= moment <= first + minutes]
        if len(within) > flips:
            crowded |= set(within)
    runs = flapping(timeline_of(letters), flips=flips, window=timedelta(minutes=minutes))
    flapped = {moment for run in runs for moment in moments if run.start <= MOMENT + moment * MINUTE <= run.end}
    assert flapped == crowded
    assert sum(run.flips for run in runs) == len(crowded)


@given(HISTORIES)
def test_no_incident_is_lost_in_the_entries(letters: str) -> None:
    timeline = timeline_of(letters * 5)
    told = entries(timeline)
    inside = [one for entry in told if isinstance(entry, Flapping) for one in entry.incidents]
    alone = [entry for entry in told if isinstance(entry, Incident)]
    assert sorted([*alone, *inside], key=lambda one: one.start) == incidents(timeline)
    assert all(entry.flips > FLAPPING_FLIPS for entry in told if isinstance(entry, Flapping))
