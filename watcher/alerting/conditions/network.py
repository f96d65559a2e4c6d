"""Watches the network of this machine and notifies channels when it is back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
import trio

from watcher.alerting.policy.event import AlertEvent, Change
from watcher.checking.check import check_slot
from watcher.checking.scheduling.schedule import Slot
from watcher.model.clock_trust import wall_seconds
from watcher.outbox.alerts import record_events
from watcher.outbox.errors import OutboxUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.checking.check_context import CheckContext
    from watcher.checking.network import Gap
    from watcher.model.target import Target
    from watcher.outbox.thread import OutboxThread

log = structlog.get_logger()

# The longest that a stuck disk may delay the next look.
RECORD_SECONDS = 3.0


async def watch_network(
    context: CheckContext,
    disk: OutboxThread,
    location: str,
    recorded: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = wall_seconds,
) -> None:
    """Watch the network until cancelled, and record an alert event after each outage.

    Args:
        context: shared by checks; its `network` judges them from now on.
        disk: the outbox.
        location: of this replica.
        recorded: called when the outbox has a new event.
        clock: seconds since 1970.
    """

    async def ask(target: Target) -> bool:
        probe = context.probe(target)
        try:
            report = await check_slot(probe, Slot(context.clock.now()), context)
        finally:
            probe.close()
        return report.exchange.status_code is not None

    async def tell(gap: Gap) -> None:
        start, end = (datetime.fromtimestamp(moment, UTC) for moment in (gap.start, gap.end))
        event = AlertEvent(0, Change.CONNECTIVITY, end, location=location, gap_start=start)
        if await record(disk, [event], clock()):
            recorded()

    await context.network.run(ask, clock, tell)


async def record(disk: OutboxThread, events: Sequence[AlertEvent], now: float) -> bool:
    """Write events to the outbox; return whether that worked.

    Args:
        disk: the outbox.
        events: without a flip.
        now: seconds since 1970.
    """
    try:
        with trio.fail_after(RECORD_SECONDS):
            await disk.run(lambda outbox: record_events(outbox, events, now))
    except (OutboxUnavailableError, trio.TooSlowError) as error:
        log.error("alert event lost, the outbox cannot be written", error=error)
        return False
    return True
