"""Distinguishes failures of sites from a missing network on this machine.

There are two ways. Configured connectivity targets are asked at intervals, and whenever a missing network may explain
a failing check: while none of them answers, there is no network. Without such targets it is inferred: if most hosts
start to fail within seconds, some of those that were up last are asked. That is only a guess, since a whole data centre
may be down, so it is believed for at most 30 seconds.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import structlog
import trio

from watcher.model.outcome import NO_NETWORK, Fault, Reason
from watcher.model.state import State
from watcher.model.target import Sending, Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from watcher.model.outcome import Outcome
    from watcher.model.state import Standing

log = structlog.get_logger()

SUSPECT = frozenset({Reason.DNS, Reason.CONNECT, Reason.TIMEOUT, Reason.LOCAL})
# The deadline of one look.
LOOK_SECONDS = 5.0
# Time between two looks while there is no network.
RETRY_SECONDS = 2.0
# A look that has found the network also clears it for failures up to this long before the look.
FRESH_SECONDS = 0.2
# How long a failed check is held back, and how long a guess is believed.
MAX_HOLD_SECONDS = 30.0
# A crowd: at least this many hosts were checked within this many seconds, and more than half of them started to fail.
MIN_HOSTS = 5
CROWD_SECONDS = 10.0
# A check that may be the first of a crowd waits for the others.
GATHER_SECONDS = 1.0
# How long the answer to that is cached, or three thousand failures would compute it three thousand times.
CROWD_HOLDS_SECONDS = 0.5
# How many of the hosts that were up last are asked.
MAX_WITNESSES = 3
# The bound of the remembered hosts: those that were checked last.
MAX_HOSTS = 2000


# The host of an address. `urlsplit` takes ten times as long, except for the 128 addresses in its cache.
_HOST = re.compile(r"[^:/]*://(?:[^/?#\\]*@)?(\[[^\]]*\]|[^/?#\\:]*)")


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without a network: its start and end, in seconds since 1970."""

    start: float
    end: float


class _Seen(NamedTuple):
    """The newest check of a host: its time, whether it failed, the time of the last success, and the target."""

    at: float
    fails: bool
    good_at: float
    target: Target


async def _nothing(_gap: Gap) -> None:
    pass


def _host_in(address: str) -> str:
    found = _HOST.match(address)
    return "" if found is None else found[1].lower()


class Network:
    """Decides whether this machine has a network; trusts every check while `run` does not run."""

    def __init__(self) -> None:
        """Start with a network, and without connectivity targets."""
        self._ask: Callable[[Target], Awaitable[bool]] | None = None
        self._sites: tuple[Target, ...] = ()
        self._interval_seconds = MAX_HOLD_SECONDS
        self._hosts: OrderedDict[str, _Seen] = OrderedDict()
        self._was_any_good = False
        self._crowd_until, self._is_crowd = 0.0, False
        self._away_since: float | None = None  # on trio's clock
        # In seconds since 1970: checks started earlier had no network. On trio's clock: how long that matters.
        self._back_at, self._back_until = 0.0, 0.0
        self._is_guess_over = False
        self._good_look_at = -FRESH_SECONDS
        self._wanted, self._looked = trio.Event(), trio.Event()

    @property
    def is_away(self) -> bool:
        """Whether there is no network, as far as known."""
        return self._away_since is not None

    def use(self, addresses: Sequence[str], interval_seconds: float) -> None:
        """Replace the connectivity targets.

        Args:
            addresses: of the targets; empty to infer it from checks.
            interval_seconds: time between two looks.
        """
        sending = Sending(method="HEAD", follow_redirects=False)
        self._sites = tuple(
            Target(address, address, "connectivity", timeout_seconds=LOOK_SECONDS, sending=sending)
            for address in addresses
        )
        self._interval_seconds = interval_seconds
        self._wanted.set()

    async def judged(self, target: Target, outcome: Outcome, standing: Standing) -> Outcome:
        """Return an outcome as it is, or with the reason `local` if a missing network explains it.

        Args:
            target: the checked target.
            outcome: of the check, which may be held back until the network has been looked for.
            standing: the target's standing before the check.
        """
        if self._ask is None:
            return outcome
        fault = outcome.fault
        is_suspect = fault is not None and fault.reason in SUSPECT and not fault.was_refused
        is_down = (standing.shadow or standing).state is State.DOWN
        if not self._sites and not is_down:
            self._note(target, fails=is_suspect)
        if fault is None or not is_suspect or (is_down and not self._sites):
            return outcome
        began_without = trio.current_time() < self._back_until and outcome.started_at.timestamp() < self._back_at
        if not (self.is_away or began_without or is_down) and (self._sites or await self._joins_crowd()):
            with trio.move_on_after(MAX_HOLD_SECONDS):
                await self._look_soon()
        if not (self.is_away or began_without):
            return outcome
        detail = f"{NO_NETWORK}; the check saw {fault.reason}: {fault.detail}"
        return outcome._replace(fault=Fault(Reason.LOCAL, detail))

    async def run(
        self,
        ask: Callable[[Target], Awaitable[bool]],
        wall: Callable[[], float],
        tell: Callable[[Gap], Awaitable[None]] = _nothing,
    ) -> NoReturn:
        """Look for the network when due or requested, until cancelled.

        Args:
            ask: returns whether a target answers at all.
            wall: returns seconds since 1970.
            tell: called with each gap after its end; must not take long.
        """
        self._ask = ask
        try:
            while True:
                if not self._wanted.is_set():
                    with trio.move_on_after(self._seconds_to_next()):
                        await self._wanted.wait()
                self._wanted = trio.Event()
                gap = await self._look(wall)
                looked, self._looked = self._looked, trio.Event()
                looked.set()
                if gap is not None:
                    log.warning("network of this machine is back", away_seconds=round(gap.end - gap.start, 1))
                    await tell(gap)
        finally:
            self._ask, self._away_since = None, None
            self._looked.set()

    def _seconds_to_next(self) -> float:
        if self._away_since is not None:
            return RETRY_SECONDS
        return self._interval_seconds if self._sites else float("inf")

    async def _look_soon(self) -> None:
        wanted_from = trio.current_time() - FRESH_SECONDS
        for _ in range(2):  # a running look may have started before the network was lost
            if self.is_away or self._good_look_at >= wanted_from:
                return
            self._wanted.set()
            await self._looked.wait()

    async def _look(self, wall: Callable[[], float]) -> Gap | None:
        """Ask, and store the answer; return the gap that it ends."""
        began = trio.current_time()
        witnesses = self._sites or self._witnesses()
        answers = not witnesses or await self._any_answers(witnesses)
        if answers:
            self._good_look_at = began
            since, self._away_since, self._is_guess_over = self._away_since, None, False
            if since is None:
                return None
            self._back_at, self._back_until = wall(), trio.current_time() + MAX_HOLD_SECONDS
            return Gap(self._back_at - (trio.current_time() - since), self._back_at)
        if self._away_since is None:
            if self._is_guess_over:
                return None
            self._away_since = began
            log.warning("this machine seems to have no network; network failures are not blamed on sites")
        elif not self._sites and trio.current_time() - self._away_since > MAX_HOLD_SECONDS:
            self._away_since, self._is_guess_over = None, True
            log.warning(
                "failures are blamed on sites again: without connectivity targets, a missing network is a guess"
            )
        return None

    async def _any_answers(self, targets: Sequence[Target]) -> bool:
        ask, found = self._ask, False

        async def look(target: Target) -> None:
            nonlocal found
            if ask is not None and await ask(target):
                found = True
                nursery.cancel_scope.cancel()

        with trio.move_on_after(LOOK_SECONDS):
            async with trio.open_nursery() as nursery:
                for target in targets:
                    nursery.start_soon(look, target)
        return found

    def _note(self, target: Target, *, fails: bool) -> None:
        host, now = _host_in(target.address), trio.current_time()
        seen = self._hosts.pop(host, None)
        if fails:
            self._hosts[host] = _Seen(now, fails, -1.0 if seen is None else seen.good_at, target)
        else:
            self._hosts[host] = _Seen(now, fails, now, target)
            self._was_any_good = True
            if self._is_guess_over and now >= self._crowd_until and not self._is_crowd_now():
                self._is_guess_over = False
        if len(self._hosts) > MAX_HOSTS:
            self._hosts.popitem(last=False)

    async def _joins_crowd(self) -> bool:
        """Return whether most hosts fail now, after a moment for the others of a crowd to fail as well."""
        if self._is_guess_over or not self._was_any_good or len(self._hosts) < MIN_HOSTS:
            return False
        await trio.sleep(GATHER_SECONDS)
        return self._is_crowd_now()

    def _is_crowd_now(self) -> bool:
        """Return whether most of the recently checked hosts fail."""
        now = trio.current_time()
        if now >= self._crowd_until:
            recent = [seen for seen in self._hosts.values() if now - seen.at <= CROWD_SECONDS]
            failing = sum(seen.fails for seen in recent)
            self._is_crowd = len(recent) >= MIN_HOSTS and failing > len(recent) / 2
            self._crowd_until = now + CROWD_HOLDS_SECONDS
        return self._is_crowd

    def _witnesses(self) -> Sequence[Target]:
        """Return some targets of different hosts that were up last."""
        ever = [seen for seen in self._hosts.values() if seen.good_at >= 0]
        return [seen.target for seen in sorted(ever, key=lambda seen: -seen.good_at)[:MAX_WITNESSES]]
