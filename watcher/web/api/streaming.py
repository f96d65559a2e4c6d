"""Streams answers that are too large to buffer: writes and sends them in turns with the checks. Trio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from watcher.web.serving.few import BusyError, busy_response
from watcher.web.serving.gzip import compressor, takes_gzip
from watcher.web.serving.turns import in_turns

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import trio
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from watcher.web.serving.few import Few

# Bytes sent at once; a buffer holds little more.
SEND_BYTES = 64 * 1024
_HEADERS = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}


class Streamed(Response):
    """A JSON document sent piece by piece, compressed if the client accepts that."""

    def __init__(self, request: Request, pieces: Iterator[bytes], turn: trio.Lock, few: Few) -> None:
        """Create the response.

        Args:
            request: the request.
            pieces: of the document; each is written quickly.
            turn: see `in_turns`.
            few: bounds the simultaneous streams.
        """
        gzip = compressor() if takes_gzip(request.headers.get("accept-encoding", "")) else None
        coding = {} if gzip is None else {"Content-Encoding": "gzip"}
        super().__init__(None, 200, {**_HEADERS, **coding}, "application/json")
        del self.headers["content-length"]
        self._is_wanted, self._pieces, self._turn, self._few = request.method != "HEAD", pieces, turn, few
        self._gzip = gzip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the document, or 503 if too many are being sent."""
        try:
            async with self._few.turn():
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await self._send(send)
        except BusyError:
            await busy_response()(scope, receive, send)

    async def _send(self, send: Send) -> None:
        waiting, is_wanted = bytearray(), self._is_wanted
        while is_wanted:
            is_wanted = await in_turns(self._fill(waiting), self._turn)
            await send({"type": "http.response.body", "body": bytes(waiting), "more_body": True})
            waiting.clear()
        await send({"type": "http.response.body"})

    def _fill(self, waiting: bytearray) -> Generator[None, None, bool]:
        """Write until there is enough to send; return whether more may follow."""
        for piece in self._pieces:
            waiting += piece if self._gzip is None else self._gzip.compress(piece)
            if len(waiting) >= SEND_BYTES:
                return True
            yield
        waiting += b"" if self._gzip is None else self._gzip.flush()
        return False
