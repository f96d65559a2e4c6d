"""Calls the heartbeat address while the monitor is well, so that its receiver notices silence (healthchecks.io)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit, urlunsplit

import structlog
import trio

from watcher.checking.check import check_now
from watcher.model.clock_trust import wall_seconds
from watcher.model.target import Sending, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.checking.check_context import CheckContext
    from watcher.model.alerts.options import Heartbeat
    from watcher.model.outcome import Fault
    from watcher.recording.recorder import Tally

log = structlog.get_logger()

MAX_CALL_SECONDS = 10.0
# The longest wait for the first call after the start, to have checks to report on.
FIRST_CALL_SECONDS = 10.0
# If a larger part of the checks starts late, the monitor does not keep up.
LATE_PART = 0.1
# The outbox is written every two seconds at least; a disk may be busy for a while.
MAX_OUTBOX_SILENCE_SECONDS = 15.0
# Added to the longest interval and timeout: within this sum, a check must end.
MAX_CHECKS_SILENCE_SECONDS = 30.0


class Vitals:
    """Reports whether checks start on time and the outbox is written."""

    def __init__(
        self, tally: Tally, outbox_written_at: Callable[[], float], clock: Callable[[], float] = wall_seconds
    ) -> None:
        """Start now.

        Args:
            tally: counts the checks.
            outbox_written_at: returns the moment of the last write to the outbox, in seconds since 1970.
            clock: seconds since 1970.
        """
        self._tally = tally
        self._outbox_written_at = outbox_written_at
        self._clock = clock
        self._checks = self._late = 0
        self._checked_at = clock()
        self.longest_seconds = 0.0  # of an interval and a timeout of one target; infinity without checks

    def complaint(self) -> str | None:
        """Return what has gone wrong since the last call; None if nothing has."""
        now, tally = self._clock(), self._tally
        checks = tally.successes + tally.failures - self._checks
        late = tally.late_checks - self._late
        self._checks, self._late = self._checks + checks, tally.late_checks
        if checks:
            self._checked_at = now
        silence_seconds = now - self._checked_at
        if silence_seconds > self.longest_seconds + MAX_CHECKS_SILENCE_SECONDS:
            return f"no check has ended for {silence_seconds:.0f} s"
        if late > checks * LATE_PART:
            return f"{late} of {checks} checks began more than a second late"
        if now - self._outbox_written_at() > MAX_OUTBOX_SILENCE_SECONDS:
            return f"the outbox was not written for {now - self._outbox_written_at():.0f} s"
        return None


class DeadMan:
    """Calls the heartbeat address at each interval."""

    def __init__(self, context: CheckContext, vitals: Vitals) -> None:
        """Create one without an address.

        Args:
            context: shared by checks, as the call is one.
            vitals: queried before each call.
        """
        self._context = context
        self._vitals = vitals
        self._heartbeat: Heartbeat | None = None
        self._changed = trio.Event()
        self._is_failing = False

    def use(self, heartbeat: Heartbeat | None) -> None:
        """Replace the address; None for no calls."""
        if heartbeat != self._heartbeat:
            self._heartbeat = heartbeat
            self._changed.set()

    async def run(self) -> NoReturn:
        """Call until cancelled."""
        wait_seconds = FIRST_CALL_SECONDS
        while True:
            heartbeat = self._heartbeat
            with trio.move_on_after(float("inf") if heartbeat is None else wait_seconds):
                await self._changed.wait()
                self._changed = trio.Event()
                wait_seconds = FIRST_CALL_SECONDS
                if self._heartbeat is not None:
                    wait_seconds = min(wait_seconds, self._heartbeat.interval_seconds)
                continue
            if heartbeat is not None:
                began = trio.current_time()
                self._note(await self._call(heartbeat))
                wait_seconds = max(heartbeat.interval_seconds - (trio.current_time() - began), 0.0)

    async def _call(self, heartbeat: Heartbeat) -> Fault | None:
        complaint = self._vitals.complaint()
        address, sending = heartbeat.url, Sending()
        if complaint is not None:
            address, sending = _fail_address(heartbeat.url), Sending(method="POST", body=complaint.encode())
        seconds = min(heartbeat.interval_seconds, MAX_CALL_SECONDS)
        # Without a retry: the next call comes soon enough.
        target = Target("heartbeat", address, "heartbeat.url", None, seconds, seconds, sending=sending)
        return (await check_now(target, self._context)).outcome.fault

    def _note(self, fault: Fault | None) -> None:
        if fault is not None and not self._is_failing:
            # Without the detail: it may quote the address, which is a secret.
            log.warning("heartbeat.url cannot be called", reason=str(fault.reason))
        elif fault is None and self._is_failing:
            log.info("heartbeat.url is called again")
        self._is_failing = fault is not None


def _fail_address(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))
