"""The API without a server and without a database: shapes, what the public may see, and errors."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from xml.etree import ElementTree as ET

import httpx
import pytest
import trio
from starlette.applications import Starlette
from starlette.middleware import Middleware

from tests.doubles import MOMENT, a_failure, a_target, an_outcome
from tests.unit.web.viewers import asked, get, serving, status_of
from watcher.history.uptime import Uptime
from watcher.model.conclusion import Conclusion
from watcher.model.state import Flip, Standing, State
from watcher.web.access.rules import AccessRules
from watcher.web.api.badges import health_badge, health_for_shields, response_time_badge, uptime_badge
from watcher.web.api.calls import Source
from watcher.web.api.gatus import events_of
from watcher.web.api.operations import MAX_WHOLE_SITES
from watcher.web.api.routes import Api
from watcher.web.app import app_of
from watcher.web.pages.directory import Directory
from watcher.web.pages.rendering import Look
from watcher.web.present import Present
from watcher.web.serving.shared import Shared
from watcher.web.standings import Standings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watcher.postgres.db import Database

SECRET = "https://inner.example/?token=x"
AT = "2026-11-23T15:20:55.857Z"
UP, DOWN = (Standing(state, MOMENT, state) for state in (State.UP, State.DOWN))


def a_present(*names: str) -> Present:
    """Return the state of a daemon that has not checked anything yet."""
    targets = {name: a_target(name, group="shop", address=SECRET, shown_address=SECRET) for name in names}
    present = Present(targets=targets, clock=lambda: MOMENT.timestamp())
    present.board.place(dict.fromkeys(names, UP))
    return present


@asynccontextmanager
async def a_client(
    present: Present, *, public: bool = False, database: object = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Send a request to the API, as the gate would."""

    class SeesAll:
        def __init__(self, app: Any) -> None:
            self._app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("state", {})["sees_all"] = not public
            await self._app(scope, receive, send)

    directory = Directory(lambda: present.targets, lambda: None)
    source = Source(
        Standings(present.board, present.place_views),
        directory.sites,
        lambda: cast("Database | None", database),
        lambda: datetime.fromtimestamp(present.clock(), UTC),
        "default",
        trio.Lock(),
    )
    api = Api(source, lambda _: Look(public=public), Shared())
    app = Starlette(routes=api.routes(), middleware=[Middleware(SeesAll)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as client:
        yield client


@pytest.mark.parametrize("public", [True, False])
async def test_statuses_have_gatus_shape_and_the_public_finds_no_causes(public: bool) -> None:
    present = a_present("Checkout", SECRET)
    for outcome, standing in ((a_failure(), DOWN), (an_outcome(status_code=204), UP), (a_failure(), DOWN)):
        present.board.put(Conclusion(outcome._replace(started_at=MOMENT), standing))
    present.board.put(Conclusion(a_failure(at=MOMENT + timedelta(seconds=1), duration_seconds=0.5), DOWN))
    failure = {"duration": 143199995, "success": False, "timestamp": AT}
    success = {"duration": 143199995, "success": True, "timestamp": AT}
    newest = {"duration": 500000000, "success": False, "timestamp": "2026-11-23T15:20:56.857Z"}
    if not public:
        failure |= {"hostname": "inner.example", "status": 503, "errors": ["status: 503"]}
        success |= {"hostname": "inner.example", "status": 204}
        newest |= {**failure, **newest, "errors": ["status: 503 Service Unavailable"]}
    async with a_client(present, public=public) as client:
        first, second = (await client.get("/api/v1/endpoints/statuses")).json()
        assert first == {
            "name": "Checkout", "group": "shop", "key": "shop_checkout", "results": [failure, success, failure, newest]
        }  # fmt: skip
        assert second["results"] == []
        assert second["key"] == ("shop_site-2" if public else "shop_https:--inner-example-?token=x")
        one = (await client.get("/api/v1/endpoints/shop_checkout/statuses?pageSize=3&page=2")).json()
        assert one["results"] == [failure]
        [record] = (await client.get("/api/v1/targets?state=down")).json()["targets"]
        assert (record["state"], record["duration_ms"], record["address"]) == (
            "down",
            500.0,
            None if public else SECRET,
        )
        assert (record["reason"], record["detail"], record["status_code"]) == (
            (None, None, None) if public else ("status", "503 Service Unavailable", 503)
        )
        for path in ("/api/v1/endpoints/statuses", "/api/v1/targets", "/api/v1/endpoints/shop_site-2/statuses"):
            assert ("inner" in (await client.get(path)).text) is not (public or "site-2" in path)


async def test_a_cursor_goes_on_behind_its_entry_whatever_has_come_and_gone() -> None:
    present = a_present("b", "d", "f", "h")
    async with a_client(present) as client:
        page = (await client.get("/api/v1/targets?limit=2")).json()
        assert [one["target"] for one in page["targets"]] == ["b", "d"]
        present.board.drop(["d"])
        present.board.place({"a": UP, "e": UP})
        present.targets = {name: a_target(name, group="shop") for name in "abefh"}
        query = {"limit": "2", "cursor": page["next"]}
        page = (await client.get("/api/v1/targets", params=query)).json()
        assert [one["target"] for one in page["targets"]] == ["e", "f"]
        page = (await client.get("/api/v1/targets", params={**query, "cursor": page["next"]})).json()
        assert ([one["target"] for one in page["targets"]], page["next"]) == (["h"], None)
        for cursor in ("x", "W10", "WzFd", "bnVsbA", "WyJhIiwgMV0", "W" * 5000):
            answer = await client.get("/api/v1/targets", params={"cursor": cursor})
            assert (answer.status_code, answer.json()["errors"][0]["name"]) == (422, "cursor")


async def test_many_statuses_are_sent_while_they_are_written() -> None:
    present = a_present(*(f"target {number}" for number in range(MAX_WHOLE_SITES + 1)))
    for name in present.targets:
        present.board.put(Conclusion(an_outcome(name), UP))
    async with a_client(present) as client:
        answers = [
            await client.get("/api/v1/endpoints/statuses", headers={"Accept-Encoding": coding})
            for coding in ("identity", "gzip")
        ]
        assert (await client.head("/api/v1/endpoints/statuses")).content == b""
    assert [answer.headers.get("content-encoding") for answer in answers] == [None, "gzip"]
    assert answers[0].json() == answers[1].json()
    assert [one["name"] for one in answers[0].json()] == list(present.targets)


async def test_a_client_with_an_answer_gets_not_modified_until_it_changes() -> None:
    present = a_present("Checkout")
    async with a_client(present) as client:
        for path in ("/api/v1/endpoints/shop_checkout/health/badge.svg", "/api/v1/targets", "/api/openapi.json"):
            etag = (await client.get(path)).headers["etag"]
            for known, status in (
                (etag, 304),
                (f'"other", {etag.removeprefix("W/")}', 304),
                ("*", 304),
                ('"other"', 200),
            ):
                answer = await client.get(path, headers={"If-None-Match": known})
                assert (answer.status_code, answer.headers["etag"]) == (status, etag)
        etag = (await client.get("/api/v1/targets")).headers["etag"]
        present.board.place({"Checkout": DOWN})
        assert (await client.get("/api/v1/targets", headers={"If-None-Match": etag})).status_code == 200


class Frozen:
    """A database that accepts connections and never answers."""

    async def ping(self) -> None:
        await trio.sleep_forever()


@pytest.mark.parametrize("database", [None, Frozen()])
async def test_without_the_past_the_present_is_shown_and_the_rest_may_be_retried(
    database: object, autojump_clock: trio.testing.MockClock
) -> None:
    async with a_client(a_present("Checkout"), database=database) as client:
        one, started = "/api/v1/endpoints/shop_checkout", trio.current_time()
        for path in ("/api/v1/endpoints/statuses", "/api/v1/targets", f"{one}/statuses", f"{one}/health/badge.shields"):
            assert (await client.get(path)).status_code == 200
        assert trio.current_time() - started < 1
        for path in (f"{one}/uptimes/7d", f"{one}/response-times/1h/badge.svg", "/api/v1/report", "/api/v1/failures"):
            started, answer = trio.current_time(), await client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
            assert answer.headers["retry-after"] == "10"
            assert trio.current_time() - started < 1


async def test_every_error_below_the_api_is_a_problem_document() -> None:
    token = "Authorization: Bearer 0123456789abcdef"
    wrong = [
        (get("/api/v1/targets"), 401),
        (get("/api/v1/targets", token, method="DELETE"), 405),
        (get("/api/v1/targets", token, method="PATCH"), 405),
        (get("/api/nothing", token), 404),
        (get("/api/v1/endpoints/nobody/statuses", token), 404),
        (get("/api/v1/endpoints/shop_checkout/uptimes/2y", token), 400),
        (get("/api/v1/endpoints/%00/statuses", token), 400),
        (get("/api/v1/targets?limit=0&limit=1&state=%00", token), 422),
        (get("/api/v1/targets?" + "x" * 20_000, token), 414),
    ]
    async with serving(app_of(a_present("Checkout"), AccessRules(token="0123456789abcdef"))) as (_, port):
        for request, status in wrong:
            head, _, body = (await asked(port, request)).partition(b"\r\n\r\n")
            assert (status_of(head), json.loads(body)["status"]) == (status, status)
            assert b"content-type: application/problem+json" in head.lower()
            assert (b"allow: GET, HEAD\r\n" in head) is (status == 405)
        assert status_of(await asked(port, get("/api", token))) == 200


def test_badges_are_drawn_of_every_value() -> None:
    lengths = dict.fromkeys(State, timedelta())
    uptimes = [Uptime({**lengths, State.UP: timedelta(days=up), State.DOWN: timedelta(hours=1)}) for up in range(40)]
    badges = [uptime_badge("7d", one) for one in (*uptimes, Uptime(lengths))]
    badges += [response_time_badge("1h", mean_ms) for mean_ms in (None, 0.0, 199.6, 1e9)]
    badges += [health_badge(state) for state in State]
    for badge in badges:
        root = ET.fromstring(badge)
        words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
        assert root.get("aria-label") == ": ".join(map(str, words))
    assert "uptime 7d: 99.89%" in badges[39]
    assert "uptime 7d: ?" in badges[40]
    assert health_for_shields(State.DOWN)["color"] == "red"


def test_events_tell_when_health_changed_and_nothing_else() -> None:
    flip = Flip("a", "default", MOMENT, MOMENT, State.UP, State.PENDING)
    words = [State.DEGRADED, State.UNKNOWN, State.UP, State.DOWN, State.PAUSED, State.DOWN, State.UP]
    flips = [flip, *(replace(flip, state=state, before=State.UP) for state in words)]
    assert [event["type"] for event in events_of(flips)] == ["START", "HEALTHY", "UNHEALTHY", "HEALTHY"]
    assert events_of([]) == []


@pytest.mark.slow
def test_who_has_switched_it_off_imports_nothing_of_it() -> None:
    """Starlette, Hypercorn and Jinja take as much memory as thousands of targets."""
    code = "import sys, watcher.daemon.run; print(*({'starlette', 'hypercorn', 'jinja2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.split() == []
