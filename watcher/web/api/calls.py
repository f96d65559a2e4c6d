"""One call of the API: who asks, for what, and how the past is read for it. It is trio-flavoured."""

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

# How long the database may take to say anything at all; whoever asks is told within a second that it is away.
ANSWER_SECONDS = 0.8
# The longest that all queries for an answer may take.
READ_SECONDS = 8.0
RETRY_AFTER_SECONDS = 10

_FOR_NOW = {"Cache-Control": "no-cache"}


class HistoryAwayError(Exception):
    """The past cannot be read now."""


@dataclass(frozen=True, slots=True)
class Source:
    """What the API tells of.

    Attributes:
        present: the states of targets.
        sites: returns what a viewer may see, by whether it is the public's view.
        database: returns where the past is read; None while PostgreSQL is away.
        clock: returns the time, UTC.
        location: whose checks count.
        turn: shared by all that takes long, see `in_turns`.
        silences: what holds of silences and acks.
        keeper: returns what takes more of them; None while there is nothing yet that does.
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
        """What differs when an answer about the present may be another one."""
        return self.present.changes, self.silences.changes

    def flips_at(self, site: Site) -> str:
        """Return the location whose flips count for a site: `*` if it has a common state."""
        return COMBINED if self.present.is_combined(site) else self.location

    async def read(self, read: Callable[[Database], Awaitable[Result]]) -> Result:
        """Read the past.

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
    """A call whose parameters are in order.

    Attributes:
        request: as it came.
        source: what the API tells of.
        public: whether addresses, reasons and details stay hidden.
        sites: what the caller may see.
        values: those of the query, by name.
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
        """The site whose key stands in the path; who handles such a path is called only where there is one."""
        site = self.sites.with_key(self.request.path_params["key"])
        assert site is not None
        return site

    @property
    def keeper(self) -> SilenceKeeper:
        """What takes silences and acks.

        Raises:
            OutboxUnavailableError: there is nothing yet that does.
        """
        keeper = self.source.keeper()
        if keeper is None:
            raise OutboxUnavailableError("the daemon has not begun")
        return keeper

    @property
    def duration(self) -> str:
        """The duration that stands in the path."""
        return str(self.request.path_params["duration"])

    async def in_turns(self, steps: Generator[Any, None, Result]) -> Result:
        """Go through all steps, in turns with the checks."""
        return await in_turns(steps, self.source.turn)

    async def list_response(self, name: str, rows: Iterable[Mapping[str, Any]], **rest: Any) -> Response:
        """Answer with a long list.

        Args:
            name: its key.
            rows: what is in it; each is made when it is written.
            rest: what else there is to tell.
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
    """Answer with something that is soon written."""
    response = content_response(json.dumps(value).encode(), "application/json")
    response.status_code = status
    return response


def content_response(content: bytes, media_type: str) -> Response:
    """Make an answer that whoever has it asks for again only if it has changed."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    return Response(content, headers={**_FOR_NOW, "ETag": etag}, media_type=media_type)
