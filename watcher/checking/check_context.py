"""The parts that all checks share, created once."""

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
    """Fetches a target; see `watcher.checking.http.fetch.Probe`."""

    @property
    def target(self) -> Target:
        """The target to fetch."""

    async def fetch(self, timeout_seconds: float | None = None) -> Exchange:
        """Fetch it once."""

    def close(self) -> None:
        """Close kept connections."""


@dataclass(frozen=True)
class CheckContext:
    """The parts that all checks share.

    Attributes:
        clock: the clock of schedules.
        timer: wakes the loops; its `run` must run.
        lanes: limits the checks in flight; its `patrol` must run.
        location: the location of this replica.
        probe: creates the probe of a target.
        pauses: detects whether the loop stood still; its `run` must run.
        matching_threads: for bodies and patterns too large to match in the loop.
        tls_contexts: shared by probes.
        holds: the targets in maintenance.
        network: whether this machine has a network; trusts every check unless its task runs.
        gate: passed before each check; None if all targets belong to this replica.
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
        """Forget what only checks of other targets needed."""
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
    """Create the shared parts of checks, and run their tasks meanwhile.

    Args:
        max_workers: the most checks in flight.
        location: the location of this replica.
        resolver: resolves names; the system's by default.
        lived_until: the last slot of earlier starts, in seconds since 1970.
        gate: passed before each check; None if all targets belong to this replica.
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
