"""The sender of a channel: takes what was written down, tries it, and writes down what became of that. Trio."""

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

# Where the outbox cannot be read or written now.
OUTBOX_RETRY_SECONDS = 1.0
# How long at most nobody looks for what is new or due.
MAX_NAP_SECONDS = 30.0
# How soon it is looked again whether this replica may send.
HELD_SECONDS = 0.25
# How often another channel is told at most that this one fails.
FAILING_TOLD_SECONDS = 3600.0


class Others(Protocol):
    """Who else is to know what becomes of messages; see `watcher.alerting.alerts.Alerts`."""

    def other_than(self, channel: str) -> str | None:
        """Return the name of a channel that can be told that this one fails, None where there is none."""

    def tell_result(self, channel: str, result: str) -> None:
        """Take note of what a try came to: `sent`, `failed` or `given_up`."""


class Sender:
    """Sends the messages of a channel.

    Attributes:
        channel: as it is now; a reload puts another one here.
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
        """Make a sender.

        Args:
            channel: whose messages it sends.
            disk: the outbox, in which they are.
            deliver: tries to deliver a message once; raises nothing for what the receiver does.
            others: who else is to know.
            clock: seconds since 1970.
            may_send: says whether another replica may not have taken over the channel.
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
        """How many messages wait."""
        return len(self._queue)

    @property
    def is_failing(self) -> bool:
        """Whether its last try failed."""
        return self._queue.failing > 0

    def wake(self) -> None:
        """Say that there may be something new to send."""
        self._wake.set()

    async def settle(self) -> None:
        """Wait until what is being tried has been answered, and that is noted."""
        async with self._trying:
            pass

    def close(self) -> None:
        """Let `run` end when what is being tried has been answered."""
        self._is_closing = True
        self._wake.set()

    async def run(self) -> None:
        """Send until closed or cancelled; what is not sent stays in the outbox."""
        while not self._is_closing:
            try:
                await self._send_what_is_due()
            except OutboxUnavailableError:  # the outbox writer tells of it
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
        if notification is None:  # given up meanwhile, as too many wait
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
                    log.warning("notification failed, and is tried again", channel=self.channel.name, error=error)
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
        """Write down what became of a try, however long the disk cannot be written: nothing is sent once more."""
        while True:
            try:
                await self._disk.run(note)
            except OutboxUnavailableError:
                await trio.sleep(OUTBOX_RETRY_SECONDS)
            else:
                return
