"""Who decides for a channel: this replica by its own events or by those of all, or nobody here. Trio."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.alerting.dispatcher import Dispatcher, Source
    from watcher.model.alerts.channel import Channel


class ByTurns:
    """Decides for a channel whenever it is this replica's turn; nobody does until `switch` says so."""

    def __init__(self, channel: Channel, make: Callable[[Channel, Source], Dispatcher]) -> None:
        """Make one that does not decide yet.

        Args:
            channel: for which it decides.
            make: returns what decides on events of a source.
        """
        self._channel = channel
        self._make = make
        self._source: Source | None = None
        self._dispatcher: Dispatcher | None = None
        self._scope = trio.CancelScope()
        self._switched = trio.Event()

    def switch(self, source: Source | None) -> None:
        """Decide on events of another source from now on, or of none; what was decided before is written, or not."""
        self._source = source
        self._scope.cancel()
        self._switched.set()

    def stop(self) -> None:
        """Decide no more, until the next turn."""
        self.switch(None)

    def wake(self) -> None:
        """Say that something has happened, or that the present is another."""
        if self._dispatcher is not None:
            self._dispatcher.wake()

    def look_anew(self) -> None:
        """Look once more for open incidents that the channel lacks."""
        if self._dispatcher is not None:
            self._dispatcher.look_anew()

    def reconfigure(self, channel: Channel) -> None:
        """Go on with another configuration of the channel; what it keeps stays."""
        self._channel = channel
        if self._dispatcher is not None:
            self._dispatcher.reconfigure(channel)

    async def run(self) -> NoReturn:
        """Decide in turn until cancelled."""
        while True:
            self._switched = trio.Event()
            if (source := self._source) is None:
                await self._switched.wait()
                continue
            with trio.CancelScope() as self._scope:
                self._dispatcher = self._make(self._channel, source)
                await self._dispatcher.run()
            self._dispatcher = None
