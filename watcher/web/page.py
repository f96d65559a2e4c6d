"""Runs the web page beside the checks; they go on whatever happens to it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
import trio

from watcher.web.access.rules import rules_of
from watcher.web.serving.listen import CannotListenError, open_listeners, remove_socket_file, urls_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from watcher.config.env.settings import Settings
    from watcher.web.access.rules import AccessRules
    from watcher.web.present import Present
    from watcher.web.serving.server import Server

log = structlog.get_logger()

# Time between two tries to listen.
RETRY_SECONDS = 5.0


class Page:
    """Listens at the configured address, and serves once there is data."""

    def __init__(self, settings: Settings) -> None:
        """Store the settings; nothing is opened yet."""
        self._address = settings.http
        self._rules = rules_of(settings)
        self._server_of = None if self._address is None else _import_server(self._rules)
        self._listeners: list[trio.SocketListener] = []
        self._complaint: str | None = None

    async def listen(self) -> None:
        """Listen, and log the address, or the failure."""
        if self._address is None:
            return
        try:
            self._listeners = await open_listeners(self._address)
        except CannotListenError as error:
            if str(error) != self._complaint:  # each complaint is logged once
                self._complaint = str(error)
                text = f"WATCHER_HTTP: {self._address} cannot be used: {error}; checks go on without the page, which is"
                log.error(f"{text} tried again; set another address, or off")
            return
        self._complaint = None
        log.info("serving", url=" ".join(urls_of(self._listeners)), public_url=self._rules.url)

    def tell_warnings(self) -> None:
        """Log a warning if others may see more than intended."""
        if self._address is not None and self._rules.is_open_to_others:
            log.warning(
                f"WATCHER_HTTP: {self._address} is reachable from other machines without a password: everyone sees"
                " names and states; set WATCHER_HTTP_USER and WATCHER_HTTP_PASSWORD, or WATCHER_HTTP_TOKEN"
            )

    async def run(self, present: Present) -> None:
        """Serve until cancelled, which closes every connection at once; while listening fails, retry.

        Args:
            present: the present state of the daemon.
        """
        if self._server_of is None:
            return
        server = self._server_of(present)
        while True:
            if self._listeners:
                try:
                    await server.serve(self._listeners)
                except* OSError as errors:
                    log.error("page stopped listening, retrying", error=_first_of(errors))
                finally:
                    self.close()
            await trio.sleep(RETRY_SECONDS)
            await self.listen()

    def close(self) -> None:
        """Stop listening."""
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.socket.close()
        if self._address is not None and listeners:
            remove_socket_file(self._address)


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


def _import_server(rules: AccessRules) -> Callable[[Present], Server]:
    """Import the server late: daemons without a page save the time and the memory."""
    from watcher.web.app import app_of
    from watcher.web.serving.server import Server

    return lambda present: Server(app_of(present, rules), is_exempt=rules.may_be_many)


@asynccontextmanager
async def open_page(settings: Settings) -> AsyncIterator[Page]:
    """Listen, log the address, and close the listeners at the end, even if `run` was not called."""
    page = Page(settings)
    await page.listen()
    page.tell_warnings()
    try:
        yield page
    finally:
        page.close()
