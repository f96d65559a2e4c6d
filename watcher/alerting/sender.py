"""Sends the messages of a channel from the outbox, and records the result of each try. Trio."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog
import trio

from watcher.alerting.messages import (
    note_failed,
    note_given_up,
    note_sent,
    notification_of,
    waiting_of,
)
from watcher.alerting.policy.telling import message_of_failing
from watcher.alerting.sending_queue import SendingQueue
from watcher.model.alerts.notification import Delivered, Kind, Refused, TryAgain
from watcher.model.clock_trust import next_beat, wall_seconds
from watcher.outbox.errors import OutboxUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from watcher.alerting.messages import Waiting
    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.notification import Delivery, Notification
    from watcher.outbox.outbox import Outbox
    from watcher.outbox.thread import OutboxThread

    Deliver = Callable[[Notification, Channel], Awaitable[Delivery]]

log = structlog.get_logger()

# Time between two tries to read or write the outbox.
OUTBOX_RETRY_SECONDS = 1.0
# The longest time between two looks for messages that are new or due.
MAX_NAP_SECONDS = 30.0
# Time between two looks whether this replica may send.
HELD_SECONDS = 0.25
# The shortest time between two messages to another channel that this one fails.
FAILING_TOLD_SECONDS = 3600.0


class Others(Protocol):
    """Receives the results of tries; see `watcher.alerting.alerts.Alerts`."""

    def other_than(self, channel: str) -> str | None:
        """Return the name of another channel, to notify that this one fails; None without another."""

    def tell_result(self, channel: str, result: str) -> None:
        """Count the result of a try: `sent`, `failed` or `given_up`."""


class Sender:
    """Sends the messages of a channel.

    Attributes:
        channel: its present configuration; a reload replaces it.
    """

    def __init__(
        self,
        channel: Channel,
        disk: OutboxThread,
        deliver: Deliver,
        others: Others,
        clock: Callable[[], float] = wall_seconds,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        """Create a sender.

        Args:
            channel: the channel to send for.
            disk: the outbox, which has the messages.
            deliver: tries once to deliver a message; never raises for what the receiver does.
            others: receives the results.
            clock: seconds since 1970.
            may_send: returns whether no other replica can have claimed the channel.
        """
        self.channel = channel
        self._disk = disk
        self._deliver = deliver
        self._others = others
        self._clock = clock
        self._may_send = may_send
        self._queue = SendingQueue()
        self._wake = trio.Event()
        self._trying = trio.Lock()
        self._newest = 0
        self._is_closing = False

    @property
    def pending(self) -> int:
        """The number of waiting messages."""
        return len(self._queue)

    @property
    def is_failing(self) -> bool:
        """Whether the last try failed."""
        return self._queue.failing > 0

    def wake(self) -> None:
        """Look for new messages to send."""
        self._wake.set()

    async def settle(self) -> None:
        """Wait until the try under way has been answered and recorded."""
        async with self._trying:
            pass

    def close(self) -> None:
        """Let `run` end once the try under way has been answered."""
        self._is_closing = True
        self._wake.set()

    async def run(self) -> None:
        """Send until closed or cancelled; unsent messages stay in the outbox."""
        while not self._is_closing:
            try:
                await self._send_what_is_due()
            except OutboxUnavailableError:  # the outbox writer logs it
                await trio.sleep(OUTBOX_RETRY_SECONDS)
                continue
            moment, due_at = trio.current_time(), self._queue.due_at()
            wake_at = min(next_beat(moment, MAX_NAP_SECONDS), math.inf if due_at is None else due_at)
            with trio.move_on_at(wake_at if self._may_send() else moment + HELD_SECONDS):
                await self._wake.wait()

    async def _send_what_is_due(self) -> None:
        self._wake = trio.Event()
        await self._look_for_new()
        while (waiting := self._queue.next(now := trio.current_time())) is not None:
            if not self._may_send():
                return
            async with self._trying:
                await self._try(waiting)
            if self._is_closing:
                return
            await self._look_for_new()
        for waiting in self._queue.too_old(now - self.channel.give_up_after_seconds):
            await self._give_up(waiting, "it could not be delivered in time", tries=waiting.tries)

    async def _look_for_new(self) -> None:
        found = await self._disk.run(partial(waiting_of, channel=self.channel.name, after=self._newest))
        if found:
            self._newest = found[-1].number
            self._queue.add(found, trio.current_time(), self._clock())

    async def _try(self, waiting: Waiting) -> None:
        notification = await self._disk.run(partial(notification_of, waiting=waiting))
        if notification is None:  # given up meanwhile because too many wait
            self._queue.drop(waiting)
            return
        if not self._may_send():
            return
        delivery = await self._deliver(notification, self.channel)
        now, tries = self._clock(), waiting.tries + 1
        match delivery:
            case Delivered(answer):
                await self._note(partial(note_sent, waiting=waiting, answer=answer, now=now))
                self._queue.succeeded(waiting)
                self._others.tell_result(self.channel.name, "sent")
                if tries > 1:
                    log.info("notification sent", channel=self.channel.name, id=waiting.id, tries=tries)
            case Refused(error):
                self._queue.failing += 1
                await self._give_up(waiting, error, tries=tries)
            case TryAgain(error, after_seconds):
                steady, give_up_after = trio.current_time(), self.channel.give_up_after_seconds
                wait = self._queue.failed(waiting, steady, after_seconds, give_up_after) - steady
                self._others.tell_result(self.channel.name, "failed")
                if wait <= 0:
                    await self._give_up(waiting, error, tries=tries)
                    return
                if tries == 1:
                    log.warning("notification failed, trying again", channel=self.channel.name, error=error)
                noted = partial(note_failed, waiting=waiting, error=error, next_try_at=now + wait, now=now)
                await self._note(noted)

    async def _give_up(self, waiting: Waiting, error: str, *, tries: int) -> None:
        now = self._clock()
        other = None if waiting.kind is Kind.CHANNEL else self._others.other_than(self.channel.name)
        moment = datetime.fromtimestamp(now, UTC)
        told = None if other is None else message_of_failing(other, self.channel.name, error, moment)
        noted = partial(note_given_up, waiting=waiting, error=error, now=now, tries=tries)
        await self._note(partial(noted, told=told, untold_seconds=FAILING_TOLD_SECONDS))
        self._queue.drop(waiting)
        self._others.tell_result(self.channel.name, "given_up")
        log.error("notification given up", channel=self.channel.name, id=waiting.id, kind=waiting.kind, error=error)

    async def _note(self, note: Callable[[Outbox], object]) -> None:
        """Record the result of a try, however long the disk fails: no message is sent twice."""
        while True:
            try:
                await self._disk.run(note)
            except OutboxUnavailableError:
                await trio.sleep(OUTBOX_RETRY_SECONDS)
            else:
                return
