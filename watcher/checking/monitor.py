"""The loop of one target, and one check of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import structlog
import trio

from watcher.checking.fetch import Exchange, fetch
from watcher.checking.schedule import Schedule, Slot, SlotClock
from watcher.checking.verdict import judge, matching_steps
from watcher.model.outcome import Fault, Outcome, Phases, Reason, check_id

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from watcher.model.target import Target

    Fetch = Callable[[Target, ssl.SSLContext], Awaitable[Exchange]]

log = structlog.get_logger()

# RE2 takes up to some 4 ns a step, so this much is done in the loop (4 ms at the worst), more in a thread.
INLINE_MATCHING_STEPS = 1_000_000


@dataclass(frozen=True)
class Checker:
    """What every check needs.

    Attributes:
        clock: the time that schedules run on.
        workers: one token is one check in flight.
        tls_context: shared by all checks.
        location: where this replica stands.
        matching_threads: for bodies and patterns too large to match in the loop.
        fetch: does the exchange.
    """

    clock: SlotClock
    workers: trio.CapacityLimiter
    tls_context: ssl.SSLContext
    location: str
    matching_threads: trio.CapacityLimiter
    fetch: Fetch = fetch


async def monitor_url(target: Target, checker: Checker, outcomes: trio.MemorySendChannel[Outcome]) -> NoReturn:
    """Check one target in each of its slots, never two checks of it at once.

    Args:
        target: what to check.
        checker: what checks need.
        outcomes: where each outcome goes; when it is full, the loop waits.

    Returns:
        never, unless cancelled; a check that is cut off by the cancellation has no outcome.
    """
    schedule = Schedule.of(target.name, target.interval_seconds)
    slot = schedule.first(checker.clock.now())
    while True:
        await trio.sleep(max(slot.due - checker.clock.now(), 0))
        # The token is taken outside the check's deadline, or waiting for it would count as the site's slowness, and
        # given back before the outcome is handed on, or a slow store would hold up the checks.
        async with checker.workers:
            outcome = await check(target, slot, checker)
        try:
            outcomes.send_nowait(outcome)  # no checkpoint: a check that is done is not lost to a cancellation
        except trio.WouldBlock:
            await outcomes.send(outcome)
        slot = schedule.next(slot, checker.clock.now())


async def check(target: Target, slot: Slot, checker: Checker) -> Outcome:
    """Check a target once.

    This is the one boundary at which an unknown exception ends: it becomes an outcome with the reason `internal`, so
    that a bug on one site does not blind the monitor for the rest.
    """
    started_at, lateness_seconds = checker.clock.wall(), checker.clock.now() - slot.due
    started = trio.current_time()
    exchange = Exchange(phases=Phases())
    try:
        exchange = await checker.fetch(target, checker.tls_context)
        remaining_seconds = target.timeout_seconds - (trio.current_time() - started)
        fault = await _judge(target, exchange, checker, remaining_seconds)
    except Exception as error:
        log.error("check failed inside watcher", target=target.name, url=target.shown_address, exc_info=error)
        fault = Fault(Reason.INTERNAL, f"{type(error).__name__} inside watcher; its log has more")
    scheduled_at = datetime.fromtimestamp(slot.due, UTC)
    return Outcome(
        check_id=check_id(target.name, checker.location, scheduled_at),
        target=target.name,
        address=target.shown_address,
        location=checker.location,
        scheduled_at=scheduled_at,
        started_at=datetime.fromtimestamp(started_at, UTC),
        duration_seconds=trio.current_time() - started,
        fault=fault,
        lateness_seconds=max(lateness_seconds, 0.0),
        skipped_slots=slot.skipped,
        status_code=exchange.status_code,
        http_version=exchange.http_version,
        ip=exchange.ip,
        body_bytes=None if exchange.status_code is None else len(exchange.body),
        redirects=exchange.redirects,
        phases=exchange.phases,
    )


async def _judge(target: Target, exchange: Exchange, checker: Checker, remaining_seconds: float) -> Fault | None:
    """Judge in the loop, or in a thread (RE2 releases the GIL) where matching could stall the loop."""
    if matching_steps(target, exchange) <= INLINE_MATCHING_STEPS:
        return judge(target, exchange)
    begun = False

    def judge_in_thread() -> Fault | None:
        nonlocal begun
        begun = True
        return judge(target, exchange)

    with trio.move_on_after(max(remaining_seconds, 0)):
        return await trio.to_thread.run_sync(judge_in_thread, abandon_on_cancel=True, limiter=checker.matching_threads)
    if not begun:
        return Fault(Reason.LOCAL, "other bodies took so long to match that this one had to wait past its deadline")
    text = f"no answer within {target.timeout_seconds:g} s: cut off while matching the body"
    return Fault(Reason.TIMEOUT, text)
