"""What alerts depend on beside checks, in the daemon: maintenance, and the network of this machine. Trio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from watcher.alerting.conditions.maintenance import MaintenanceKeeper
from watcher.alerting.conditions.network import watch_network
from watcher.model.alerts.options import DEFAULT_CONNECTIVITY_INTERVAL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from watcher.checking.check_context import CheckContext
    from watcher.model.alerts.options import AlertingOptions
    from watcher.model.target import Target
    from watcher.outbox.thread import OutboxThread


class Conditions:
    """Keeps what is told to checks of maintenance and of this machine's network."""

    def __init__(self, context: CheckContext, disk: OutboxThread, look: Callable[[], None]) -> None:
        """Begin without any.

        Args:
            context: of the checks.
            disk: the outbox.
            look: called when there is an alert event in it.
        """
        self._context = context
        self._disk = disk
        self._look = look
        self._maintenance = MaintenanceKeeper(context.holds)

    async def use(self, targets: Iterable[Target], options: AlertingOptions) -> None:
        """Take what is configured, before the first check that it is for."""
        await self._maintenance.take({target.name: target for target in targets}, options.maintenance)
        connectivity = options.connectivity
        self._context.network.use(
            () if connectivity is None else connectivity.targets,
            DEFAULT_CONNECTIVITY_INTERVAL_SECONDS if connectivity is None else connectivity.interval_seconds,
        )

    async def run(self) -> None:
        """Keep them until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._maintenance.run)
            nursery.start_soon(watch_network, self._context, self._disk, self._context.location, self._look)
