"""What a daemon is to do otherwise from now on, on its way from whoever finds it out to the pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from watcher.model.alerts.options import AlertingOptions
from watcher.model.page_options import PageOptions

if TYPE_CHECKING:
    from watcher.config.env.settings import Settings
    from watcher.model.difference import Difference

# The bound of the channel: a change is handed over when the one before it has been taken over.
MAX_CHANGES_IN_CHANNEL = 0


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Other settings, or other targets, or both.

    Attributes:
        settings: all that hold from now on.
        difference: what comes, goes and changes, and all targets that there are now.
        page: of the status page, from now on.
        alerting: of channels and alerts as a whole, from now on.
        taken_over: set when the daemon works by it.
    """

    settings: Settings
    difference: Difference
    page: PageOptions = field(default_factory=PageOptions)
    alerting: AlertingOptions = field(default_factory=AlertingOptions)
    taken_over: trio.Event = field(default_factory=trio.Event)


async def deliver(changes: trio.MemorySendChannel[Change], change: Change) -> None:
    """Send a change, and wait until it is taken over."""
    await changes.send(change)
    await change.taken_over.wait()
