"""The context of one API call, and its reads of the history. Trio."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import trio
from starlette.responses import Response

from watcher.alerting.silences.present import Silences
from watcher.model.places import COMBINED
from watcher.outbox.errors import OutboxUnavailableError
from watcher.postgres.errors import StorageError
from watcher.web.serving.turns import in_turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
    from datetime import datetime

    from starlette.requests import Request

    from watcher.alerting.silences.keeper import SilenceKeeper
    from watcher.postgres.db import Database
    from watcher.web.sites import Site, Sites
    from watcher.web.standings import Standings

Result = TypeVar("Result")

# How long the database may take to answer at all; callers learn within a second that it is away.
ANSWER_SECONDS = 0.8
# The time limit of all queries for one answer.
READ_SECONDS = 8.0
RETRY_AFTER_SECONDS = 10

_FOR_NOW = {"Cache-Control": "no-cache"}


class HistoryAwayError(Exception):
    """The history cannot be read now."""


@dataclass(frozen=True, slots=True)
class Source:
    """The data that the API serves.

    Attributes:
        present: the states of targets.
        sites: returns the sites that a viewer may see; its argument is whether the viewer is the public.
        database: returns the database with the history; None while PostgreSQL is away.
        clock: returns the time, UTC.
        location: the location whose checks count.
        turn: shared by all long tasks, see `in_turns`.
        silences: the active silences and acks.
        keeper: returns the keeper that stores new ones; None until it has started.
    """

    present: Standings
    sites: Callable[[bool], Awaitable[Sites]]
    database: Callable[[], Database | None]
    clock: Callable[[], datetime]
    location: str
    turn: trio.Lock
    silences: Silences = field(default_factory=Silences)
    keeper: Callable[[], SilenceKeeper | None] = lambda: None

    @property
    def version(self) -> object:
        """Changes when an answer about the present may change."""
        return self.present.changes, self.silences.changes

    def flips_at(self, site: Site) -> str:
        """Return the location whose flips count for a site: `*` if it has a combined state."""
        return COMBINED if self.present.is_combined(site) else self.location

    async def read(self, read: Callable[[Database], Awaitable[Result]]) -> Result:
        """Read from the history.

        Raises:
            HistoryAwayError: the database does not answer.
        """
        database = self.database()
        if database is None:
            raise HistoryAwayError
        try:
            with trio.fail_after(ANSWER_SECONDS):
                await database.ping()
            with trio.fail_after(READ_SECONDS):
                return await read(database)
        except (StorageError, trio.TooSlowError):
            raise HistoryAwayError from None


@dataclass(frozen=True, slots=True)
class Call:
    """A call with valid parameters.

    Attributes:
        request: the HTTP request.
        source: the data that the API serves.
        public: whether addresses, reasons and details stay hidden.
        sites: the sites that the caller may see.
        values: the parsed query, by name.
        now: in UTC.
    """

    request: Request
    source: Source
    public: bool
    sites: Sites
    values: Mapping[str, Any]
    now: datetime

    @property
    def site(self) -> Site:
        """The site whose key is in the path; handlers of such a path are called only if it exists."""
        site = self.sites.with_key(self.request.path_params["key"])
        assert site is not None
        return site

    @property
    def keeper(self) -> SilenceKeeper:
        """The keeper that stores silences and acks.

        Raises:
            OutboxUnavailableError: it has not started yet.
        """
        keeper = self.source.keeper()
        if keeper is None:
            raise OutboxUnavailableError("the daemon has not started")
        return keeper

    @property
    def duration(self) -> str:
        """The duration in the path."""
        return str(self.request.path_params["duration"])

    async def in_turns(self, steps: Generator[Any, None, Result]) -> Result:
        """Run all steps, in turns with the checks."""
        return await in_turns(steps, self.source.turn)

    async def list_response(self, name: str, rows: Iterable[Mapping[str, Any]], **rest: Any) -> Response:
        """Return a response with a long list.

        Args:
            name: its key.
            rows: its entries; each is created when it is written.
            rest: other keys of the response.
        """

        def steps() -> Generator[None, None, str]:
            texts = []
            for row in rows:
                texts.append(json.dumps(row))
                yield
            return ", ".join(texts)

        written = await self.in_turns(steps())
        text = f"{{{json.dumps(name)}: [{written}], {json.dumps(rest)[1:]}"
        return content_response(text.encode(), "application/json")


def json_response(value: Mapping[str, Any], status: int = 200) -> Response:
    """Return a response with a short JSON object."""
    response = content_response(json.dumps(value).encode(), "application/json")
    response.status_code = status
    return response


def content_response(content: bytes, media_type: str) -> Response:
    """Return a response with an ETag, so that clients download it again only if it has changed."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    return Response(content, headers={**_FOR_NOW, "ETag": etag}, media_type=media_type)
