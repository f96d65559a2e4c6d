"""The page as the daemon runs it: it begins and ends with the checks, and whatever becomes of it, they go on."""

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

# Time between two tries to listen where that cannot be done.
RETRY_SECONDS = 5.0


class Page:
    """Listens where the settings say, and answers as soon as there is something to tell."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings; nothing is opened yet."""
        self._address = settings.http
        self._rules = rules_of(settings)
        self._server_of = None if self._address is None else _import_server(self._rules)
        self._listeners: list[trio.SocketListener] = []
        self._complaint: str | None = None

    async def listen(self) -> None:
        """Listen, and say where, or that it cannot be done."""
        if self._address is None:
            return
        try:
            self._listeners = await open_listeners(self._address)
        except CannotListenError as error:
            if str(error) != self._complaint:  # the same word is said once
                self._complaint = str(error)
                text = f"WATCHER_HTTP: {self._address} cannot be used: {error}; the checks run all the same, and it is"
                log.error(f"{text} tried again; name another address, or off")
            return
        self._complaint = None
        log.info("serving", url=" ".join(urls_of(self._listeners)), public_url=self._rules.url)

    def tell_warnings(self) -> None:
        """Say what may surprise about who sees it."""
        if self._address is not None and self._rules.is_open_to_others:
            log.warning(
                f"WATCHER_HTTP: {self._address} can be reached from elsewhere without a password: names and states are"
                " shown to everybody; set WATCHER_HTTP_USER and WATCHER_HTTP_PASSWORD, or WATCHER_HTTP_TOKEN"
            )

    async def run(self, present: Present) -> None:
        """Answer until cancelled, which cuts every connection at once; where nobody can be listened to, try again.

        Args:
            present: what there is to tell.
        """
        if self._server_of is None:
            return
        server = self._server_of(present)
        while True:
            if self._listeners:
                try:
                    await server.serve(self._listeners)
                except* OSError as errors:
                    log.error("nobody can be listened to any more, it is tried again", error=_first_of(errors))
                finally:
                    self.close()
            await trio.sleep(RETRY_SECONDS)
            await self.listen()

    def close(self) -> None:
        """Listen no more."""
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.socket.close()
        if self._address is not None and listeners:
            remove_socket_file(self._address)


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


def _import_server(rules: AccessRules) -> Callable[[Present], Server]:
    """Import what answers: whoever has switched it off is spared the time and the memory."""
    from watcher.web.app import app_of
    from watcher.web.serving.server import Server

    return lambda present: Server(app_of(present, rules), is_exempt=rules.may_be_many)


@asynccontextmanager
async def open_page(settings: Settings) -> AsyncIterator[Page]:
    """Listen, say where, and close it in the end, whether anything was answered or not."""
    page = Page(settings)
    await page.listen()
    page.tell_warnings()
    try:
        yield page
    finally:
        page.close()
