"""Handlers of the pages: they gather the values of a page and render it. Trio."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import trio
from starlette.responses import Response
from starlette.routing import Route

from watcher.model.places import COMBINED
from watcher.postgres.errors import StorageError
from watcher.reporting.page_history import RANGES, read_entries, read_row_histories, read_target_history
from watcher.web.pages.events import Events
from watcher.web.pages.glance import Seen, glancing
from watcher.web.pages.incident_selection import PAGE_ENTRIES, IncidentSelection
from watcher.web.pages.incidents import FEED_ENTRIES, IncidentsView, all_told, feed_atom, incidents_page, pages_of
from watcher.web.pages.overview import Overview, overview_page
from watcher.web.pages.rendering import static_file
from watcher.web.pages.rows import RowHistories, past_of
from watcher.web.pages.selection import Selection, choosing
from watcher.web.pages.target import TargetView, missing_page, target_page
from watcher.web.serving.shared import Shared
from watcher.web.serving.turns import in_turns
from watcher.web.silencing import Forms, Silencing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
    from datetime import datetime

    from starlette.requests import Request

    from watcher.postgres.db import Database
    from watcher.reporting.page_history import RowHistory
    from watcher.web.pages.glance import Row
    from watcher.web.pages.rendering import Look
    from watcher.web.pages.rows import Past
    from watcher.web.sites import Sites
    from watcher.web.standings import Standings

Result = TypeVar("Result")

HISTORY_SECONDS = 0.8  # a page without history is better than no page within a second

_STATIC_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FOR_A_YEAR = {"Cache-Control": "public, max-age=31536000, immutable"}  # their addresses have digests
_FOR_NOW = {"Cache-Control": "no-cache"}
_LOGO_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@dataclass(slots=True)
class Pages:
    """The pages, and the data that they show.

    Attributes:
        present: the states of targets.
        sites: returns the sites that a viewer may see; its argument is whether the viewer is the public.
        look: returns the parts that all pages of this viewer share.
        database: returns the database with the history; None while PostgreSQL is away.
        clock: returns the time, UTC.
        location: the location whose checks count.
        shared: caches responses for simultaneous callers.
        turn: shared by all long tasks.
        is_public: returns whether the public learns of changes of a target, by its name.
        origin: scheme and host of the page's public address; None for those of the request.
        silencing: the active silences and acks.
        history_lost_at: since when the history cannot be read.
    """

    present: Standings
    sites: Callable[[bool], Awaitable[Sites]]
    look: Callable[[Request], Look]
    database: Callable[[], Database | None]
    clock: Callable[[], datetime]
    location: str
    shared: Shared = field(default_factory=Shared)
    turn: trio.Lock = field(default_factory=trio.Lock)
    origin: str | None = None
    is_public: Callable[[str], bool] = lambda _target: True
    silencing: Silencing = field(default_factory=Silencing)
    history_lost_at: datetime | None = field(default=None, init=False)
    _row_histories: dict[bool, RowHistories] = field(init=False)  # by whether they are for the public
    _events: Events = field(init=False)

    def __post_init__(self) -> None:
        """Create the parts that depend on others."""
        self._events = Events(self.present, self.is_public, lambda: self.silencing.present.changes)
        self._row_histories = {public: RowHistories() for public in (False, True)}

    def routes(self) -> list[Route]:
        """Return the routes to mount."""
        return [
            Route("/", self._shared(self.overview), methods=["GET"]),
            Route("/targets/{key}", self._shared(self.target), methods=["GET"]),
            *Forms(self.silencing, self.sites, self.clock).routes(),
            Route("/incidents", self._shared(self.incidents), methods=["GET"]),
            Route("/feed.atom", self._shared(self.feed), methods=["GET"]),
            Route("/events", self._events),
            Route("/static/logo", self.logo, methods=["GET"]),
            Route("/static/{name}", static, methods=["GET"]),
        ]

    def _shared(self, page: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            look = self.look(request)
            # A viewer who has sent a form must see its result at once.
            version = self._events.version(public=look.public), self.silencing.present.changes, look
            return await self.shared.response(request, lambda: page(request), version)

        return answer

    async def overview(self, request: Request) -> Response:
        """Answer with the page of all sites."""
        look, now = self.look(request), self.clock()
        glance = await in_turns(glancing(await self.sites(look.public), self.present), self.turn)
        chosen = await in_turns(choosing(glance, Selection.of(request.query_params)), self.turn)
        pasts = await self._pasts_of(chosen.rows, now, public=look.public)
        silences = [] if look.public else self.silencing.silences(now)
        view = Overview(glance, chosen, pasts, self.history_lost_at, now, silences)
        return await self._answer(overview_page(view, look))

    async def missing(self, request: Request) -> Response:
        """Answer 404 with a page."""
        return await self._answer(missing_page(self.look(request), self.clock()), 404)

    async def target(self, request: Request) -> Response:
        """Answer with the page of one site; 404 for an unknown key, or one that this viewer may not see."""
        look, now = self.look(request), self.clock()
        site = (await self.sites(look.public)).with_key(request.path_params["key"])
        latest = None if site is None else self.present.latest_of(site)
        if site is None or latest is None:
            return await self.missing(request)
        name = request.query_params.get("range", "")
        range_name = name if name in RANGES else "24h"
        flips_at = COMBINED if self.present.is_combined(site) else self.location
        history = await self._read(
            lambda database: read_target_history(
                database, site.target, self.location, now, RANGES[range_name], flips_at=flips_at
            )
        )
        silences, acks = (
            ((), ()) if look.public else (self.silencing.silences_of(site, now), self.silencing.acks_of(site))
        )
        seen = Seen(site, latest, self.present.places_of(site))
        view = TargetView(seen, history, range_name, self.history_lost_at, now, silences, acks, self.location)
        return await self._answer(target_page(view, look))

    async def incidents(self, request: Request) -> Response:
        """Answer with the page of incidents."""
        look, selection = self.look(request), IncidentSelection.of(request.query_params)
        return await self._answer(incidents_page(await self._incidents(selection, look, PAGE_ENTRIES), look))

    async def feed(self, request: Request) -> Response:
        """Answer with the incidents as an Atom feed; 503 without the history, which feed readers retry."""
        look, selection = self.look(request), replace(IncidentSelection.of(request.query_params), page=1)
        view = await self._incidents(selection, look, FEED_ENTRIES)
        if view.told is None:
            return Response("the history cannot be read now\n", 503, {"Retry-After": "60"}, "text/plain")
        origin = self.origin or f"{request.url.scheme}://{request.url.netloc}"
        return await self._answer(feed_atom(view, look, origin), media_type="application/atom+xml")

    async def logo(self, request: Request) -> Response:
        """Answer with the operator's logo; its policy blocks scripts, also if it is opened by itself."""
        logo = self.look(request).logo
        if logo is None:
            return Response("not found\n", 404, media_type="text/plain")
        is_new = request.query_params.get("v") == logo.digest
        headers = {**(_FOR_A_YEAR if is_new else _FOR_NOW), "Content-Security-Policy": _LOGO_POLICY}
        return Response(logo.content, media_type=logo.media_type, headers=headers)

    async def _incidents(self, selection: IncidentSelection, look: Look, limit: int) -> IncidentsView:
        now, sites = self.clock(), await self.sites(look.public)
        wanted = {site.target: site for site in sites.all if selection.has_site(site)}
        names, since = list(wanted), now - selection.length
        combined = self.present.combined_among(wanted.values())
        found = await self._read(lambda database: read_entries(database, names, self.location, since, now, combined))
        chosen = [pair for pair in found or () if selection.has_entry(pair[1])]
        selection = replace(selection, page=min(selection.page, pages_of(len(chosen))))
        first = (selection.page - 1) * limit
        told = None if found is None else all_told(chosen[first : first + limit], wanted, public=look.public)
        return IncidentsView(told, len(chosen), selection, sites.groups, self.history_lost_at, now)

    async def _pasts_of(self, rows: Sequence[Row], now: datetime, *, public: bool) -> dict[str, Past] | None:
        """Return the history of rows; None if it cannot be read."""
        histories = self._row_histories[public]
        known = histories.known(rows, trio.current_time())
        names = [one.site.target for one in rows if one.site.target not in known]
        if not names and self.database() is not None:
            return known
        combined = self.present.combined_among(one.site for one in rows)
        read = await self._read(lambda database: read_row_histories(database, names, self.location, now, combined))
        if read is None:
            return None
        written = await in_turns(_pasts(read, with_causes=not public), self.turn)
        histories.keep(written, rows, trio.current_time())
        return {**known, **written}

    async def _answer(self, pieces: Iterator[str], status_code: int = 200, media_type: str = "text/html") -> Response:
        """Render a page."""
        written = await in_turns(_gathered(pieces), self.turn)
        return Response("".join(written).encode("utf-8", "replace"), status_code, _FOR_NOW, media_type)

    async def _read(self, read: Callable[[Database], Awaitable[Result]]) -> Result | None:
        """Read the history; None if the database does not answer in time."""
        database = self.database()
        result: Result | None = None
        with trio.move_on_after(HISTORY_SECONDS):
            try:
                if database is not None:
                    result = await read(database)
            except StorageError:
                result = None
        self.history_lost_at = None if result is not None else self.history_lost_at or self.clock()
        return result


def _pasts(histories: Mapping[str, RowHistory], *, with_causes: bool) -> Generator[None, None, dict[str, Past]]:
    written = {}
    for name, history in histories.items():
        written[name] = past_of(history, with_causes=with_causes)
        yield
    return written


def _gathered(pieces: Iterator[str]) -> Generator[None, None, list[str]]:
    written = []
    for piece in pieces:
        written.append(piece)
        yield
    return written


async def static(request: Request) -> Response:
    """Answer with a file that pages load."""
    name = request.path_params["name"]
    try:
        content = static_file(name)
    except KeyError:
        return Response("not found\n", 404, media_type="text/plain")
    return Response(content, media_type=_STATIC_TYPES[name.rpartition(".")[2]], headers=_FOR_A_YEAR)
