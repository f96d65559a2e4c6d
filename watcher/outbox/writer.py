"""Batches check results in memory and writes them to the outbox."""

from __future__ import annotations

import json
import math
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import structlog
import trio

from watcher.history.rollup import measurement_of
from watcher.model.clock_trust import next_beat, wall_seconds
from watcher.outbox.bounds import drop_oldest
from watcher.outbox.encoding import encode_failure, encode_standing, encode_standing_entry
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.flip_door import record_flips
from watcher.outbox.minutes import MINUTE_SECONDS, close_minutes, open_minute

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.model.clock_trust import ClockTrust
    from watcher.model.conclusion import Conclusion
    from watcher.model.outcome import Outcome
    from watcher.outbox.outbox import Outbox
    from watcher.outbox.thread import OutboxThread

log = structlog.get_logger()

# The limit of conclusions in memory while the disk cannot be written: some 50 MB.
MAX_WAITING = 50_000
# The limit of one transaction: a larger burst is written in pieces.
MAX_AT_ONCE = 2_000
# The shortest time between two transactions without news: handing one to the thread costs as much as the data of many
# checks. A success waits so long at most, and is lost if the process is killed meanwhile. News never waits.
GATHER_SECONDS = 0.25
TICK_SECONDS = 1.0
# Every other tick is noted on disk; less than two, as none is on time.
NOTE_SECONDS = 1.5 * TICK_SECONDS
RETRY_SECONDS = 1.0
TIDY_SECONDS = 10.0
COMPLAINT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of the outbox: bytes in all, and the age of an entry in seconds."""

    max_bytes: int
    max_age_seconds: float


class OutboxWriter:
    """Writes conclusions to the outbox, and reports each failure once it is safe there.

    `put` never blocks. While the disk cannot be written, conclusions wait; past the limit the oldest are given up.
    """

    def __init__(
        self,
        disk: OutboxThread,
        bounds: Bounds,
        tell: Callable[[Outcome, bool], None],
        kept: Callable[[], None],
        clock: Callable[[], float] = wall_seconds,
        tell_kept: Callable[[Sequence[Conclusion]], None] = lambda _conclusions: None,
        trust: ClockTrust | None = None,
    ) -> None:
        """Create a writer.

        Args:
            disk: the outbox.
            bounds: of the outbox; past them its oldest entries are dropped.
            tell: called once for each failure, when it is on disk (True) or given up (False).
            kept: called when the outbox has a new entry.
            clock: seconds since 1970.
            tell_kept: called with the conclusions that are on disk now, and without any about once a second.
            trust: decides whether the clock can be trusted; None if it always can.
        """
        self._disk = disk
        self._bounds = bounds
        self._report = tell
        self._kept = kept
        self._clock = clock
        self._report_kept = tell_kept
        self._trust = trust
        self._waiting: deque[Conclusion] = deque()
        self._wake, self._urgent = trio.Event(), trio.Event()
        self._closed = False
        self._failing = False
        self._given_up = 0  # failures
        self._given_up_of_waiting = 0  # conclusions
        self._tick_at = self._tidy_at = self._complaint_at = 0.0
        self._dropped = self._dropped_and_logged = 0  # entries

    @property
    def lost(self) -> int:
        """The number of entries and failures dropped before PostgreSQL had them, for lack of room or for their age."""
        return self._dropped + self._given_up

    @property
    def written_at(self) -> float:
        """The time of the last write to the outbox, in seconds since 1970; every two seconds while that works."""
        return self._tick_at

    @property
    def is_idle(self) -> bool:
        """Whether every conclusion is on disk or given up."""
        return not self._waiting

    def put(self, conclusion: Conclusion) -> None:
        """Take the conclusion of a check."""
        if len(self._waiting) >= MAX_WAITING:
            self._give_up(self._waiting.popleft())
        self._waiting.append(conclusion)
        self._wake.set()
        if conclusion.is_news or not conclusion.outcome.ok:
            self._urgent.set()

    def hurry(self) -> None:
        """Write all waiting conclusions at once."""
        self._wake.set()
        self._urgent.set()

    def close(self) -> None:
        """Let `run` end when no conclusion waits."""
        self._closed = True
        self.hurry()

    def give_up(self) -> int:
        """Give up waiting conclusions; return how many failures were given up in all."""
        while self._waiting:
            self._give_up(self._waiting.popleft())
        return self._given_up

    async def run(self) -> None:
        """Write until closed and nothing waits, or until cancelled; unwritten conclusions keep waiting."""
        while True:
            with trio.move_on_at(next_beat(trio.current_time(), TICK_SECONDS)):
                await self._wake.wait()
            self._wake, self._urgent = trio.Event(), trio.Event()
            gathers = bool(self._waiting)
            try:
                while self._waiting:
                    await self._keep(list(islice(self._waiting, MAX_AT_ONCE)))
                await self._look_after()
                self._report_kept(())
                self._note_state(None)
            except OutboxUnavailableError as error:
                self._note_state(error)
                await trio.sleep(RETRY_SECONDS)
                self._wake.set()
                continue
            if self._closed and not self._waiting:
                return
            if gathers:
                with trio.move_on_after(GATHER_SECONDS):
                    await self._urgent.wait()

    async def _keep(self, batch: Sequence[Conclusion]) -> None:
        given_up_before = self._given_up_of_waiting
        await self._disk.run(lambda outbox: _append(outbox, batch, self._clock()))
        # Conclusions given up meanwhile were at the front: they are reported as given up, though now written.
        rest = batch[self._given_up_of_waiting - given_up_before :]
        for _ in rest:
            self._waiting.popleft()
        for conclusion in rest:
            if not conclusion.outcome.ok:
                self._report(conclusion.outcome, True)
        self._report_kept(rest)
        is_told = self._disk.outbox.shares
        if any(one.flips or not one.outcome.ok or (is_told and one.is_news) for one in batch):
            self._kept()

    async def _look_after(self) -> None:
        """Do regular work, also at the end: record that the daemon is alive, close minutes, apply the limits."""
        now = self._clock()
        if 0 <= now - self._tick_at < NOTE_SECONDS and not self._closed:
            return
        tidy = not 0 <= now - self._tidy_at < TIDY_SECONDS
        before = self._disk.outbox.rows
        doubted_until = now if self._trust is None or self._trust.trusts(now) else self._trust.doubted_until
        self._dropped += await self._disk.run(
            lambda outbox: _look_after(outbox, self._bounds, now, doubted_until, tidy=tidy)
        )
        self._tick_at = now
        if tidy:
            self._tidy_at = now
        if self._disk.outbox.rows > before:
            self._kept()
        dropped = self._dropped - self._dropped_and_logged
        if dropped and not 0 <= now - self._complaint_at < COMPLAINT_SECONDS:
            log.warning("outbox over its limits, dropped the oldest entries", dropped=dropped)
            self._dropped_and_logged, self._complaint_at = self._dropped, now

    def _give_up(self, conclusion: Conclusion) -> None:
        self._given_up_of_waiting += 1
        if not conclusion.outcome.ok:
            self._given_up += 1
            self._report(conclusion.outcome, False)

    def _note_state(self, error: Exception | None) -> None:
        if (error is not None) == self._failing:
            return
        self._failing = error is not None
        if error is None:
            log.info("the outbox can be written again")
        else:
            log.error("the outbox cannot be written, new results wait in memory", error=error)


def _append(outbox: Outbox, batch: Sequence[Conclusion], now: float) -> None:
    """Write conclusions to the outbox; runs in its thread, since encoding takes longer than writing."""
    record_flips(
        outbox,
        [flip for conclusion in batch for flip in conclusion.flips],
        now=now,
        beside=[
            *(encode_failure(one.outcome) for one in batch if not one.outcome.ok),
            *(_shared(one) for one in batch if one.is_news and outbox.shares),
        ],
        minute=open_minute(outbox, now),
        measurements=json.dumps([measurement_of(conclusion.outcome) for conclusion in batch]),
        slots_until=max([one.outcome.scheduled_at for one in batch]).timestamp(),
        # The last one of each target counts.
        standings=[
            (one.outcome.location, one.outcome.target, encode_standing(one.standing)) for one in batch if one.is_news
        ],
    )


def _shared(conclusion: Conclusion) -> tuple[str, str]:
    outcome = conclusion.outcome
    return encode_standing_entry(outcome.target, outcome.location, conclusion.standing, outcome.scheduled_at)


def _look_after(outbox: Outbox, bounds: Bounds, now: float, doubted_until: float, *, tidy: bool) -> int:
    created_before = now - bounds.max_age_seconds
    if doubted_until > now:
        outbox.doubt_clock(doubted_until)  # before the time from which the next start resumes is recorded
        created_before = -math.inf
    close_minutes(outbox, now, before_minute=int(now // MINUTE_SECONDS))
    outbox.append((), now=now, minute=0)  # only the time
    if tidy:
        outbox.tidy()
    return drop_oldest(outbox, max_bytes=bounds.max_bytes, created_before=created_before)
