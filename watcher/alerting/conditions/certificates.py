"""Notifies channels of certificates that end soon."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NoReturn

import structlog
import trio

from watcher.alerting.policy.certificates import FIRST_STEP, ToldCertificates
from watcher.alerting.policy.event import AlertEvent, Change
from watcher.model.clock_trust import wall_seconds
from watcher.outbox.alerts import record_certificates, told_certificates
from watcher.outbox.errors import OutboxUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from watcher.model.conclusion import Conclusion
    from watcher.outbox.thread import OutboxThread

log = structlog.get_logger()

RETRY_SECONDS = 10.0
# The bound of events that wait for the disk; those beyond it come after the next start.
MAX_WAITING = 10_000


class CertificateWatch:
    """Looks at the certificates that checks find, and writes one alert event for each step."""

    def __init__(
        self,
        disk: OutboxThread,
        location: str,
        recorded: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = wall_seconds,
    ) -> None:
        """Create one without knowledge of former events.

        Args:
            disk: the outbox.
            location: of this replica.
            recorded: called when the outbox has new events.
            clock: seconds since 1970.
        """
        self._disk = disk
        self._location = location
        self._recorded = recorded
        self._clock = clock
        self._told = ToldCertificates({})
        self._waiting: list[AlertEvent] = []
        self._wake = trio.Event()

    async def begin(self) -> None:
        """Read what was notified before; call it before the first check, and again after a change of channels."""
        try:
            found = await self._disk.run(lambda outbox: told_certificates(outbox, self._location))
        except OutboxUnavailableError as error:
            log.error("outbox not readable, certificate notifications may be sent again", error=error)
            found = {}
        self._told = ToldCertificates(found)

    def rename(self, renamed: Mapping[str, str]) -> None:
        """Apply new names of targets, by former ones, before their checks; the outbox is renamed elsewhere."""
        self._told.rename(renamed)

    def take(self, conclusions: Iterable[Conclusion]) -> None:
        """Take the results of checks; costs nothing unless a certificate ends soon."""
        for conclusion in conclusions:
            outcome = conclusion.outcome
            end, now = outcome.cert_expires_at, outcome.started_at
            if end is None or end - now > FIRST_STEP or len(self._waiting) >= MAX_WAITING:
                continue
            news = self._told.news(outcome.target, end, outcome.cert_begins_at, now)
            if news is not None:
                self._waiting.append(
                    AlertEvent(
                        0,
                        Change.CERTIFICATE,
                        now,
                        target=outcome.target,
                        location=self._location,
                        certificate=news,
                    )
                )
                self._wake.set()

    async def run(self) -> NoReturn:
        """Write events until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            events = tuple(self._waiting)
            told = {name: self._told.remembered(name) for event in events if (name := event.target) is not None}
            try:
                await self._disk.run(partial(record_certificates, events=events, told=told, now=self._clock()))
            except OutboxUnavailableError:  # the outbox writer logs it
                await trio.sleep(RETRY_SECONDS)
                self._wake.set()
                continue
            del self._waiting[: len(events)]
            self._recorded()
