"""Changes of the configuration, on their way from the reload to the pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from watcher.model.alerts.options import AlertingOptions
from watcher.model.page_options import PageOptions

if TYPE_CHECKING:
    from watcher.config.env.settings import Settings
    from watcher.model.difference import Difference

# The limit of the channel: a change is handed over when the one before it has been applied.
MAX_CHANGES_IN_CHANNEL = 0


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Other settings, or other targets, or both.

    Attributes:
        settings: all new settings.
        difference: added, removed and changed targets, and all present ones.
        page: the new page configuration.
        alerting: the new configuration of channels and alerts, as a whole.
        taken_over: set when the daemon has applied the change.
    """

    settings: Settings
    difference: Difference
    page: PageOptions = field(default_factory=PageOptions)
    alerting: AlertingOptions = field(default_factory=AlertingOptions)
    taken_over: trio.Event = field(default_factory=trio.Event)


async def deliver(changes: trio.MemorySendChannel[Change], change: Change) -> None:
    """Send a change, and wait until it is applied."""
    await changes.send(change)
    await change.taken_over.wait()
