"""The loop of a target, on a mock clock: no drift, no overlap, no more checks in flight than workers."""

import math
import ssl
from collections.abc import Callable
from itertools import pairwise

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from tests.doubles import a_target
from watcher.checking.fetch import Exchange
from watcher.checking.monitor import Checker, check, monitor_url
from watcher.checking.schedule import Slot, SlotClock
from watcher.model.outcome import Fault, Outcome, Phases, Reason
from watcher.model.target import Target

EPOCH = 1_795_447_255.0
DAY_SECONDS = 24 * 3600


class Site:
    """Answers after a time that the test chooses, and notes when it was asked."""

    def __init__(self, seconds: Callable[[int], float] = lambda _count: 0.0) -> None:
        self.seconds = seconds
        self.started: dict[str, list[float]] = {}
        self.in_flight: set[str] = set()
        self.most_in_flight = 0

    async def fetch(self, target: Target, _tls_context: ssl.SSLContext) -> Exchange:
        assert target.name not in self.in_flight, "a target is checked twice at once"
        started = self.started.setdefault(target.name, [])
        started.append(trio.current_time())
        self.in_flight.add(target.name)
        self.most_in_flight = max(self.most_in_flight, len(self.in_flight))
        try:
            await trio.sleep(self.seconds(len(started)))
        finally:
            self.in_flight.remove(target.name)
        return Exchange(phases=Phases(), status_code=200)


def a_checker(site: Site, workers: int = 10) -> Checker:
    return Checker(
        clock=SlotClock(lambda: EPOCH + trio.current_time(), trio.current_time),
        workers=trio.CapacityLimiter(workers),
        tls_context=ssl.create_default_context(),
        location="default",
        matching_threads=trio.CapacityLimiter(1),
        fetch=site.fetch,
    )


async def watch(site: Site, *targets: Target, for_seconds: float, workers: int = 10) -> list[Outcome]:
    """Let the loops of targets run, and return what they found out."""
    send, receive = trio.open_memory_channel[Outcome](math.inf)
    checker = a_checker(site, workers)
    with trio.move_on_after(for_seconds):
        async with trio.open_nursery() as nursery:
            for target in targets:
                nursery.start_soon(monitor_url, target, checker, send)
    send.close()
    return [outcome async for outcome in receive]


async def test_a_day_goes_by_without_drift(autojump_clock: trio.testing.MockClock) -> None:
    # Every check takes another time, up to just below the interval.
    site = Site(lambda count: (count * 7 % 59) + 0.5)
    outcomes = await watch(site, a_target(interval_seconds=60, timeout_seconds=60), for_seconds=DAY_SECONDS)
    assert len(outcomes) == pytest.approx(DAY_SECONDS / 60, abs=1)
    slots = [outcome.scheduled_at.timestamp() for outcome in outcomes[1:]]
    assert all(later - earlier == pytest.approx(60) for earlier, later in pairwise(slots))
    assert max(outcome.lateness_seconds for outcome in outcomes) < 0.001
    assert sum(outcome.skipped_slots for outcome in outcomes) == 0
    assert len({outcome.check_id for outcome in outcomes}) == len(outcomes)


async def test_a_check_longer_than_the_interval_skips_slots_and_never_overlaps(
    autojump_clock: trio.testing.MockClock,
) -> None:
    site = Site(lambda _count: 25)  # asserts itself that a target is not checked twice at once
    outcomes = await watch(site, a_target(interval_seconds=10, timeout_seconds=30), for_seconds=3600)
    starts = site.started["Checkout"]
    assert {round(later - earlier) for earlier, later in pairwise(starts[1:])} == {30}
    assert {outcome.skipped_slots for outcome in outcomes[2:]} == {2}


async def test_no_more_checks_are_in_flight_than_workers(autojump_clock: trio.testing.MockClock) -> None:
    site = Site(lambda _count: 3)
    targets = [a_target(f"site {number}", interval_seconds=10) for number in range(50)]
    outcomes = await watch(site, *targets, for_seconds=120, workers=5)
    assert site.most_in_flight == 5
    assert max(outcome.lateness_seconds for outcome in outcomes) > 10, "the workers were meant to be too few"
    # Waiting for a worker is the monitor's slowness, not the site's.
    assert {round(outcome.duration_seconds, 6) for outcome in outcomes} == {3}


async def test_all_targets_are_checked_within_two_seconds_of_the_start(autojump_clock: trio.testing.MockClock) -> None:
    site = Site()
    targets = [a_target(f"site {number}", interval_seconds=3600) for number in range(100)]
    outcomes = await watch(site, *targets, for_seconds=2.1)
    assert {outcome.target for outcome in outcomes} == {target.name for target in targets}


async def test_a_check_that_is_cut_off_has_no_outcome_and_gives_its_worker_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    site = Site(lambda _count: 100)
    send, receive = trio.open_memory_channel[Outcome](10)
    checker = a_checker(site)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(monitor_url, a_target(), checker, send)
        await trio.sleep(5)
        assert checker.workers.borrowed_tokens == 1
        nursery.cancel_scope.cancel()
    assert checker.workers.borrowed_tokens == 0
    assert not site.in_flight
    with pytest.raises(trio.WouldBlock):
        receive.receive_nowait()


async def test_a_check_that_is_done_is_not_lost_to_a_cancellation() -> None:
    scope = trio.CancelScope()

    class LastSite(Site):
        async def fetch(self, target: Target, _tls_context: ssl.SSLContext) -> Exchange:
            scope.cancel()
            return Exchange(phases=Phases(), status_code=500)

    send, receive = trio.open_memory_channel[Outcome](10)
    with scope:
        await monitor_url(a_target(interval_seconds=0.001), a_checker(LastSite()), send)
    assert receive.receive_nowait().fault == Fault(Reason.STATUS, "500")


async def test_the_worker_is_given_back_before_the_outcome_is_taken(autojump_clock: trio.testing.MockClock) -> None:
    send, _receive = trio.open_memory_channel[Outcome](0)  # nobody takes the outcome
    checker = a_checker(Site())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(monitor_url, a_target(), checker, send)
        await trio.sleep(5)
        assert send.statistics().tasks_waiting_send == 1
        assert checker.workers.borrowed_tokens == 0
        nursery.cancel_scope.cancel()


async def test_a_bug_is_an_outcome_of_its_own_and_ends_nothing() -> None:
    class BrokenSite(Site):
        async def fetch(self, target: Target, _tls_context: ssl.SSLContext) -> Exchange:
            raise ZeroDivisionError("a bug")

    with capture_logs() as logs:
        outcome = await check(a_target(), Slot(EPOCH), a_checker(BrokenSite()))
    assert outcome.fault == Fault(Reason.INTERNAL, "ZeroDivisionError inside watcher; its log has more")
    assert [(entry["log_level"], type(entry["exc_info"])) for entry in logs] == [("error", ZeroDivisionError)]
