"""Runs one check of a target: attempts, verdicts, and the one boundary that catches unknown exceptions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import structlog
import trio

from watcher.checking.http.exchange import Exchange
from watcher.checking.scheduling.schedule import Slot, still_due
from watcher.checking.verdict.excerpt import excerpt_of, headers_of, masked_fault, masked_notes
from watcher.checking.verdict.judge import Verdict, judge, matching_steps
from watcher.model.outcome import Fault, Outcome, Phases, Reason

if TYPE_CHECKING:
    from watcher.checking.check_context import AnyProbe, CheckContext
    from watcher.model.target import Target

log = structlog.get_logger()

# RE2 takes up to some 4 ns a step: up to this many steps (4 ms at worst) run in the loop, more in a thread.
INLINE_MATCHING_STEPS = 1_000_000

# Wait before a retry after a fault of this machine, so that a lacking resource can come back.
LOCAL_RETRY_SECONDS = 0.5

_OF_THE_MONITOR = frozenset({Reason.INTERNAL, Reason.LOCAL})
_NOTHING_CAME = Exchange(phases=Phases())


class CheckReport(NamedTuple):
    """The outcome of a check, and the exchange behind it."""

    outcome: Outcome
    exchange: Exchange


async def check_now(target: Target, context: CheckContext) -> CheckReport:
    """Check a target once, outside its slots; waits for a worker."""
    probe, slot = context.probe(target), Slot(context.clock.now())
    try:
        return await context.lanes.run(lambda: check_slot(probe, slot, context), failing=False)
    finally:
        probe.close()


async def check_slot(probe: AnyProbe, slot: Slot, context: CheckContext) -> CheckReport:
    """Check a target once, with its configured retries.

    A fault of this machine is retried once, whatever the retries. Each further attempt must start before the
    target's next slot, and is cut off there.

    Args:
        probe: of the target.
        slot: the slot of the check.
        context: the shared parts of checks.

    Returns:
        the outcome; `duration_seconds` and the fields of the exchange are those of the last attempt.
    """
    target, now = probe.target, context.clock.now()
    slot = still_due(slot, now)
    begun = _Begun(slot, context.clock.wall(), now - slot.due, context.clock.part_of(slot.due))
    attempt = await _attempt(probe, context, target.timeout_seconds)
    attempts, retries_left, local_retries_left = 1, target.retries, 1
    while (fault := attempt.verdict.fault) is not None:
        if fault.reason is Reason.LOCAL and local_retries_left:
            local_retries_left, wait_seconds = 0, LOCAL_RETRY_SECONDS
        elif retries_left and fault.reason not in _OF_THE_MONITOR:
            retries_left, wait_seconds = retries_left - 1, target.retry_interval_seconds
        else:
            break
        timeout_seconds = slot.anchor + target.interval_seconds - context.clock.now() - wait_seconds
        if timeout_seconds <= 0:
            break
        await trio.sleep(wait_seconds)
        another = await _attempt(probe, context, min(timeout_seconds, target.timeout_seconds))
        attempts += 1
        cut_short = timeout_seconds < target.timeout_seconds
        if cut_short and another.verdict.fault is not None and another.verdict.fault.reason is Reason.TIMEOUT:
            break  # it had less than the site's full timeout, so the earlier result stays
        attempt = another
    return CheckReport(_outcome(target, context.location, begun, attempts, attempt), attempt.exchange)


class _Begun(NamedTuple):
    """The state of a check at its start: the clock may be set back before it ends."""

    slot: Slot
    started_at: float
    lateness_seconds: float
    part: int


class _Attempt(NamedTuple):
    exchange: Exchange
    verdict: Verdict
    duration_seconds: float


async def _attempt(probe: AnyProbe, context: CheckContext, timeout_seconds: float) -> _Attempt:
    """Fetch once and judge.

    This is the one boundary that catches unknown exceptions: they become an outcome with the reason `internal`, so
    that a bug on one site does not blind the monitor for the rest.
    """
    target = probe.target
    started = trio.current_time()
    exchange = _NOTHING_CAME
    with context.pauses:
        try:
            exchange = await probe.fetch(timeout_seconds)
            duration_seconds = trio.current_time() - started
            verdict = await _judge(target, exchange, context, duration_seconds, timeout_seconds)
        except Exception as error:
            log.error("check failed inside watcher", target=target.name, url=target.shown_address, exc_info=error)
            verdict = Verdict(Fault(Reason.INTERNAL, f"{type(error).__name__} inside watcher; its log has more"), None)
        if (verdict.fault is not None or verdict.degraded is not None) and context.pauses.any_since(started):
            verdict = _without_pause(verdict)
    return _Attempt(exchange, verdict, trio.current_time() - started)


def _without_pause(verdict: Verdict) -> Verdict:
    """Replace a verdict against a site if the monitor itself stood still meanwhile."""
    if verdict.fault is None:
        return Verdict(None, None)
    detail = f"the monitor itself was paused during the check, which saw: {verdict.fault.detail}"
    return Verdict(Fault(Reason.LOCAL, detail, verdict.fault.detail), None)


async def _judge(
    target: Target, exchange: Exchange, context: CheckContext, duration_seconds: float, timeout_seconds: float
) -> Verdict:
    """Judge in the loop, or in a thread (RE2 releases the GIL) if matching could stall the loop."""
    now = datetime.fromtimestamp(context.clock.wall(), UTC)
    if matching_steps(target.expected, exchange) <= INLINE_MATCHING_STEPS:
        return judge(target.expected, exchange, duration_seconds, now)
    begun = False

    def judge_in_thread() -> Verdict:
        nonlocal begun
        begun = True
        return judge(target.expected, exchange, duration_seconds, now)

    with trio.move_on_after(max(timeout_seconds - duration_seconds, 0)):
        return await trio.to_thread.run_sync(judge_in_thread, abandon_on_cancel=True, limiter=context.matching_threads)
    if not begun:
        text = "other bodies took so long to match that this one had to wait past its deadline"
        return Verdict(Fault(Reason.LOCAL, text, ""), None)
    text = f"no answer within {timeout_seconds:g} s: cut off while matching the body"
    return Verdict(Fault(Reason.TIMEOUT, text), None)


def _outcome(target: Target, location: str, begun: _Begun, attempts: int, attempt: _Attempt) -> Outcome:
    exchange, fault = attempt.exchange, attempt.verdict.fault
    first_end = exchange.first_certificate_end()
    answered = exchange.status_code is not None
    return Outcome(
        target=target.name,
        address=target.shown_address,
        location=location,
        scheduled_at=datetime.fromtimestamp(begun.slot.due, UTC),
        started_at=datetime.fromtimestamp(begun.started_at, UTC),
        duration_seconds=attempt.duration_seconds,
        fault=None if fault is None else masked_fault(fault, target),
        degraded=attempt.verdict.degraded,
        attempts=attempts,
        lateness_seconds=begun.lateness_seconds,
        skipped_slots=begun.slot.skipped,
        status_code=exchange.status_code,
        http_version=exchange.http_version,
        ip=exchange.ip,
        body_bytes=len(exchange.body) if answered and exchange.fault is None else None,
        redirects=len(exchange.hops) if answered or exchange.hops else None,
        cert_expires_at=None if first_end is None else first_end.expires_at,
        phases=exchange.phases,
        excerpt=None if fault is None else excerpt_of(exchange, target),
        headers=() if fault is None else headers_of(exchange, target),
        notes=masked_notes(exchange, attempt.verdict, target),
        part=begun.part,
        cert_begins_at=None if first_end is None else first_end.begins_at,
    )
