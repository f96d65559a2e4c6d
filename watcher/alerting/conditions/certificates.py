"""Has channels told of certificates that end soon."""

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
# The bound of what waits for the disk: what is more comes once more after the next start.
MAX_WAITING = 10_000


class CertificateWatch:
    """Looks at the certificates that checks find, and writes an alert event once for each step."""

    def __init__(
        self,
        disk: OutboxThread,
        location: str,
        recorded: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = wall_seconds,
    ) -> None:
        """Begin knowing of nothing that was told.

        Args:
            disk: the outbox.
            location: where this replica stands.
            recorded: called when events are in the outbox.
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
        """Read what was told before; to be called before the first check, and where there are other channels."""
        try:
            found = await self._disk.run(lambda outbox: told_certificates(outbox, self._location))
        except OutboxUnavailableError as error:
            log.error("the outbox cannot be read, certificates that end soon may be told once more", error=error)
            found = {}
        self._told = ToldCertificates(found)

    def rename(self, renamed: Mapping[str, str]) -> None:
        """Take new names of targets, by the former ones, before they are checked; the outbox hears of it otherwise."""
        self._told.rename(renamed)

    def take(self, conclusions: Iterable[Conclusion]) -> None:
        """Take what checks came to; takes no time where no certificate ends soon."""
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
            except OutboxUnavailableError:  # the outbox writer tells of it
                await trio.sleep(RETRY_SECONDS)
                self._wake.set()
                continue
            del self._waiting[: len(events)]
            self._recorded()
