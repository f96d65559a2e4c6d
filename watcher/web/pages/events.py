"""Server-sent events (HTML Living Standard, section 9.2): notifies viewers of each change of state.

Trio, and plain ASGI: a generator that is cancelled while it sends would raise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from watcher.web.standings import Standings

# One viewer looks for all. After a change, each viewer wakes the next, so that never many wake at once; a look by each
# viewer would be half of the cost of viewers.
LOOK_SECONDS = 0.7
LEAST_SECONDS = 0.5  # minimum between two changes, however many there are: each makes every viewer reload its page
SECONDS_A_VIEWER = 0.01  # added for each viewer, so that all of them together send at most a hundred requests a second
BEAT_SECONDS = 10.0  # longest silence for a viewer; proxies close connections that are silent for a minute
MAX_VIEWERS = 1000

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_CHANGE = b"event: change\ndata: 1\n\n"
_BEAT = b"event: beat\ndata: 1\n\n"


@dataclass(slots=True)
class _Announced:
    """The events of a group of viewers: the newest change, and the number of changes at the last look."""

    version: tuple[int, int] = (-1, -1)
    looked_until: tuple[int, int] = (-1, -1)
    next_at: float = 0.0


class Events:
    """Notifies viewers that a state has changed; they then request what they may see."""

    def __init__(
        self,
        present: Standings,
        is_public: Callable[[str], bool] = lambda _target: True,
        other_changes: Callable[[], int] = lambda: 0,
    ) -> None:
        """Create the app.

        Args:
            present: counts changes.
            is_public: returns whether viewers who do not see all may learn of a target, by its name.
            other_changes: returns the number of other changes, for viewers who see all.
        """
        self._present = present
        self._is_public = is_public
        self._other_changes = other_changes
        self._viewers = 0
        self._looking = {public: trio.Lock() for public in (False, True)}
        self._announced = {public: _Announced() for public in (False, True)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events to one viewer until it disconnects."""
        if scope["method"] != "GET" or self._viewers >= MAX_VIEWERS:
            status = 503 if scope["method"] == "GET" else 405
            await send({"type": "http.response.start", "status": status, "headers": [(b"retry-after", b"60")]})
            await send({"type": "http.response.body", "body": b""})
            return
        self._viewers += 1
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_events, send, not scope.get("state", {}).get("sees_all", False))
                while (await receive())["type"] != "http.disconnect":
                    pass
                nursery.cancel_scope.cancel()
        finally:
            self._viewers -= 1

    def version(self, *, public: bool) -> tuple[int, int]:
        """Return the newest change announced to viewers: a page requested later must contain it.

        Args:
            public: whether the viewers do not see all.
        """
        told, changes = self._announced[public], self._present.changes
        if told.looked_until != changes and trio.current_time() >= told.next_at:
            if not public or self._concerns_the_public(told.looked_until):
                told.version = changes
                told.next_at = trio.current_time() + max(LEAST_SECONDS, self._viewers * SECONDS_A_VIEWER)
            told.looked_until = changes
        return told.version

    def _concerns_the_public(self, looked_until: tuple[int, int]) -> bool:
        changed = self._present.changed_since(looked_until)
        return changed is None or any(self._is_public(target) for target in changed)

    async def _send_events(self, send: Send, public: bool) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        told: tuple[object, int] = (None, -1)
        while True:
            with trio.move_on_after(BEAT_SECONDS):
                await self._until_changed(told, public)
            version = self._changes(public)
            text = _BEAT if version == told else _CHANGE
            told = version
            await send({"type": "http.response.body", "body": text, "more_body": True})

    def _changes(self, public: bool) -> tuple[object, int]:
        return self.version(public=public), 0 if public else self._other_changes()

    async def _until_changed(self, told: tuple[object, int], public: bool) -> None:
        if self._changes(public) != told:
            return
        async with self._looking[public]:
            while self._changes(public) == told:  # noqa: ASYNC110  # no event signals a change
                await trio.sleep(LOOK_SECONDS)
