"""Switches a channel between its sources of events: this replica alone, all replicas, or none. Trio."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.alerting.dispatcher import Dispatcher, Source
    from watcher.model.alerts.channel import Channel


class ByTurns:
    """Decides for a channel during this replica's turns; the first starts with `switch`."""

    def __init__(self, channel: Channel, make: Callable[[Channel, Source], Dispatcher]) -> None:
        """Create one that does not decide yet.

        Args:
            channel: the channel to decide for.
            make: returns the dispatcher of a source.
        """
        self._channel = channel
        self._make = make
        self._source: Source | None = None
        self._dispatcher: Dispatcher | None = None
        self._scope = trio.CancelScope()
        self._switched = trio.Event()

    def switch(self, source: Source | None) -> None:
        """Continue with another source of events, or without; the decision under way is written or lost as a whole."""
        self._source = source
        self._scope.cancel()
        self._switched.set()

    def stop(self) -> None:
        """Stop deciding until the next turn."""
        self.switch(None)

    def wake(self) -> None:
        """Decide again: there is an event, or the view has changed."""
        if self._dispatcher is not None:
            self._dispatcher.wake()

    def look_anew(self) -> None:
        """Look once more for open incidents that the channel lacks."""
        if self._dispatcher is not None:
            self._dispatcher.look_anew()

    def reconfigure(self, channel: Channel) -> None:
        """Continue with another configuration of the channel; its records stay."""
        self._channel = channel
        if self._dispatcher is not None:
            self._dispatcher.reconfigure(channel)

    async def run(self) -> NoReturn:
        """Decide during each turn until cancelled."""
        while True:
            self._switched = trio.Event()
            if (source := self._source) is None:
                await self._switched.wait()
                continue
            with trio.CancelScope() as self._scope:
                self._dispatcher = self._make(self._channel, source)
                await self._dispatcher.run()
            self._dispatcher = None
