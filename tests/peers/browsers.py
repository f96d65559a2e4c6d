"""Debian's Chromium, driven as a reader would use it."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from contextvars import Context
from typing import TYPE_CHECKING

import trio
from playwright.sync_api import expect, sync_playwright

from tests.peers.programs import path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

# Longer means failure; a page that is not live reloads itself after 30 seconds.
WAIT_MS = 15_000


async def in_browser(look: Callable[[Browser], None]) -> None:
    """Start a browser, and look at pages with it in its own thread, which may call trio back.

    Args:
        look: runs there; everything that it opens is closed afterwards.
    """

    def run() -> None:
        expect.set_options(timeout=WAIT_MS)
        # Of this thread alone: Playwright has its own loop there, which may not be one of trio-asyncio.
        asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=path_of("chromium", "chromium"))
                try:
                    look(browser)
                finally:
                    browser.close()
        finally:
            asyncio.set_event_loop_policy(None)

    # In its own context, it does not see the loop of the bridge to the database.
    await trio.to_thread.run_sync(lambda: Context().run(run))


@contextmanager
def a_page(
    browser: Browser,
    url: str,
    *,
    width: int = 1200,
    dark: bool = False,
    scripts: bool = True,
    zone: str = "Asia/Kolkata",
    complains: Callable[[str], bool] = lambda _text: True,
) -> Iterator[Page]:
    """Open a page as a reader's browser does, while the block runs; its console must not report an error.

    Args:
        browser: the browser to use.
        url: the page's address.
        width: the width of the window, in pixels.
        dark: whether the reader's system is dark.
        scripts: whether the reader's browser runs scripts.
        zone: the reader's time zone.
        complains: returns whether an error on the console counts.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
        timezone_id=zone,
    )
    errors: list[str] = []
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    try:
        yield page
    finally:
        context.close()
    assert [text for text in errors if complains(text)] == []
