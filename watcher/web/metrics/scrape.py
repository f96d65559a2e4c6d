"""Serves `/metrics`: a separate ASGI app, which sends piece by piece and lets the checks go first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from watcher.web.metrics.exposition import END_OF_OPEN_METRICS, OPEN_METRICS, TEXT, escaped
from watcher.web.metrics.of_daemon import daemon_text
from watcher.web.metrics.of_targets import TARGETS_A_TURN, targets_text
from watcher.web.public_names import shown_names
from watcher.web.serving.few import BusyError, Few, busy_response
from watcher.web.serving.gzip import compressor, takes_gzip
from watcher.web.serving.turns import PORTION_SECONDS, until_idle

if TYPE_CHECKING:
    import zlib
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

    from watcher.model.target import Target
    from watcher.web.present import Present

# The bound of simultaneous scrapes: each holds a list of all targets.
MAX_SCRAPES = 2
# Bytes sent at once; a buffer holds at most twice as many.
SEND_BYTES = 32 * 1024


class Metrics:
    """Answers scrapes."""

    def __init__(self, present: Present, turn: trio.Lock) -> None:
        """Create the app.

        Args:
            present: the present state of the daemon.
            turn: shared by all long tasks, see `in_turns`.
        """
        self._present = present
        self._turn = turn
        self._few = Few(MAX_SCRAPES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a scrape; `?group=` and `?name=`, each once or more, choose targets."""
        request = Request(scope, receive)
        if request.method not in {"GET", "HEAD"}:
            await PlainTextResponse("Method Not Allowed", 405, {"allow": "GET, HEAD"})(scope, receive, send)
            return
        try:
            async with self._few.turn():
                await self._send(request, send)
        except BusyError:
            await busy_response()(scope, receive, send)

    async def _send(self, request: Request, send: Send) -> None:
        is_open_metrics = "application/openmetrics-text" in request.headers.get("accept", "")
        is_gzip = takes_gzip(request.headers.get("accept-encoding", ""))
        headers = [
            (b"content-type", (OPEN_METRICS if is_open_metrics else TEXT).encode()),
            (b"vary", b"accept, accept-encoding"),
            *([(b"content-encoding", b"gzip")] if is_gzip else []),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if request.method == "HEAD":
            await send({"type": "http.response.body"})
            return
        gzip = compressor() if is_gzip else None
        waiting = bytearray()
        pieces = self._pieces(request, is_open_metrics=is_open_metrics)
        is_over = False
        while not is_over:
            async with self._turn:
                await until_idle()
                is_over = _take_portion(pieces, waiting, gzip)
            if len(waiting) >= SEND_BYTES:
                await send({"type": "http.response.body", "body": bytes(waiting), "more_body": True})
                waiting.clear()
        waiting += b"" if gzip is None else gzip.flush()
        await send({"type": "http.response.body", "body": bytes(waiting)})

    def _pieces(self, request: Request, *, is_open_metrics: bool) -> Iterator[str]:
        present, query, sees_all = self._present, request.query_params, request.state.sees_all
        groups, names = query.getlist("group"), query.getlist("name")
        all_targets = list(present.targets.values())
        targets: list[Target] = []
        written: list[str] = []
        visible = 0
        for target, name in shown_names(all_targets, sees_all=sees_all, public_groups=present.page.public_groups):
            if visible % TARGETS_A_TURN == 0:
                yield ""
            visible += 1
            is_wanted = (not groups or target.group in groups) and (not names or name in names)
            if is_wanted and not present.board.is_elsewhere(target.name):  # the replica that checks it has its series
                targets.append(target)
                written.append(escaped(name))
        if present.shows_targets:
            yield from targets_text(present, targets, written, sees_all=sees_all, is_open_metrics=is_open_metrics)
        yield daemon_text(present, visible, sees_all=sees_all, is_open_metrics=is_open_metrics)
        if is_open_metrics:
            yield END_OF_OPEN_METRICS


def _take_portion(pieces: Iterator[str], waiting: bytearray, gzip: zlib._Compress | None) -> bool:
    """Write for about a millisecond; return whether that was all."""
    ends_at = trio.current_time() + PORTION_SECONDS
    for text in pieces:
        data = text.encode("utf-8", "backslashreplace")
        waiting += data if gzip is None else gzip.compress(data)
        if len(waiting) >= SEND_BYTES or trio.current_time() > ends_at:
            return False
    return True
