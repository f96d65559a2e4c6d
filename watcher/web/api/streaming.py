"""Answers that are too large to be held whole: sent as they are written, in turns with the checks. Trio-flavoured."""

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

# What is sent at once; a buffer holds little more.
SEND_BYTES = 64 * 1024
_HEADERS = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}


class Streamed(Response):
    """A JSON document that is sent piece by piece, compressed where that is taken."""

    def __init__(self, request: Request, pieces: Iterator[bytes], turn: trio.Lock, few: Few) -> None:
        """Take what is to be sent.

        Args:
            request: what is answered.
            pieces: of the document; each is soon written.
            turn: see `in_turns`.
            few: bounds how many are sent at once.
        """
        gzip = compressor() if takes_gzip(request.headers.get("accept-encoding", "")) else None
        coding = {} if gzip is None else {"Content-Encoding": "gzip"}
        super().__init__(None, 200, {**_HEADERS, **coding}, "application/json")
        del self.headers["content-length"]
        self._is_wanted, self._pieces, self._turn, self._few = request.method != "HEAD", pieces, turn, few
        self._gzip = gzip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or that enough others are being sent."""
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
        """Write until there is enough to send, and tell whether there may be more."""
        for piece in self._pieces:
            waiting += piece if self._gzip is None else self._gzip.compress(piece)
            if len(waiting) >= SEND_BYTES:
                return True
            yield
        waiting += b"" if self._gzip is None else self._gzip.flush()
        return False
