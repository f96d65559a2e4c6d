"""The page of one site, from values alone."""

from __future__ import annotations

import gc
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.doubles import MOMENT, a_target, an_outcome
from tests.unit.web.test_incidents_page import a_view
from tests.unit.web.test_overview import HOSTILE, SINCE, Markup, glance_of
from tests.unit.web.test_overview import page_of as overview_of
from watcher.history.calendar import day_edges, month_edges, parts
from watcher.history.incidents import entries
from watcher.history.rollup import measurement_of, roll_up
from watcher.history.uptime import Timeline, Uptime
from watcher.model.outcome import Fault, Reason
from watcher.model.state import Flip, State
from watcher.reporting.page_history import WINDOWS, TargetHistory
from watcher.web.pages.incidents import feed_atom, incidents_page
from watcher.web.pages.rendering import Look
from watcher.web.pages.response_times import chart
from watcher.web.pages.target import TargetView, missing_page, target_page
from watcher.web.pages.words import certificate

if TYPE_CHECKING:
    from collections.abc import Callable


def a_history(text: str) -> TargetHistory:
    since = MOMENT - timedelta(days=400)
    flips = [
        Flip("Checkout", "default", since, since, State.UP, State.PENDING),
        Flip("Checkout", "default", SINCE, SINCE, State.DOWN, State.UP, Fault(Reason.STATUS, text)),
    ]
    timeline = Timeline.of(flips, since=since, until=MOMENT, alive_at=MOMENT)
    rollup = roll_up([measurement_of(an_outcome())])["Checkout", "default"]
    failure = {
        "started_at": SINCE,
        "reason": "status",
        "detail": text,
        "duration_ms": 41.0,
        "excerpt": text,
        "headers": {"server": text},
    }
    return TargetHistory(
        windows=dict.fromkeys(WINDOWS, Uptime.of(timeline)),
        days=parts(timeline, day_edges(MOMENT, 90)),
        months=parts(timeline, month_edges(MOMENT, 12)),
        entries=entries(timeline),
        since=MOMENT - timedelta(days=1),
        until=MOMENT,
        chart=[None, rollup, None, rollup],
        rollup=rollup,
        outages=[(SINCE, MOMENT)],
        gaps=[(SINCE - timedelta(hours=2), SINCE - timedelta(hours=1), State.MAINTENANCE)],
        failures=[failure],
    )


def page_of(text: str, look: Look, *, public: bool = False) -> str:
    seen = glance_of([a_target("Checkout", group="shop")], {"Checkout": State.DOWN}, public=public).seen(0)
    seen = seen._replace(latest=replace(seen.latest, reason=Reason.STATUS, status_code=503, detail=text))
    return "".join(target_page(TargetView(seen, a_history(text), "24h", None, MOMENT), look))


def test_it_shows_the_cause_the_past_and_the_excerpt() -> None:
    html = page_of("503 Service Unavailable", Look())
    text = " ".join(Markup(html).text.split())
    assert "What it says now" in text
    assert "in maintenance, and not counted for 1h" in text
    assert "Down for 30m" in text
    assert "status: 503 Service Unavailable" in text
    assert "30m, ongoing" in text
    assert "2026-11" in text
    for phase in ("resolve", "connect", "tls", "processing", "transfer"):
        assert f'<path class="{phase}" d="M' in html


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_a_site_is_not_markup(text: str) -> None:
    html = page_of(text, Look())
    assert Markup(html).forbidden == []
    assert "\u202e" not in html


def test_the_public_sees_no_reasons_and_no_excerpts() -> None:
    html = page_of("inner secret", Look(public=True), public=True)
    assert "inner secret" not in html
    assert "127.0.0.1" not in html
    assert "status 503" not in html
    assert "status 503" in page_of("inner secret", Look())


def test_a_site_that_flaps_all_day_is_drawn_in_no_more_pieces_than_anybody_could_tell_apart() -> None:
    starts = [MOMENT - timedelta(seconds=10 * number) for number in range(8000, 0, -1)]
    outages = [(start, start + timedelta(seconds=5)) for start in starts]
    drawn = str(chart(replace(a_history(""), outages=outages)))
    assert drawn.count('class="outage"') < 10
    assert "down 8000 times, 11h 6m" in drawn


def test_without_its_past_the_present_is_shown() -> None:
    seen = glance_of([a_target()]).seen(0)
    html = "".join(target_page(TargetView(seen, None, "24h", SINCE, MOMENT), Look()))
    assert "The history cannot be read since" in html
    assert "143 ms" in html
    assert "There is no such page" in "".join(missing_page(Look(), MOMENT))


@pytest.mark.parametrize(
    ("left", "words", "state"),
    [
        (timedelta(days=90), "in 90 days", State.UP),
        (timedelta(days=13, hours=23), "in 13 days", State.DEGRADED),
        (timedelta(hours=5, minutes=3), "in 5h 3m", State.DEGRADED),
        (-timedelta(days=3, hours=1), "3 days ago", State.DOWN),
    ],
)
def test_a_certificate_that_expires_soon_is_shown(left: timedelta, words: str, state: State) -> None:
    assert certificate(MOMENT + left, MOMENT) == (words, state)


def test_a_page_that_is_written_leaves_no_circles_behind() -> None:
    """Objects created while the collector freezes the existing ones (`gc.freeze`) would stay for ever."""
    pages: list[Callable[[], str]] = [
        lambda: overview_of(glance_of([a_target("Checkout", group="shop")])),
        lambda: page_of("503 Service Unavailable", Look()),
        lambda: "".join(incidents_page(a_view("Checkout"), Look())),
        lambda: "".join(feed_atom(a_view("Checkout"), Look(), "https://status.example")),
        lambda: "".join(missing_page(Look(), MOMENT)),
    ]
    left = []
    for write in pages:
        write()  # the first time, its template is compiled
        gc.collect()
        gc.disable()
        try:
            write()
            left.append(gc.collect())
        finally:
            gc.enable()
    assert left == [0] * len(pages)
