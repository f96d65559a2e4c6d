"""Computes responses once for all viewers who request them at about the same time. Trio."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import trio
from starlette.responses import Response

from watcher.web.serving.few import BusyError, Few, busy_response
from watcher.web.serving.gzip import compressed, takes_gzip

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

# How long an answer is reused.
SHARED_SECONDS = 1.0
# The bounds of cached answers; an answer above MAX_ANSWER_BYTES is shared only by those who wait for it.
MAX_KEPT = 256
MAX_KEPT_BYTES = 16 * 1024 * 1024
MAX_ANSWER_BYTES = MAX_KEPT_BYTES // 4
# The maximum of answers computed at once, and the bound of those that wait for it.
MAX_COMPUTED = 2
MAX_IN_WAIT = 32
WAIT_SECONDS = 2.0
# How many waiters for one answer continue in one turn of the loop: all at once would delay the checks.
VIEWERS_A_TURN = 4
# Bytes sent at once; each send has its own time limit.
SEND_BYTES = 64 * 1024
LEAST_GZIP_BYTES = 1024  # a smaller answer fits into one packet anyway


class Answer(NamedTuple):
    """An answer for all viewers with the same request.

    Attributes:
        status: of HTTP.
        headers: without length and coding.
        body: uncompressed.
        compressed: with gzip; None if that is not worthwhile.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    compressed: bytes | None = None

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return len(self.body) + len(self.compressed or b"")


class AnswerResponse(Response):
    """An answer for one viewer, sent in pieces, each with its own time limit."""

    def __init__(self, answer: Answer, *, is_gzip: bool) -> None:
        """Store the answer; its headers are copied, since later layers add some."""
        super().__init__(None, answer.status)
        self.body, self.raw_headers = answer.body, list(answer.headers)
        if is_gzip and answer.compressed is not None:
            self.body = answer.compressed
            self.raw_headers = [(name, _weak(value) if name == b"etag" else value) for name, value in answer.headers]
            self.raw_headers.append((b"content-encoding", b"gzip"))
        self.raw_headers.append((b"content-length", str(len(self.body)).encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        del scope, receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        last = max(len(self.body) - 1, 0) // SEND_BYTES * SEND_BYTES
        for start in range(0, last + 1, SEND_BYTES):
            piece = self.body[start : start + SEND_BYTES]
            await send({"type": "http.response.body", "body": piece, "more_body": start < last})


@dataclass(slots=True)
class _Flight:
    """One answer that is being computed, and its waiters."""

    waiting: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)
    answer: Answer | None = None
    error: Exception | None = None

    @property
    def is_over(self) -> bool:
        return self.answer is not None or self.error is not None


class Shared:
    """Computes answers: the same one at most once a second, different ones a few at a time."""

    def __init__(self, few: Few | None = None, clock: Callable[[], float] = trio.current_time) -> None:
        """Start without answers.

        Args:
            few: bounds simultaneous computations.
            clock: returns seconds.
        """
        self._few = few or Few(MAX_COMPUTED, MAX_IN_WAIT, WAIT_SECONDS)
        self._clock = clock
        self._kept: dict[object, tuple[float, Answer]] = {}  # with its expiry time, the oldest first
        self._kept_bytes = 0
        self._flights: dict[object, _Flight] = {}  # bounded by the connections

    async def response(
        self, request: Request, compute: Callable[[], Awaitable[Response]], version: object = None
    ) -> Response:
        """Answer a request with the shared answer for its address and view; with gzip if the client accepts it.

        Args:
            request: its address, with host and query, and its view select the answer.
            compute: computes the whole response; if its caller goes away, a waiter's `compute` is called.
            version: of the underlying data; answers of another version are not reused.
        """
        is_gzip = takes_gzip(request.headers.get("accept-encoding", ""))
        sees_all = request.scope.get("state", {}).get("sees_all", False)

        async def make() -> Answer:
            return await _answer_of(await compute())

        try:
            answer = await self.answer((sees_all, str(request.url), version), make)
        except BusyError:
            return busy_response()
        return AnswerResponse(answer, is_gzip=is_gzip)

    async def answer(self, key: object, compute: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the cached answer, wait for a running computation, or compute it.

        Args:
            key: identifies the answer.
            compute: computes it.

        Raises:
            BusyError: too many others are being computed.
        """
        ends_at, kept = self._kept.get(key, (0.0, None))
        if kept is not None and self._clock() < ends_at:
            await trio.lowlevel.checkpoint()
            return kept
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight()
        else:
            await flight.waiting.park()
        if not flight.is_over:  # no task computes it, or the one that did was cancelled
            return await self._compute(key, flight, compute)
        flight.waiting.unpark()
        if flight.answer is None:
            raise flight.error or BusyError
        return flight.answer

    async def _compute(self, key: object, flight: _Flight, compute: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            async with self._few.turn():
                flight.answer = await compute()
        except Exception as error:
            flight.error = error
            raise
        else:
            self._keep(key, flight.answer)
            return flight.answer
        finally:
            if flight.is_over or not flight.waiting:
                del self._flights[key]
            flight.waiting.unpark(count=VIEWERS_A_TURN if flight.is_over else 1)

    def _keep(self, key: object, answer: Answer) -> None:
        now = self._clock()
        self._drop(key)
        if answer.size > MAX_ANSWER_BYTES:
            return
        self._kept[key] = now + SHARED_SECONDS, answer
        self._kept_bytes += answer.size
        while self._kept:
            oldest = next(iter(self._kept))
            is_within = len(self._kept) <= MAX_KEPT and self._kept_bytes <= MAX_KEPT_BYTES
            if is_within and now < self._kept[oldest][0]:
                break
            self._drop(oldest)

    def _drop(self, key: object) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._kept_bytes -= kept[1].size


async def _answer_of(response: Response) -> Answer:
    body = bytes(response.body)
    headers = [pair for pair in response.raw_headers if pair[0] != b"content-length"]
    is_worth_it = len(body) >= LEAST_GZIP_BYTES and all(name != b"content-encoding" for name, _ in headers)
    headers.append((b"vary", b"accept-encoding"))
    return Answer(response.status_code, tuple(headers), body, await compressed(body) if is_worth_it else None)


def _weak(etag: bytes) -> bytes:
    """Return the tag for content that differs only in its coding (RFC 9110, section 8.8.1)."""
    return etag if etag.startswith(b"W/") else b"W/" + etag
