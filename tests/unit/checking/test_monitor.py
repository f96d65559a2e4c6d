"""The loop of a target, on a mock clock: no drift, no overlap, no more checks in flight than workers."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import trio
import trio.testing

from tests.doubles import a_checker, a_target
from watcher.checking.alarm import TICK_SECONDS
from watcher.checking.exchange import Exchange
from watcher.checking.monitor import monitor_url
from watcher.model.outcome import Fault, Outcome, Phases, Reason
from watcher.model.target import Target

HALF_A_DAY_SECONDS = 12 * 3600


class Site:
    """Answers after a time that the test chooses, and notes when it was asked."""

    def __init__(self, seconds: Callable[[str, int], float] = lambda _name, _count: 0.0) -> None:
        self.seconds = seconds
        self.started: dict[str, list[float]] = {}
        self.in_flight: set[str] = set()
        self.most_in_flight = 0
        self.closed: list[str] = []

    def probe(self, target: Target) -> "SiteProbe":
        return SiteProbe(self, target)


class SiteProbe:
    """Asks a site, and sees to it that no target is asked twice at once."""

    def __init__(self, site: Site, target: Target) -> None:
        self.site = site
        self.target = target

    async def fetch(self, timeout_seconds: float | None = None) -> Exchange:
        site, name = self.site, self.target.name
        assert timeout_seconds is not None
        assert name not in site.in_flight, "a target is checked twice at once"
        started = site.started.setdefault(name, [])
        started.append(trio.current_time())
        site.in_flight.add(name)
        site.most_in_flight = max(site.most_in_flight, len(site.in_flight))
        try:
            with trio.move_on_after(timeout_seconds):
                await trio.sleep(site.seconds(name, len(started)))
                return Exchange(phases=Phases(), status_code=200)
            return Exchange(phases=Phases(), fault=Fault(Reason.TIMEOUT, "no answer"))
        finally:
            site.in_flight.remove(name)

    def close(self) -> None:
        self.site.closed.append(self.target.name)


async def watch(
    site: Site, *targets: Target, for_seconds: float, workers: int = 10, patrol: bool = False
) -> list[Outcome]:
    """Let the loops of targets run, and return what they found out."""
    send, receive = trio.open_memory_channel[Outcome](math.inf)
    checker = a_checker(site.probe, workers)
    with trio.move_on_after(for_seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(checker.alarm.run)
            if patrol:
                nursery.start_soon(checker.lanes.patrol)
            for target in targets:
                nursery.start_soon(monitor_url, target, checker, send)
    send.close()
    return [outcome async for outcome in receive]


async def test_half_a_day_goes_by_without_drift(autojump_clock: trio.testing.MockClock) -> None:
    # Every check takes another time, up to just below the interval.
    site = Site(lambda _name, count: (count * 7 % 59) + 0.5)
    outcomes = await watch(site, a_target(interval_seconds=60, timeout_seconds=60), for_seconds=HALF_A_DAY_SECONDS)
    assert len(outcomes) == pytest.approx(HALF_A_DAY_SECONDS / 60, abs=1)
    slots = [outcome.scheduled_at.timestamp() for outcome in outcomes[1:]]
    assert all(later - earlier == pytest.approx(60) for earlier, later in pairwise(slots))
    assert max(outcome.lateness_seconds for outcome in outcomes) < TICK_SECONDS + 0.001
    assert sum(outcome.skipped_slots for outcome in outcomes) == 0
    assert len({outcome.check_id for outcome in outcomes}) == len(outcomes)


async def test_a_check_longer_than_the_interval_skips_slots_and_never_overlaps(
    autojump_clock: trio.testing.MockClock,
) -> None:
    site = Site(lambda _name, _count: 25)  # asserts itself that a target is not checked twice at once
    outcomes = await watch(site, a_target(interval_seconds=10, timeout_seconds=30), for_seconds=3600)
    starts = site.started["Checkout"]
    assert {round(later - earlier) for earlier, later in pairwise(starts[1:])} == {30}
    assert {outcome.skipped_slots for outcome in outcomes[2:]} == {2}


async def test_no_more_checks_are_in_flight_than_workers(autojump_clock: trio.testing.MockClock) -> None:
    site = Site(lambda _name, _count: 3)
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
    site = Site(lambda _name, _count: 100)
    send, receive = trio.open_memory_channel[Outcome](10)
    checker = a_checker(site.probe)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(checker.alarm.run)
        nursery.start_soon(monitor_url, a_target(), checker, send)
        await trio.sleep(5)
        assert checker.lanes.workers.borrowed_tokens == 1
        nursery.cancel_scope.cancel()
    assert checker.lanes.workers.borrowed_tokens == 0
    assert not site.in_flight
    with pytest.raises(trio.WouldBlock):
        receive.receive_nowait()


async def test_a_check_that_is_done_is_not_lost_to_a_cancellation() -> None:
    scope = trio.CancelScope()

    class LastProbe(SiteProbe):
        async def fetch(self, timeout_seconds: float | None = None) -> Exchange:
            scope.cancel()
            return Exchange(phases=Phases(), status_code=500)

    send, receive = trio.open_memory_channel[Outcome](10)
    checker = a_checker(lambda target: LastProbe(Site(), target))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(checker.alarm.run)
        with scope:
            await monitor_url(a_target(interval_seconds=0.001), checker, send)
        nursery.cancel_scope.cancel()
    assert receive.receive_nowait().fault == Fault(Reason.STATUS, "500")


async def test_the_worker_is_given_back_before_the_outcome_is_taken(autojump_clock: trio.testing.MockClock) -> None:
    send, _receive = trio.open_memory_channel[Outcome](0)  # nobody takes the outcome
    checker = a_checker(Site().probe)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(checker.alarm.run)
        nursery.start_soon(monitor_url, a_target(), checker, send)
        await trio.sleep(5)
        assert send.statistics().tasks_waiting_send == 1
        assert checker.lanes.workers.borrowed_tokens == 0
        nursery.cancel_scope.cancel()


async def test_a_cancelled_loop_closes_its_probe(autojump_clock: trio.testing.MockClock) -> None:
    site = Site()
    await watch(site, a_target(), for_seconds=15)
    assert site.closed == ["Checkout"]


def is_dead(name: str) -> bool:
    return int(name) % 5 == 0


async def test_dead_sites_do_not_make_healthy_ones_late(autojump_clock: trio.testing.MockClock) -> None:
    # 20 of 100 never answer; left alone, they would hold all 10 workers for 5 of every 5 seconds.
    site = Site(lambda name, _count: 60.0 if is_dead(name) else 0.02)
    targets = [a_target(str(number), interval_seconds=5, timeout_seconds=5) for number in range(100)]
    outcomes = await watch(site, *targets, for_seconds=300, patrol=True)
    lateness = sorted(outcome.lateness_seconds for outcome in outcomes if not is_dead(outcome.target))
    assert len(lateness) == pytest.approx(80 * 60, rel=0.05)
    assert lateness[int(len(lateness) * 0.99)] < 1
    assert lateness[-1] < 1, "not even at the start, when nobody knows which are dead"
    assert {outcome.target for outcome in outcomes if not outcome.ok} == {
        name for name in site.started if is_dead(name)
    }


async def test_a_site_that_recovers_leaves_the_lane_of_the_failing(autojump_clock: trio.testing.MockClock) -> None:
    site = Site(lambda _name, count: 60.0 if count < 4 else 0.02)
    targets = [a_target(str(number), interval_seconds=5, timeout_seconds=2) for number in range(8)]
    outcomes = await watch(site, *targets, for_seconds=200, workers=4, patrol=True)
    late_in_the_end = [outcome.lateness_seconds for outcome in outcomes[-8 * 10 :]]
    assert max(late_in_the_end) < 0.1
    assert all(outcome.ok for outcome in outcomes[-8 * 10 :])
