"""The past on the page, from a real PostgreSQL: its numbers are those of `watcher report`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
from starlette.routing import Router

from tests.doubles import a_target
from tests.integration.history_rows import put_alive, put_failures, put_flips, put_rollup, put_state
from watcher.history.calendar import DAY
from watcher.model.state import Standing, State
from watcher.recording.board import Board
from watcher.reporting.page_history import RANGES, read_entries, read_row_histories, read_target_history
from watcher.reporting.reports import read_reports
from watcher.web.pages.rendering import Look
from watcher.web.pages.routes import Pages
from watcher.web.sites import Sites
from watcher.web.standings import Standings

if TYPE_CHECKING:
    from watcher.postgres.db import Database

NOW = datetime(2026, 11, 23, 15, 20, tzinfo=UTC)
LONG_AGO = NOW - 400 * DAY


async def put_two_sites(database: Database) -> None:
    """Insert a site that was down for twenty minutes an hour ago, and one that was always up."""
    for name in ("Checkout", "Search"):
        await put_state(database, name)
        await put_flips(database, name, "U", LONG_AGO)
        await put_rollup(database, name, NOW - timedelta(minutes=30), {"up": 3}, each_ms=120.0)
    await put_flips(database, "Checkout", "DU", NOW - timedelta(hours=1), step=timedelta(minutes=20))
    await put_failures(database, "Checkout", 60, NOW - timedelta(hours=1))
    await put_alive(database, NOW)


async def test_rows_have_the_numbers_of_the_report(test_db: Database) -> None:
    await put_two_sites(test_db)
    histories = await read_row_histories(test_db, ["Checkout", "Search"], "default", NOW)
    for days, name in ((1, "day"), (90, "quarter")):
        reports = await read_reports(test_db, NOW - days * DAY, NOW)
        assert {one.present.target: one.uptime.percent() for one in reports} == {
            target: getattr(history, name).percent() for target, history in histories.items()
        }
    checkout = histories["Checkout"]
    assert [day.worst for day in checkout.days[-2:]] == [State.UP, State.DOWN]
    assert checkout.days[-1].cause is not None
    assert len(checkout.days) == 90
    assert checkout.down_since is None
    assert [value for value in checkout.means_ms if value is not None] == [120.0]


async def test_a_target_has_its_chart_months_incidents_and_failures(test_db: Database) -> None:
    await put_two_sites(test_db)
    for chart_range in RANGES.values():
        history = await read_target_history(test_db, "Checkout", "default", NOW, chart_range)
        drawn = [part for part in history.chart if part is not None]
        assert sum(part.checks for part in drawn) == 3
        assert len(history.chart) == chart_range.parts
        assert len(history.outages) == 1
    assert [entry.length_seconds for entry in history.entries] == [1200.0]
    assert len(history.months) == 12
    assert history.months[-1].uptime.lengths[State.DOWN] == timedelta(minutes=20)
    assert len(history.failures) == 50


async def test_the_combined_state_has_its_own_past_and_this_place_its_own_times(test_db: Database) -> None:
    await put_two_sites(test_db)
    await put_state(test_db, "Checkout", location="*")
    await put_flips(test_db, "Checkout", "U", LONG_AGO, location="*")
    await put_flips(test_db, "Checkout", "DU", NOW - timedelta(hours=2), location="*", step=timedelta(minutes=5))
    await put_failures(test_db, "Checkout", 1, NOW - timedelta(hours=2), location="sgp")
    await put_alive(test_db, NOW, location="*")
    rows = await read_row_histories(test_db, ["Checkout", "Search"], "default", NOW, {"Checkout"})
    assert rows["Checkout"].day.lengths[State.DOWN] == timedelta(minutes=5)
    assert rows["Search"].day.lengths[State.DOWN] == timedelta()
    assert [value for value in rows["Checkout"].means_ms if value is not None] == [120.0]
    history = await read_target_history(test_db, "Checkout", "default", NOW, RANGES["24h"], flips_at="*")
    assert [entry.length_seconds for entry in history.entries] == [300.0]
    assert history.rollup is not None
    assert history.rollup.checks == 3
    [read] = await read_entries(test_db, ["Checkout"], "default", NOW - DAY, NOW, {"Checkout"})
    assert read[1].length_seconds == 300.0
    assert [one.present.location for one in await read_reports(test_db, NOW - DAY, NOW)] == ["*", "default", "default"]


async def test_incidents_of_many_come_newest_first(test_db: Database) -> None:
    await put_two_sites(test_db)
    await put_flips(test_db, "Search", "DU", NOW - timedelta(minutes=10))
    found = await read_entries(test_db, ["Checkout", "Search"], "default", NOW - 30 * DAY, NOW)
    assert [target for target, _ in found] == ["Search", "Checkout"]


async def test_pages_show_what_the_tables_have(test_db: Database) -> None:
    await put_two_sites(test_db)
    targets = [a_target(name, group="shop") for name in ("Checkout", "Search")]
    board = Board()
    board.place({target.name: Standing(State.UP, LONG_AGO) for target in targets})

    async def sites_of(public: bool) -> Sites:
        return Sites.of(targets, public=public)

    pages = Pages(Standings(board), sites_of, lambda _: Look(), lambda: test_db, lambda: NOW, "default")
    transport = httpx.ASGITransport(Router(pages.routes(), redirect_slashes=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        texts = {
            path: (await client.get(path)).text
            for path in (
                *("/", "/targets/shop_checkout", "/incidents", "/incidents?group=none", "/incidents?state=open"),
                *("/incidents?q=check&state=ended&since=24h", "/feed.atom", "/feed.atom?q=search"),
            )
        }
    report = (await read_reports(test_db, NOW - DAY, NOW, ["Checkout"]))[0]
    assert f"{report.uptime.percent():.3f} %" in texts["/"]
    assert f"{report.uptime.percent():.3f} %" in texts["/targets/shop_checkout"]
    assert "503 Service Unavailable" in texts["/targets/shop_checkout"]
    assert texts["/incidents"].count("status: letter 0") == 1
    assert texts["/incidents?q=check&state=ended&since=24h"].count("status: letter 0") == 1
    for path in ("/incidents?group=none", "/incidents?state=open", "/feed.atom?q=search"):
        assert "letter 0" not in texts[path], path
    assert texts["/feed.atom"].count("<entry>") == 1
    assert '<link rel="self" href="http://page/feed.atom?q=search"/>' in texts["/feed.atom?q=search"]
