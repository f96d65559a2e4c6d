"""The routes of the pages, without a server and without a database."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest
import trio
from starlette.routing import Router

from tests.doubles import MOMENT, a_target
from watcher.model.state import Standing, State
from watcher.recording.board import Board
from watcher.web.pages.events import LEAST_SECONDS
from watcher.web.pages.rendering import Look
from watcher.web.pages.routes import Pages
from watcher.web.sites import Sites
from watcher.web.standings import Standings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

NAMES = ["Checkout", "https://inner.example/", "<b>/../%00", "ünï"]


@asynccontextmanager
async def a_browser(
    *, public: bool = False, board: Board | None = None
) -> AsyncIterator[tuple[httpx.AsyncClient, Sites]]:
    targets = [a_target(name, group="shop", shown_address="https://inner.example/") for name in NAMES]
    board = board or Board()
    board.place({name: Standing(State.UP, MOMENT) for name in NAMES})
    sites = {is_public: Sites.of(targets, public=is_public) for is_public in (True, False)}

    async def sites_of(is_public: bool) -> Sites:
        return sites[is_public]

    pages = Pages(Standings(board), sites_of, lambda _: Look(public=public), lambda: None, lambda: MOMENT, "default")
    transport = httpx.ASGITransport(Router(pages.routes(), redirect_slashes=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        yield client, sites[public]


@pytest.mark.parametrize("public", [True, False])
async def test_every_site_is_found_under_its_key(public: bool) -> None:
    async with a_browser(public=public) as (client, sites):
        overview = await client.get("/")
        assert overview.status_code == 200
        assert "All 4 sites are up" in overview.text
        assert "The history cannot be read since" in overview.text
        assert ("inner" in overview.text) is not public
        for site in sites.all:
            answer = await client.get(f"/targets/{quote(site.key, safe='')}")
            assert answer.status_code == 200, site.key
            assert ("inner" in answer.text) is not public


async def test_a_notified_viewer_finds_the_flip_on_the_page(autojump_clock: MockClock) -> None:
    board = Board()
    board.place({NAMES[0]: Standing(State.UP, MOMENT)})
    async with a_browser(board=board) as (client, _):
        assert "All 4 sites are up" in (await client.get("/")).text
        board.place({NAMES[0]: Standing(State.DOWN, MOMENT)})
        await trio.sleep(LEAST_SECONDS)  # viewers are not notified sooner
        assert "1 of 4 sites is down" in (await client.get("/")).text


@pytest.mark.parametrize(
    "path",
    [
        "/targets/nobody",
        "/targets/%00",
        "/targets/..%2f..%2fetc%2fpasswd",
        "/targets/_https:--inner-example-",
        "/targets/%ff%fe",
        "/static/..%2f..%2fsites.py",
        "/static/nothing.css",
    ],
)
async def test_unknown_pages_are_not_found(path: str) -> None:
    async with a_browser(public=True) as (client, _):
        assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    "query", ["state=nothing", "page=-1", "page=99999999999999", "q=" + "x" * 50_000, "q=%00%ff", "sort=", "range=2y"]
)
async def test_any_query_is_answered(query: str) -> None:
    async with a_browser() as (client, _):
        for path in ("/", "/targets/shop_checkout"):
            assert (await client.get(f"{path}?{query}")).status_code == 200


async def test_assets_are_cached_and_come_from_this_server() -> None:
    async with a_browser() as (client, _):
        html = (await client.get("/")).text
        for name in ("page.css", "icon.svg"):
            assert f"/static/{name}?v=" in html
            answer = await client.get(f"/static/{name}")
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
    assert "http://" not in html.replace("http://127.0.0.1", "")
