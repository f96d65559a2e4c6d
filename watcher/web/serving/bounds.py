"""What a request may be: every one passes here first, and none that is too large or too slow comes any further."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import structlog
import trio
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

# Of the address and all header fields together; browsers send some 2 KB.
MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024
# The longest that a body may take to come.
BODY_SECONDS = 5.0

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _Refused(Exception):  # noqa: N818  # it is an answer
    """A request that is answered here; the arguments are the status and a sentence."""


class Bounded:
    """Passes requests on whose head and body are within their bounds, with the whole body at hand."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before an app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; a WebSocket is refused."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        try:
            body = await _body_of(scope, receive)
        except _Refused as refused:
            await _refuse(scope, receive, send, refused)
            return
        await self._answer(scope, _with_body(body, receive) if body is not None else receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:  # the boundary of a request: the checks go on, whatever a request makes of this program
            log.exception("a request has failed because of a fault of this program", path=scope["path"])
            if not has_begun:
                await PlainTextResponse("A fault of this program; its log says more.\n", 500)(scope, receive, send)


async def _body_of(scope: Scope, receive: Receive) -> bytes | None:
    """Return the whole body; None where none is announced."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    address_bytes = len(scope["raw_path"]) + len(scope["query_string"])
    if address_bytes > MAX_HEAD_BYTES:
        raise _Refused(414, f"The address has more than {MAX_HEAD_BYTES} bytes.")
    head_bytes = address_bytes + sum(len(name) + len(value) + 4 for name, value in headers)
    if head_bytes > MAX_HEAD_BYTES:
        raise _Refused(431, f"The head of the request has more than {MAX_HEAD_BYTES} bytes.")
    if not scope["path"].startswith("/") or _CONTROL.search(scope["path"]):
        raise _Refused(400, "The path of the address is not one.")
    announced = dict(headers)
    if b"content-length" not in announced and b"transfer-encoding" not in announced:
        return None
    if b"content-length" in announced and b"transfer-encoding" in announced:
        # A proxy may believe the other one, and take the rest for a request of its own (RFC 9112, section 6.1).
        raise _Refused(400, "A request has one of Content-Length and Transfer-Encoding, not both.")
    too_large = _Refused(413, f"The body of the request has more than {MAX_BODY_BYTES} bytes.")
    if int(announced.get(b"content-length", b"0")) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    with trio.move_on_after(BODY_SECONDS):
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > MAX_BODY_BYTES:
                raise too_large
            if not message.get("more_body", False):
                return bytes(body)
    raise _Refused(408, f"The body of the request has not come within {BODY_SECONDS:g} seconds.")


def _with_body(body: bytes, receive: Receive) -> Receive:
    """Return what hands out the body first, and then whatever comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_next() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_next


async def _refuse(scope: Scope, receive: Receive, send: Send, refused: _Refused) -> None:
    """Answer without having read the body, and let go of whatever of it still comes until that is sent."""

    async def discard() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    status, sentence = refused.args
    async with trio.open_nursery() as nursery:
        nursery.start_soon(discard)
        await PlainTextResponse(f"{sentence}\n", status, {"connection": "close"})(scope, receive, send)
