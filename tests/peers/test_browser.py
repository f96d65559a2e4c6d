"""The pages of a daemon in a reader's browser: live, by keyboard, on a phone, without scripts."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import trio
from playwright.sync_api import expect

from tests.integration.daemon import NO_DATABASE
from tests.integration.history_rows import put_failures, put_flips, put_rollup, put_state, settings_of
from tests.integration.sites import read_request, response, serving
from tests.integration.test_page import port_of
from tests.peers.browsers import a_page, in_browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.sync_api import Browser, Page

    from tests.integration.daemon import Daemon, Folder
    from watcher.postgres.db import Database

DAY = timedelta(days=1)
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
PATHS = ("", "targets/shop_checkout", "targets/press_news", "incidents")


@dataclass
class Shop:
    """Sites that answer as they are told, by the first part of their paths, and the daemon that watches them."""

    daemon: Daemon
    url: str
    answers: dict[str, bytes]


@dataclass
class Sites:
    """The answers of the sites."""

    answers: dict[str, bytes] = field(default_factory=dict)

    async def answer(self, stream: trio.abc.Stream) -> None:
        """Answer one request."""
        name = (await read_request(stream)).split(b"/", 2)[1].split(b" ")[0].decode()
        await stream.send_all(self.answers.get(name, response()))


def urls_of(port: int) -> list[dict[str, Any]]:
    """Configure sites in all states but maintenance; `Checkout` and `Search` are up."""
    site = {"interval": 0.5, "failure_threshold": 1, "success_threshold": 1}
    address = f"http://127.0.0.1:{port}"
    return [
        {**site, "name": "Checkout", "group": "shop", "address": f"{address}/checkout"},
        {**site, "name": "Search", "group": "shop", "address": f"{address}/search"},
        {**site, "name": "News", "group": "press", "address": f"{address}/news"},
        {**site, "name": "Slow", "group": "press", "address": f"{address}/slow", "degraded_after": 0.00001},
        {**site, "name": "New", "address": "http://127.0.0.1:1/", "failure_threshold": 1000},
        {**site, "name": "Off", "address": f"{address}/off", "enabled": False},
        {**site, "name": "Cut off", "address": "http://[fe80::1%25none]/"},  # of this machine, which has no such link
    ]


async def put_history(database: Database) -> None:
    """Insert a past of ninety days, with an outage, of one of them."""
    now = datetime.now(UTC)
    await put_state(database, "Checkout")
    await put_flips(database, "Checkout", "U", now - 100 * DAY)
    await put_flips(database, "Checkout", "DU", now - 2 * DAY, step=timedelta(minutes=20))
    await put_failures(database, "Checkout", 3, now - 2 * DAY)
    for hours in (1, 2, 3, 30, 50):
        await put_rollup(database, "Checkout", now - timedelta(hours=hours), {"up": 6}, each_ms=80.0 + hours)


@asynccontextmanager
async def a_watched_shop(folder: Folder, db_config: str, database: Database) -> AsyncIterator[Shop]:
    """Run sites, and a daemon that knows the state of each."""
    await put_history(database)
    sites = Sites({"news": response(b"<b>broken</b>", "503 Service Unavailable")})
    async with serving(sites.answer) as port:
        folder.configure(urls_of(port), **settings_of(db_config), WATCHER_HTTP="127.0.0.1:0")
        async with folder.daemon() as daemon:
            await daemon.until(lambda: daemon.lines('down target="News"') and daemon.lines('up target="Search"'))
            await daemon.until(lambda: daemon.lines("database connected"))
            await daemon.until(lambda: daemon.lines('unknown target="Cut off"'))
            yield Shop(daemon, f"http://127.0.0.1:{await port_of(daemon)}/", sites.answers)


async def test_a_row_turns_red_without_a_reload_and_the_reader_is_not_disturbed(
    folder: Folder, db_config: str, test_db: Database
) -> None:
    async with a_watched_shop(folder, db_config, test_db) as shop:

        def break_checkout() -> None:
            shop.answers["checkout"] = response(b"", "500 Internal Server Error")

        def look(browser: Browser) -> None:
            # The browser itself also reports that the monitor is gone.
            with a_page(browser, shop.url, complains=lambda text: "ERR_" not in text) as page:
                expect(page.locator("#asof")).to_contain_text("live")
                expect(row(page, "Checkout")).to_contain_text("Up")
                expect(row(page, "Cut off")).to_contain_text("Unknown")
                expect(page.locator("#verdict")).to_contain_text("1 of 7 sites is down")
                page.locator("details.group", has_text="press").locator("summary").click()
                expect(row(page, "News")).to_be_hidden()
                row(page, "Search").get_by_role("link").focus()
                page.evaluate("window.isTheSame = true")
                trio.from_thread.run_sync(break_checkout)
                expect(row(page, "Checkout")).to_contain_text("Down")
                expect(page.locator("#verdict")).to_contain_text("2 of 7 sites are down")
                expect(page.locator("#now")).to_contain_text("500 Internal Server Error")
                assert page.evaluate("window.isTheSame") is True
                expect(row(page, "News")).to_be_hidden()
                expect(row(page, "Search").get_by_role("link")).to_be_focused()
                trio.from_thread.run(shop.daemon.stop)
                expect(page.locator("#asof")).to_contain_text("cut off")

        await in_browser(look)


def row(page: Page, name: str) -> Any:
    """Find the row of a site."""
    return page.locator("li.row", has=page.get_by_role("link", name=name, exact=True))


def names_of(page: Page) -> list[str]:
    """Return the names of the visible rows."""
    return page.locator("li.row .name a").all_inner_texts()


async def test_sites_are_found_with_and_without_scripts(folder: Folder, db_config: str, test_db: Database) -> None:
    async with a_watched_shop(folder, db_config, test_db) as shop:

        def look(browser: Browser) -> None:
            for scripts in (True, False):
                with a_page(browser, shop.url, scripts=scripts) as page:
                    find_sites(page, shop.url)
                with a_page(browser, f"{shop.url}targets/shop_checkout", scripts=scripts) as page:
                    for name in ("1h", "24h", "7d", "30d", "1y"):
                        page.get_by_role("link", name=name, exact=True).click()
                        expect(page).to_have_url(re.compile(f"range={name}"))
                        expect(page.locator("svg.chart")).to_be_visible()
                    moment = page.locator("time[data-style=full]").first
                    assert (moment.get_attribute("title") or "").endswith("Z")
                    assert ("UTC" in moment.inner_text()) is not scripts

        await in_browser(look)


# The usable elements of a page, and how each is distinguished, also after a live page has replaced it.
USABLE = "a[href]:not([tabindex='-1']), button, input:not([type=hidden]), select, summary, [tabindex='0']"
NAME_OF = """(one) => [
    one.localName, one.parentElement?.localName, one.parentElement?.dataset.name, one.getAttribute("href"),
    one.getAttribute("name"), one.closest("li, tr")?.querySelector("a")?.getAttribute("href"),
].join(" ")"""


def walk(page: Page) -> list[str]:
    """Go through the page with the tab key alone, until it starts again; return the names of the focused elements."""
    walked: list[str] = []
    while True:
        page.keyboard.press("Tab")
        name = page.evaluate(f"({NAME_OF})(document.activeElement)")
        if name in walked or name.startswith("body"):
            return walked
        walked.append(name)


def find_sites(page: Page, url: str) -> None:
    """Walk through all usable elements, then search, filter, sort and fold, by keyboard where that is quick."""
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.goto(url)
    assert walk(page) == page.evaluate(f"[...document.querySelectorAll(`{USABLE}`)].map({NAME_OF})")
    page.goto(url)
    assert set(names_of(page)) == {"Checkout", "Search", "News", "Slow", "New", "Off", "Cut off"}
    page.get_by_role("searchbox").fill("check")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("q=check"))
    assert names_of(page) == ["Checkout"]
    page.goto(url)
    page.locator(".chip", has_text="Down").click()
    expect(page).to_have_url(re.compile("state=down"))
    assert names_of(page) == ["News"]
    page.goto(url)
    page.get_by_label("Group").select_option("shop")
    page.get_by_label("Sort").select_option("name")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("group=shop"))
    assert names_of(page) == ["Checkout", "Search"]
    page.locator("details.group summary").focus()
    page.keyboard.press("Enter")
    expect(row(page, "Checkout")).to_be_hidden()
    page.keyboard.press("Enter")
    row(page, "Checkout").get_by_role("link").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("targets/shop_checkout"))


def complaints_of_axe(page: Page) -> list[tuple[str, list[str]]]:
    """Return which rules a page breaks, each with the place."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [(rule["help"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]]


async def test_axe_finds_nothing_and_a_phone_needs_no_scrolling_to_the_side(
    folder: Folder, db_config: str, test_db: Database
) -> None:
    async with a_watched_shop(folder, db_config, test_db) as shop:

        def look(browser: Browser) -> None:
            for path in PATHS:
                for width, dark in ((1200, True), (360, False)):
                    with a_page(browser, shop.url + path, width=width, dark=dark) as page:
                        assert complaints_of_axe(page) == [], f"{path} {width} {dark}"
                        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            with a_page(browser, shop.url, width=500) as page:
                for column in ("u90", "u24", "time"):
                    figures = page.locator(f"li.row:not(.head) .{column}").all()
                    assert (
                        len({figure.evaluate("(one) => one.getBoundingClientRect().left") for figure in figures}) == 1
                    )

        await in_browser(look)


async def test_who_is_signed_in_silences_a_site_without_scripts(folder: Folder) -> None:
    settings = {"WATCHER_HTTP": "127.0.0.1:0", "WATCHER_HTTP_USER": "eve", "WATCHER_HTTP_PASSWORD": "0123456789abcdef"}
    folder.configure(urls_of(1)[:1], **NO_DATABASE, **settings)
    async with folder.daemon() as daemon:
        await daemon.until(lambda: daemon.lines('down target="Checkout"'))
        url = f"http://eve:0123456789abcdef@127.0.0.1:{await port_of(daemon)}/targets/shop_checkout"

        def look(browser: Browser) -> None:
            with a_page(browser, url, scripts=False) as page:
                page.get_by_label("Why no notifications").fill("a move")
                page.get_by_text("Silence for 4 h").click()
                expect(page.locator("#silenced")).to_contain_text("No notifications about Checkout until ")
                page.get_by_text("Acknowledge").click()
                expect(page.locator("#silenced")).to_contain_text("by eve")
            with a_page(browser, url, width=360) as page:
                assert complaints_of_axe(page) == []
                assert page.evaluate("document.documentElement.scrollWidth") <= 360
                page.get_by_text("End it").click()
                expect(page.locator("#silenced")).not_to_contain_text("No notifications")

        await in_browser(look)
