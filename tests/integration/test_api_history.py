"""The past in the API, from a real PostgreSQL: its numbers are those of `watcher report`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.doubles import a_target
from tests.integration.history_rows import HOUR, put_alive, put_failures, put_flips, put_rollup, put_state
from tests.unit.web.test_api import SECRET, a_client
from watcher.history.calendar import DAY
from watcher.model.state import Standing, State
from watcher.reporting.failures import failure_as_json
from watcher.reporting.report_forms import json_document, reports_as_json
from watcher.reporting.reports import read_reports
from watcher.web.present import Present

if TYPE_CHECKING:
    import httpx

    from watcher.postgres.db import Database

NOW = datetime(2026, 11, 23, 15, 20, tzinfo=UTC)
NAMES = ["Checkout", SECRET]
CHECKOUT = "/api/v1/endpoints/shop_checkout"


async def put_history(database: Database) -> Present:
    """Insert a site that was down for twenty minutes, twice, and one always up, with an address as its name."""
    for name in NAMES:
        await put_state(database, name)
        await put_flips(database, name, "U", NOW - 300 * DAY)
        for minutes in (30, 90):
            await put_rollup(database, name, NOW - timedelta(minutes=minutes), {"up": 3}, each_ms=float(minutes * 4))
    await put_flips(database, NAMES[0], "DU", NOW - HOUR, step=timedelta(minutes=20))
    await put_flips(database, NAMES[0], "DU", NOW - 30 * HOUR, step=timedelta(minutes=20))
    await put_failures(database, NAMES[0], 5, NOW - HOUR)
    await put_failures(database, SECRET, 3, NOW - HOUR)
    await put_failures(database, "was watched once", 2, NOW - 2 * HOUR)
    await put_alive(database, NOW)
    targets = {name: a_target(name, group="shop", address=SECRET) for name in NAMES}
    present = Present(targets=targets, clock=NOW.timestamp)
    present.board.place(dict.fromkeys(NAMES, Standing(State.UP, NOW - 300 * DAY)))
    return present


async def all_pages(client: httpx.AsyncClient, path: str, rows: str, **query: str) -> list[dict[str, Any]]:
    """Follow the cursors to the end."""
    found: list[dict[str, Any]] = []
    while True:
        page = (await client.get(path, params=query)).json()
        found += page[rows]
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


async def test_numbers_are_those_of_the_report(test_db: Database) -> None:
    present = await put_history(test_db)
    async with a_client(present, database=test_db) as client:
        for length, days in (("24h", 1), ("7d", 7), ("30d", 30)):
            [report, _] = await read_reports(test_db, NOW - days * DAY, NOW)
            percent = report.uptime.percent(4)
            assert percent is not None
            assert (await client.get(f"{CHECKOUT}/uptimes/{length}")).text == f"{percent / 100:.6f}"
            assert "uptime" in (await client.get(f"{CHECKOUT}/uptimes/{length}/badge.svg")).text
        answer = (await client.get("/api/v1/report?since=30d&limit=1")).json()
        reports = await read_reports(test_db, NOW - 30 * DAY, NOW)
        whole = json.loads(json_document([reports_as_json(reports)], NOW - 30 * DAY, NOW))
        assert answer["targets"] == [{"key": "shop_checkout", **whole["targets"][0]}]
        assert answer["since"] == whole["since"]
        told = await all_pages(client, "/api/v1/report", "targets", since="30d", limit="1")
        assert [one["target"] for one in told] == NAMES
        assert (await client.get(f"{CHECKOUT}/response-times/1h")).text == "120"
        assert (await client.get(f"{CHECKOUT}/response-times/24h")).text == "240"
        history = (await client.get(f"{CHECKOUT}/response-times/24h/history")).json()
        assert history["values"] == [360, 120]
        assert history["timestamps"] == [NOW.replace(hour=hour, minute=0).timestamp() * 1000 for hour in (13, 14)]
        events = (await client.get(f"{CHECKOUT}/statuses")).json()["events"]
        assert [one["type"] for one in events] == ["START", "HEALTHY"] + ["UNHEALTHY", "HEALTHY"] * 2
        ended = await all_pages(client, "/api/v1/incidents", "incidents", limit="1", state="ended")
        assert [(one["start"], one["down_ms"]) for one in ended] == [
            ("2026-11-23T14:20:00.000Z", 1_200_000), ("2026-11-22T09:20:00.000Z", 1_200_000)
        ]  # fmt: skip
        assert (await client.get("/api/v1/incidents?state=open")).json()["incidents"] == []


async def test_rows_that_come_meanwhile_neither_double_nor_hide_a_failure(test_db: Database) -> None:
    present = await put_history(test_db)
    rows = {row["id"]: row for row in map(failure_as_json, await test_db.failures(limit=100))}
    async with a_client(present, database=test_db) as client:
        for query, count in (({}, 10), ({"key": "shop_checkout"}, 5), ({"reason": "status", "since": "61m"}, 8)):
            first = (await client.get("/api/v1/failures", params={"limit": "3", **query})).json()
            await put_failures(test_db, NAMES[0], 2, NOW - timedelta(minutes=count))
            rest = {"limit": "2", "cursor": first["next"], **query}
            told = first["failures"] + await all_pages(client, "/api/v1/failures", "failures", **rest)
            told = [one for one in told if one["id"] in rows]
            assert len(told) == len({one["id"] for one in told}) == count
            assert all(rows[one["id"]].items() <= one.items() for one in told)
        assert {one["key"] for one in told} == {"shop_checkout", "shop_https:--inner-example-?token=x"}


async def test_the_public_finds_no_address_and_no_cause(test_db: Database) -> None:
    present = await put_history(test_db)
    async with a_client(present, database=test_db, public=True) as client:
        failures = await all_pages(client, "/api/v1/failures", "failures", limit="2")
        assert {one["target"] for one in failures} == {"Checkout", "Site 2"}
        assert len(failures) == 8
        reports = await all_pages(client, "/api/v1/report", "targets", limit="1")
        assert [one["key"] for one in reports] == ["shop_checkout", "shop_site-2"]
        for path in ("/api/v1/failures", "/api/v1/incidents", "/api/v1/report", f"{CHECKOUT}/statuses"):
            text = (await client.get(path)).text
            assert "hop" in text
            for hidden in ("inner", "https:", "503", "letter", "xxx", "nginx", '"status"', "was watched once"):
                assert hidden not in text, (path, hidden)
        assert (await client.get("/api/v1/report?key=shop_site-2")).json()["targets"][0]["target"] == "Site 2"
