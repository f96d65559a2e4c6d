"""Turns the API's error responses into RFC 9457 problems, whichever layer refused the request."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.datastructures import MutableHeaders
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE = "application/problem+json"
# The bound of a sentence that is turned into a problem; our sentences are short.
MAX_SENTENCE_BYTES = 4096


def problem_response(status: int, sentence: str, headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    """Return an error response.

    Args:
        status: of HTTP.
        sentence: what is wrong, for people.
        headers: in addition to those of every response.
        members: further members for machines.
    """
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": sentence}
    return Response(json.dumps(problem | members).encode(), status, {**_NOT_KEPT, **(headers or {})}, MEDIA_TYPE)


class Problems:
    """Passes on requests; below the API's path, turns plain-text errors into problems."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or "/api/" not in f"{scope['path']}/":
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        sentence = b""

        async def send_problem(message: Message) -> None:
            nonlocal start, sentence
            if message["type"] == "http.response.start" and _is_sentence(message):
                start = message
            elif start is None:
                await send(message)
            else:
                sentence = (sentence + message.get("body", b""))[:MAX_SENTENCE_BYTES]
                if not message.get("more_body", False):
                    await _send_problem(scope, receive, send, start, sentence)

        await self._app(scope, receive, send_problem)


_NOT_KEPT = {"Cache-Control": "no-store"}


def _is_sentence(start: Message) -> bool:
    headers = MutableHeaders(scope=start)
    return start["status"] >= HTTPStatus.BAD_REQUEST and headers.get("content-type", "").startswith("text/plain")


async def _send_problem(scope: Scope, receive: Receive, send: Send, start: Message, sentence: bytes) -> None:
    response = problem_response(start["status"], sentence.decode("utf-8", "replace").strip())
    own = {name for name, _ in response.raw_headers}
    response.raw_headers += [(name, value) for name, value in start["headers"] if name.lower() not in own]
    if scope["method"] == "HEAD":
        response.body = b""
    await response(scope, receive, send)
