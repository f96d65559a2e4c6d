"""Operations of the API: path, parameters and handler of each, and the one way of answering them. Trio."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from watcher.alerting.silences.orders import TooManyError
from watcher.outbox.errors import OutboxUnavailableError
from watcher.web.api.bodies import BodyRefusedError
from watcher.web.api.calls import RETRY_AFTER_SECONDS, Call, HistoryAwayError, Source
from watcher.web.api.parameters import DURATIONS, WrongValuesError, values_of
from watcher.web.api.streaming import Streamed
from watcher.web.serving.few import Few
from watcher.web.serving.problems import problem_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from watcher.web.api.bodies import Body
    from watcher.web.api.parameters import Parameter
    from watcher.web.serving.shared import Shared
    from watcher.web.sites import Sites

READING = ("GET", "HEAD")
NO_TARGET = "There is no target with this key."
# Lists of more sites are streamed: a site has up to 3 KB, and buffered answers have a bound.
MAX_WHOLE_SITES = 1000
MAX_STREAMS = 16  # each has a buffer, and all share one portion of each turn


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the API.

    Attributes:
        path: with the names of its parameters in braces.
        name: its unique name in the document.
        summary: in a few words.
        answer: returns the response.
        media_type: of the response.
        shape: the name of the response's shape, or None if it is not JSON.
        is_list: whether the response is a bare list of that shape.
        query: its parameters.
        reads_history: whether it needs the database.
        may_be_empty: whether it may have no data: 204.
        pieces: writes the response piece by piece, if it may be large.
        method: of HTTP; all but GET write.
        body: of the request; None for none.
        status: of a successful response.
        refusals: other responses: a sentence for each status.
    """

    path: str
    name: str
    summary: str
    answer: Callable[[Call], Awaitable[Response]]
    media_type: str = "application/json"
    shape: str | None = None
    is_list: bool = False
    query: tuple[Parameter, ...] = ()
    reads_history: bool = True
    may_be_empty: bool = False
    pieces: Callable[[Call], Iterator[bytes]] | None = None
    method: str = "GET"
    body: Body | None = None
    status: int = 200
    refusals: Mapping[str, str] = field(default_factory=dict)

    @property
    def writes(self) -> bool:
        """Whether it changes data, which the gate allows only to authenticated callers."""
        return self.method != "GET"


class Methods:
    """Answers all operations of one path, each by its method; an ASGI app."""

    def __init__(self, operations: Iterable[Operation], source: Source, shared: Shared) -> None:
        """Create the app of each operation; see `Answering`."""
        self._apps: dict[str, ASGIApp] = {}
        for one in operations:
            app = Writing(one, source) if one.writes else Answering(one, source, shared)
            self._apps |= dict.fromkeys((one.method,) if one.writes else READING, app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        app = self._apps.get(scope["method"])
        if app is None:
            allow = ", ".join(self._apps)
            app = problem_response(405, f"Allowed here: {allow}.", {"Allow": allow})
        await app(scope, receive, send)


class Answering:
    """Answers one operation; an ASGI app."""

    def __init__(self, operation: Operation, source: Source, shared: Shared) -> None:
        """Create the app.

        Args:
            operation: the operation.
            source: the data that the API serves.
            shared: caches responses for simultaneous callers.
        """
        self._operation = operation
        self._source = source
        self._shared = shared
        self._streams = Few(MAX_STREAMS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        sites = await self._source.sites(not request.state.sees_all)
        if self._operation.pieces is not None and len(sites.all) > MAX_WHOLE_SITES:
            response = await self._respond(request, sites)
        else:
            response = await self._shared.response(request, lambda: self._respond(request, sites), self._source.version)
        await unless_known(request, response)(scope, receive, send)

    async def _respond(self, request: Request, sites: Sites) -> Response:
        path = request.path_params
        if path.get("duration", "1h") not in DURATIONS:
            return problem_response(400, f"The duration is not one of {', '.join(DURATIONS)}.")
        if "key" in path and sites.with_key(path["key"]) is None:
            return problem_response(404, NO_TARGET)
        try:
            values = values_of(self._operation.query, request.query_params)
            call = Call(request, self._source, not request.state.sees_all, sites, values, self._source.clock())
            if self._operation.pieces is not None and len(sites.all) > MAX_WHOLE_SITES:
                return Streamed(request, self._operation.pieces(call), self._source.turn, self._streams)
            return await self._operation.answer(call)
        except WrongValuesError as error:
            return _wrong_values("query", error)
        except HistoryAwayError:
            retry_after = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return problem_response(503, "The history cannot be read now: the database does not answer.", retry_after)


class Writing:
    """Answers one operation that changes data; an ASGI app."""

    def __init__(self, operation: Operation, source: Source) -> None:
        """Create the app; see `Answering`."""
        self._operation = operation
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        response = await self._respond(request, await self._source.sites(False))
        response.headers["Cache-Control"] = "no-store"
        await response(scope, receive, send)

    async def _respond(self, request: Request, sites: Sites) -> Response:
        if "key" in request.path_params and sites.with_key(request.path_params["key"]) is None:
            return problem_response(404, NO_TARGET)
        body = self._operation.body
        try:
            content_type = request.headers.get("content-type", "")
            values = {} if body is None else body.values_of(await request.body(), content_type)
            return await self._operation.answer(Call(request, self._source, False, sites, values, self._source.clock()))
        except BodyRefusedError as refused:
            status, sentence = refused.args
            return problem_response(status, sentence)
        except WrongValuesError as error:
            return _wrong_values("body", error)
        except TooManyError as error:
            return problem_response(409, f"{error}.")
        except OutboxUnavailableError:
            return problem_response(503, "It cannot be stored now.", {"Retry-After": str(RETRY_AFTER_SECONDS)})


def _wrong_values(where: str, error: WrongValuesError) -> Response:
    wrong = [{"name": name, "detail": f"{name} {what}"} for name, what in error.wrong.items()]
    return problem_response(422, f"The {where} is wrong: {error}.", errors=wrong)


def unless_known(request: Request, response: Response) -> Response:
    """Return the response, or 304 if it has not changed (RFC 9110, section 13.1.2)."""
    etag = response.headers.get("etag")
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag is None or response.status_code != 200 or not {etag.removeprefix("W/"), "*"} & set(known):
        return response
    kept = {name: response.headers[name] for name in ("etag", "cache-control", "vary") if name in response.headers}
    return Response(None, 304, kept)
