"""What a report says, to people and to programs; and how a status looks."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import MOMENT
from tests.unit.history.histories import timeline_of
from watcher.cli.views.report_page import MAX_SHOWN_ENTRIES, page
from watcher.cli.views.status_lines import status_lines
from watcher.cli.views.wording import sparkline
from watcher.history.incidents import entries
from watcher.history.present_state import FINE, STALE_AFTER, Present, that_count
from watcher.history.rollup import Rollup
from watcher.history.uptime import Uptime
from watcher.model.state import State
from watcher.model.wording import duration
from watcher.reporting.report_forms import TargetReport, csv_document, json_document, reports_as_csv, reports_as_json

NO_PHASES = (None,) * 5
TARGET_KEYS = ["target", "location", "address", "group", "watched", "uptime_percent", "known_ms"]
TARGET_KEYS += [f"{state}_ms" for state in State] + ["checks", "failures", "percentiles_ms", "incidents"]
ENTRY_KEYS = ["kind", "start", "end", "end_is_exact", "length_ms", "down_ms", "reason", "detail", "flips", "incidents"]


def a_present(target: str = "Checkout", state: State = State.UP, **changes: Any) -> Present:
    """Return the standing of a target."""
    values = {"location": "default", "address": "https://shop.example/", "group": None, "since": MOMENT}
    return Present(target=target, state=state, **{**values, "reason": None, "detail": None, **changes})


def a_report(letters: str = "UUUU", target: str = "Checkout", **changes: Any) -> TargetReport:
    """Return the report of a history of checks that took 100 ms each."""
    timeline = timeline_of(letters)
    results = changes.pop("results", {"up": 10})
    checks = sum(results.values())
    rollup = Rollup(results, (checks * 100.0, *NO_PHASES), (100.0, *NO_PHASES), (100.0, *NO_PHASES), {100: checks})
    present = a_present(target, **changes)
    return TargetReport(present, Uptime.of(timeline), entries(timeline), rollup, [100.0, None, 50.0])


def page_of(*reports: TargetReport) -> str:
    """Return the page as text."""
    return "\n".join(line.plain for line in page(reports, MOMENT, MOMENT + timedelta(days=7)))


def json_of(*reports: TargetReport) -> dict[str, Any]:
    """Return the JSON document as a program reads it."""
    document: dict[str, Any] = json.loads(
        json_document([reports_as_json(reports)], MOMENT, MOMENT + timedelta(hours=1))
    )
    return document


def rows_of(*reports: TargetReport) -> list[dict[str, str]]:
    """Return the rows of the CSV."""
    return list(csv.DictReader(csv_document([reports_as_csv(reports)]).splitlines()))


def test_the_keys_of_json_are_always_there() -> None:
    flapping = a_report("UD" * 20 + "U" * 70 + "D??")
    document = json_of(flapping, a_report())
    assert list(document) == ["since", "until", "targets"]
    assert document["since"] == "2026-11-23T15:20:55.857Z"
    assert [list(target) for target in document["targets"]] == [TARGET_KEYS] * 2
    run, incident = document["targets"][0]["incidents"]
    assert list(run) == list(incident) == ENTRY_KEYS
    assert (run["kind"], run["flips"], run["reason"]) == ("flapping", 40, None)
    assert (incident["kind"], incident["end"], incident["flips"]) == ("incident", None, None)
    assert (incident["reason"], incident["detail"], incident["down_ms"]) == ("status", "minute 110", 60_000)
    assert json_of()["targets"] == []


def test_the_numbers_of_json() -> None:
    [target] = json_of(a_report("UUDU??", results={"up": 7, "timeout": 1, "status": 2}))["targets"]
    assert (target["uptime_percent"], target["known_ms"], target["unknown_ms"]) == (75.0, 240_000, 120_000)
    assert (target["checks"], target["failures"]) == (10, {"status": 2, "timeout": 1})
    assert target["percentiles_ms"] == {"p50": 100.0, "p90": 100.0, "p95": 100.0, "p99": 100.0}


def test_without_checks_there_are_no_numbers() -> None:
    timeline = timeline_of("????")
    report = TargetReport(a_present(), Uptime.of(timeline))
    [target] = json_of(report)["targets"]
    assert (target["uptime_percent"], target["checks"], target["percentiles_ms"]["p99"]) == (None, 0, None)
    [row] = rows_of(report)
    assert (row["uptime_percent"], row["p99_ms"], row["failures_by_reason"]) == ("", "", "")
    assert "not known" in page_of(report)


def test_csv_has_a_line_a_target() -> None:
    [first, second] = rows_of(a_report("UDUU", results={"up": 8, "dns": 2}), a_report(target='with "quotes", commas'))
    assert first["target"] == "Checkout"
    assert (first["uptime_percent"], first["down_ms"], first["incidents"]) == ("75.0", "60000", "1")
    assert (first["failures"], first["failures_by_reason"], first["p50_ms"]) == ("2", "dns=2", "100.0")
    assert second["target"] == 'with "quotes", commas'


@pytest.mark.parametrize("target", ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "\t=1+1", "=cmd|' /C calc'!A0"])
def test_no_cell_of_csv_is_a_formula(target: str) -> None:
    [row] = rows_of(a_report(target=target))
    assert not row["target"].lstrip().startswith(("=", "+", "-", "@", "\t"))


@given(st.text())
def test_any_name_is_one_line_everywhere(target: str) -> None:
    report = a_report(target=target)
    assert len(reports_as_csv([report]).splitlines()) == 1
    assert page_of(report).count("\n") == page_of(a_report()).count("\n")
    assert "\x1b" not in page_of(report)


def test_the_report_shows_unknown_times_and_errors() -> None:
    text = page_of(a_report("UUDU??pD", results={"up": 8, "timeout": 2}, watched=False))
    assert "Checkout no longer watched" in text
    assert "uptime    60.000 % of 5m, down 2m, unknown 2m, paused 1m" in text
    assert "checks    10, 2 failed: timeout 2" in text
    assert "█ ▅  p50 100.0 ms  p90 100.0 ms  p95 100.0 ms  p99 100.0 ms" in text
    assert "down 1m (still open)  status: minute 7" in text


def test_the_page_shows_the_newest_incidents_first_and_not_all() -> None:
    letters = ("D" + "U" * 30) * (MAX_SHOWN_ENTRIES + 5)
    shown = [line for line in page_of(a_report(letters)).splitlines() if "status: minute" in line]
    assert len(shown) == MAX_SHOWN_ENTRIES
    assert shown[0].endswith("minute 744")
    assert "and 5 more; --json shows all" in page_of(a_report(letters))


def test_flapping_is_one_line() -> None:
    text = page_of(a_report("UD" * 50 + "U"))
    assert "flapping 1h 39m (100 flips, down 50m)" in text
    assert "status:" not in text


def test_an_inexact_end_is_marked() -> None:
    assert "down 2m (its end is not known exactly)" in page_of(a_report("UDD??UU"))
    assert "down 4m (2m of it known)" in page_of(a_report("UD??DU"))


def test_a_report_has_no_markup() -> None:
    assert "[bold red]shop[/bold red]" in page_of(a_report(target="[bold red]shop[/bold red]"))


def test_locations_are_shown_where_there_is_more_than_one() -> None:
    assert "default" not in page_of(a_report())
    assert "Checkout (eu)" in page_of(a_report(), a_report(location="eu"))


def test_removed_targets_are_shown_if_they_have_a_history() -> None:
    timeline = timeline_of("pppp")
    assert a_report(watched=False).is_told
    assert not TargetReport(a_present(watched=False), Uptime.of(timeline)).is_told
    assert TargetReport(a_present(), Uptime.of(timeline)).is_told


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.04, "0.1s"),
        (0.49, "0.4s"),
        (1.9, "1s"),
        (72, "1m 12s"),
        (3600, "1h"),
        (3605, "1h"),
        (86_399, "23h 59m"),
        (86_400 * 6.99, "6d 23h"),
        (86_400 * 400, "400d"),
    ],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_sparkline_starts_at_zero_and_has_blank_gaps() -> None:
    assert sparkline([1, None, 8, 4]) == "▂ █▅"
    assert sparkline([]) == ""
    assert sparkline([None, None]) == "  "
    assert sparkline([0.0, 0.0]) == "▁▁"


def test_a_status_line_for_each_and_a_summary() -> None:
    lines = [
        line.plain
        for line in status_lines(
            [
                a_present(),
                a_present("[red]API\x1b[2J", State.DOWN, reason="status", detail="503 [blink]\n"),
                a_present("New", State.PENDING, since=None),
            ]
        )
    ]
    assert lines == [
        "up           Checkout         since 2026-11-23T15:20:55.857Z",
        r"down         [red]API\x1b[2J  since 2026-11-23T15:20:55.857Z  status: 503 [blink]\n",
        "pending      New              not confirmed yet",
        "1 pending, 1 up, 1 down",
    ]
    assert [line.plain for line in status_lines([])] == ["no targets are watched"]
    assert "Checkout (eu)" in status_lines([a_present(), a_present(location="eu")])[1].plain


def test_an_unwatched_target_is_unknown() -> None:
    present = a_present()
    assert present.as_known(alive_at=MOMENT, now=MOMENT + STALE_AFTER) is present
    late = present.as_known(alive_at=MOMENT, now=MOMENT + STALE_AFTER + timedelta(seconds=1))
    assert (late.state, late.since, late.detail) == (State.UNKNOWN, MOMENT, "no daemon since 2026-11-23T15:20:55.857Z")
    never = present.as_known(alive_at=None, now=MOMENT)
    assert (never.state, never.since) == (State.UNKNOWN, None)
    assert State.UNKNOWN not in FINE


def test_the_combined_state_comes_first_and_alone_counts() -> None:
    combined = a_present(state=State.DEGRADED, location="*", reason="status", detail="down at sgp only: 503")
    places = [a_present(location="fra"), a_present(state=State.DOWN, location="sgp", reason="status", detail="503")]
    presents = [combined, *places, a_present("Search", location="fra")]
    lines = [line.plain for line in status_lines(presents)]
    assert [line.split("  since")[0].rstrip() for line in lines] == [
        "degraded     Checkout",
        "up             fra",
        "down           sgp",
        "up           Search",
        "1 up, 1 degraded",
    ]
    assert lines[0].endswith("status: down at sgp only: 503")
    assert [one.target for one in that_count(presents)] == ["Checkout", "Search"]


def test_a_report_of_all_places_has_no_checks() -> None:
    combined = TargetReport(a_present(location="*"), Uptime.of(timeline_of("UDUU")), entries(timeline_of("UDUU")))
    together, fra = page_of(combined, a_report(location="fra")).split("\n\n")[1:]
    assert together.startswith("Checkout (all locations)\n  uptime")
    assert "checks" not in together
    assert "incidents" in together
    assert fra.startswith("Checkout (fra)\n")
    assert "checks" in fra
