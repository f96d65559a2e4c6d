"""What every check needs: made once, shared by all."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import trio

from watcher.checking.holds import Holds
from watcher.checking.http.fetch import Probe
from watcher.checking.http.resolver import Resolver
from watcher.checking.http.tls import TlsContexts
from watcher.checking.http.transport import Tools
from watcher.checking.network import Network
from watcher.checking.scheduling.pauses import Pauses
from watcher.checking.scheduling.shared_timer import SharedTimer
from watcher.checking.scheduling.slot_clock import SlotClock
from watcher.checking.scheduling.worker_lanes import Lanes
from watcher.model.clock_trust import wall_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from watcher.checking.gate import Gate
    from watcher.checking.http.exchange import Exchange
    from watcher.model.target import Target

MATCHING_THREADS = 2


class AnyProbe(Protocol):
    """What asks a target; see `watcher.checking.http.fetch.Probe`."""

    @property
    def target(self) -> Target:
        """What is asked."""

    async def fetch(self, timeout_seconds: float | None = None) -> Exchange:
        """Ask it."""

    def close(self) -> None:
        """Close what is kept."""


@dataclass(frozen=True)
class CheckContext:
    """What every check needs.

    Attributes:
        clock: the time that schedules run on.
        timer: wakes the loops; somebody must run it.
        lanes: who may check; somebody must run its patrol.
        location: where this replica stands.
        probe: makes what asks a target.
        pauses: whether the loop stood still; somebody must run it.
        matching_threads: for bodies and patterns too large to match in the loop.
        tls_contexts: those that probes share.
        holds: which targets are in maintenance.
        network: whether this machine has one; it believes every check unless somebody runs it.
        gate: passed before each check; None where all targets are this replica's.
    """

    clock: SlotClock
    timer: SharedTimer
    lanes: Lanes
    location: str
    probe: Callable[[Target], AnyProbe]
    pauses: Pauses
    matching_threads: trio.CapacityLimiter
    tls_contexts: TlsContexts
    holds: Holds = field(default_factory=Holds)
    network: Network = field(default_factory=Network)
    gate: Gate | None = None

    def forget_all_but(self, targets: Iterable[Target]) -> None:
        """Forget what only the checks of other targets needed."""
        used = {(target.connecting.tls, target.connecting.http_version) for target in targets}
        self.tls_contexts.keep_only(used)


@asynccontextmanager
async def open_check_context(
    max_workers: int,
    location: str = "default",
    resolver: Resolver | None = None,
    lived_until: float = 0.0,
    gate: Gate | None = None,
) -> AsyncIterator[CheckContext]:
    """Make what checks need, and run what must run meanwhile.

    Args:
        max_workers: the most checks in flight.
        location: where this replica stands.
        resolver: of names; the system's by default.
        lived_until: the last slot of earlier starts, in seconds since 1970.
        gate: passed before each check, if there is one.
    """
    clock = SlotClock(wall_seconds, trio.lowlevel.current_clock().current_time, lived_until)
    tools = Tools(resolver or Resolver(), TlsContexts())
    context = CheckContext(
        clock=clock,
        timer=SharedTimer(clock),
        lanes=Lanes(max_workers),
        location=location,
        probe=lambda target: Probe(target, tools),
        pauses=Pauses(),
        matching_threads=trio.CapacityLimiter(MATCHING_THREADS),
        tls_contexts=tools.tls_contexts,
        gate=gate,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(context.timer.run)
        nursery.start_soon(context.pauses.run)
        nursery.start_soon(context.lanes.patrol)
        yield context
        nursery.cancel_scope.cancel()
