"""Checks the size and speed of every request before any other code sees it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import structlog
import trio
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

# The address and all header fields together; browsers send some 2 KB.
MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024
# The time limit for receiving a body.
BODY_SECONDS = 5.0

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _Refused(Exception):  # noqa: N818  # it is a response
    """A refused request; the arguments are the status and a sentence."""


class Bounded:
    """Passes on requests whose head and body are within bounds, with the body already received."""

    def __init__(self, app: ASGIApp) -> None:
        """Protect an app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; refuses WebSockets."""
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
        except Exception:  # the boundary of a request: checks go on whatever it causes
            log.exception("request failed inside watcher", path=scope["path"])
            if not has_begun:
                await PlainTextResponse("Internal error; see the log.\n", 500)(scope, receive, send)


async def _body_of(scope: Scope, receive: Receive) -> bytes | None:
    """Return the whole body; None if none is announced."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    address_bytes = len(scope["raw_path"]) + len(scope["query_string"])
    if address_bytes > MAX_HEAD_BYTES:
        raise _Refused(414, f"The address has more than {MAX_HEAD_BYTES} bytes.")
    head_bytes = address_bytes + sum(len(name) + len(value) + 4 for name, value in headers)
    if head_bytes > MAX_HEAD_BYTES:
        raise _Refused(431, f"The head of the request has more than {MAX_HEAD_BYTES} bytes.")
    if not scope["path"].startswith("/") or _CONTROL.search(scope["path"]):
        raise _Refused(400, "The path of the address is not valid.")
    announced = dict(headers)
    if b"content-length" not in announced and b"transfer-encoding" not in announced:
        return None
    if b"content-length" in announced and b"transfer-encoding" in announced:
        # A proxy may use the other one, and treat the rest as a request of its own (RFC 9112, section 6.1).
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
    """Return a `receive` that returns the body first, then later events."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_next() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_next


async def _refuse(scope: Scope, receive: Receive, send: Send, refused: _Refused) -> None:
    """Answer without reading the body, and discard its remaining data until the answer is sent."""

    async def discard() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    status, sentence = refused.args
    async with trio.open_nursery() as nursery:
        nursery.start_soon(discard)
        await PlainTextResponse(f"{sentence}\n", status, {"connection": "close"})(scope, receive, send)
