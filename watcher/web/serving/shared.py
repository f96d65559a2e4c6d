"""Answers that many viewers share: each is computed once, for all who ask at about the same time. Trio-flavoured."""

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

# How long an answer is good for others who ask.
SHARED_SECONDS = 1.0
# The bounds of those that are kept; what is larger than its part of them is shared only by those who wait for it.
MAX_KEPT = 256
MAX_KEPT_BYTES = 16 * 1024 * 1024
MAX_ANSWER_BYTES = MAX_KEPT_BYTES // 4
# Different answers that are computed at once, and the bound of those that wait for it.
MAX_COMPUTED = 2
MAX_IN_WAIT = 32
WAIT_SECONDS = 2.0
# So many of those who have waited for one answer go on in one turn of the loop: all at once, the checks would feel it.
VIEWERS_A_TURN = 4
# What is sent at once, and has its own time on the way.
SEND_BYTES = 64 * 1024
LEAST_GZIP_BYTES = 1024  # less comes in one packet either way


class Answer(NamedTuple):
    """What is sent to everybody who asks for the same.

    Attributes:
        status: of it.
        headers: without those that tell length and coding.
        body: as it is.
        compressed: the same with gzip; None where that is not worth it.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    compressed: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(self.body) + len(self.compressed or b"")


class AnswerResponse(Response):
    """An answer for one viewer, sent in pieces: each has the time that a piece may take."""

    def __init__(self, answer: Answer, *, is_gzip: bool) -> None:
        """Take the answer; its headers are copied, since what sends them on adds some."""
        super().__init__(None, answer.status)
        self.body, self.raw_headers = answer.body, list(answer.headers)
        if is_gzip and answer.compressed is not None:
            self.body = answer.compressed
            self.raw_headers = [(name, _weak(value) if name == b"etag" else value) for name, value in answer.headers]
            self.raw_headers.append((b"content-encoding", b"gzip"))
        self.raw_headers.append((b"content-length", str(len(self.body)).encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope, receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        last = max(len(self.body) - 1, 0) // SEND_BYTES * SEND_BYTES
        for start in range(0, last + 1, SEND_BYTES):
            piece = self.body[start : start + SEND_BYTES]
            await send({"type": "http.response.body", "body": piece, "more_body": start < last})


@dataclass(slots=True)
class _Flight:
    """One answer that is being computed, and those who wait for it."""

    waiting: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)
    answer: Answer | None = None
    error: Exception | None = None

    @property
    def is_over(self) -> bool:
        return self.answer is not None or self.error is not None


class Shared:
    """Computes answers: the same one once a second, others a few at a time."""

    def __init__(self, few: Few | None = None, clock: Callable[[], float] = trio.current_time) -> None:
        """Begin with none.

        Args:
            few: bounds what is computed at once.
            clock: seconds, for how long an answer is good.
        """
        self._few = few or Few(MAX_COMPUTED, MAX_IN_WAIT, WAIT_SECONDS)
        self._clock = clock
        self._kept: dict[object, tuple[float, Answer]] = {}  # with when each ends, the oldest first
        self._kept_bytes = 0
        self._flights: dict[object, _Flight] = {}  # bounded by the connections

    async def response(
        self, request: Request, compute: Callable[[], Awaitable[Response]], version: object = None
    ) -> Response:
        """Answer a request as everybody who asks for the same, and may see the same; with gzip to who takes it.

        Args:
            request: whose address, with host and query, and view tell what is the same.
            compute: makes the response, whole; where whoever called for it goes away, the next one's is called.
            version: of what it is made from; what was computed from another one is not good enough.
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
        """Return what was computed less than a second ago, or is being computed, or compute it.

        Args:
            key: of what is the same.
            compute: computes it.

        Raises:
            BusyError: enough else is being computed.
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
        if not flight.is_over:  # nobody computes it, or who did so has gone
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
    """Return the tag of what differs in its coding only (RFC 9110, section 8.8.1)."""
    return etag if etag.startswith(b"W/") else b"W/" + etag
