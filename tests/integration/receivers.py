"""Receivers of messages: an HTTP server that records its requests and answers as the test says."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.integration.sites import response, serving
from watcher.alerting.channels.trial import trial_notification
from watcher.model.alerts.channel import Channel

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime

    import trio

    from watcher.model.alerts.channel import Receiver
    from watcher.model.alerts.notification import Notification

    Behaviour = Callable[[trio.abc.Stream], Awaitable[None]]


@dataclass
class Post:
    """A received request, with its whole body."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class HttpReceiver:
    """Accepts posts, and treats each client as `then` does, which answers with success by default."""

    then: Callable[[Post], bytes | Behaviour] = lambda _post: response(b"thank you")
    posts: list[Post] = field(default_factory=list)
    port: int = 0

    async def behave(self, stream: trio.abc.Stream) -> None:
        """Accept one post."""
        post = await _read_post(stream)
        if post is None:
            return
        self.posts.append(post)
        answer = self.then(post)
        await (stream.send_all(answer) if isinstance(answer, bytes) else answer(stream))


@asynccontextmanager
async def receiving(
    then: Callable[[Post], bytes | Behaviour] | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[HttpReceiver]:
    """Run a receiver on 127.0.0.1."""
    receiver = HttpReceiver() if then is None else HttpReceiver(then)
    async with serving(receiver.behave, tls) as receiver.port:
        yield receiver


def a_channel(receiver: Receiver, **changes: Any) -> Channel:
    """Return a channel that waits as long as a busy machine may take."""
    return Channel("ops", receiver, **{"timeout_seconds": 30.0, **changes})


def a_message(now: datetime) -> Notification:
    """Return a message to the channel of `a_channel`."""
    return trial_notification("ops", now)


async def _read_post(stream: trio.abc.Stream) -> Post | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = await stream.receive_some()
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += await stream.receive_some()
    method, path, _ = first.split(" ", 2)
    return Post(method, path, headers, body)
