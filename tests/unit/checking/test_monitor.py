"""The loop of a target, on a mock clock: no drift, no overlap, and at most as many checks at once as workers."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import trio
import trio.testing

from tests.doubles import MOMENT, a_checker, a_target, an_outcome
from watcher.checking.http.exchange import Exchange
from watcher.checking.monitor import HAND_OVER_SECONDS, Watch, monitor_url
from watcher.checking.scheduling.shared_timer import TICK_SECONDS
from watcher.model.conclusion import Conclusion
from watcher.model.outcome import Fault, Outcome, Phases, Reason
from watcher.model.state import NEVER_CHECKED, Standing, State, Thresholds
from watcher.model.target import Target

THREE_HOURS_SECONDS = 3 * 3600


class Site:
    """Answers after a time and with a status that the test chooses, and records when it was asked."""

    def __init__(
        self,
        seconds: Callable[[str, int], float] = lambda _name, _count: 0.0,
        status: Callable[[int], int] = lambda _count: 200,
    ) -> None:
        self.seconds = seconds
        self.status = status
        self.started: dict[str, list[float]] = {}
        self.in_flight: set[str] = set()
        self.most_in_flight = 0
        self.closed: list[str] = []

    def probe(self, target: Target) -> "SiteProbe":
        return SiteProbe(self, target)


class SiteProbe:
    """Checks a site, and asserts that a target is never checked twice at once."""

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
                return Exchange(phases=Phases(), status_code=site.status(len(started)))
            return Exchange(phases=Phases(), fault=Fault(Reason.TIMEOUT, "no answer"))
        finally:
            site.in_flight.remove(name)

    def close(self) -> None:
        self.site.closed.append(self.target.name)


async def watch(
    site: Site, *targets: Target, for_seconds: float, workers: int = 10, patrol: bool = False
) -> list[Outcome]:
    """Run the loops of targets, and return the outcomes."""
    conclusions = await conclude(site, *targets, for_seconds=for_seconds, workers=workers, patrol=patrol)
    return [conclusion.outcome for conclusion in conclusions]


async def conclude(
    site: Site,
    *targets: Target,
    for_seconds: float,
    workers: int = 10,
    patrol: bool = False,
    standing: Standing = NEVER_CHECKED,
    ahead: Callable[[], float] = lambda: 0.0,
) -> list[Conclusion]:
    """Run the loops of targets, and return the conclusions."""
    send, receive = trio.open_memory_channel[Conclusion](math.inf)
    context = a_checker(site.probe, workers, ahead=ahead)
    with trio.move_on_after(for_seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(context.timer.run)
            if patrol:
                nursery.start_soon(context.lanes.patrol)
            for target in targets:
                nursery.start_soon(monitor_url, target, context, send, Watch(standing))
    send.close()
    return [conclusion async for conclusion in receive]


async def test_three_hours_go_by_without_drift(autojump_clock: trio.testing.MockClock) -> None:
    # Every check takes a different time, up to just below the interval.
    site = Site(lambda _name, count: (count * 7 % 59) + 0.5)
    outcomes = await watch(site, a_target(interval_seconds=60, timeout_seconds=60), for_seconds=THREE_HOURS_SECONDS)
    assert len(outcomes) == pytest.approx(THREE_HOURS_SECONDS / 60, abs=1)
    slots = [outcome.scheduled_at.timestamp() for outcome in outcomes[1:]]
    assert all(later - earlier == pytest.approx(60) for earlier, later in pairwise(slots))
    assert max(outcome.lateness_seconds for outcome in outcomes) < TICK_SECONDS + 0.001
    assert sum(outcome.skipped_slots for outcome in outcomes) == 0
    assert len({outcome.check_id for outcome in outcomes}) == len(outcomes)


async def test_a_check_longer_than_the_interval_skips_slots_and_never_overlaps(
    autojump_clock: trio.testing.MockClock,
) -> None:
    site = Site(lambda _name, _count: 25)  # asserts that a target is not checked twice at once
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
    # Waiting for a worker is the monitor's delay, not the site's.
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
    send, receive = trio.open_memory_channel[Conclusion](10)
    context = a_checker(site.probe)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(context.timer.run)
        nursery.start_soon(monitor_url, a_target(), context, send)
        await trio.sleep(5)
        assert context.lanes.workers.borrowed_tokens == 1
        nursery.cancel_scope.cancel()
    assert context.lanes.workers.borrowed_tokens == 0
    assert not site.in_flight
    with pytest.raises(trio.WouldBlock):
        receive.receive_nowait()


class LastProbe(SiteProbe):
    """Returns its result in the very moment when everything is cancelled."""

    def __init__(self, target: Target, scope: trio.CancelScope) -> None:
        super().__init__(Site(), target)
        self.scope = scope

    async def fetch(self, timeout_seconds: float | None = None) -> Exchange:
        self.scope.cancel()
        return Exchange(phases=Phases(), status_code=500)


async def test_a_check_that_is_done_is_not_lost_to_a_cancellation() -> None:
    scope = trio.CancelScope()
    send, receive = trio.open_memory_channel[Conclusion](10)
    context = a_checker(lambda target: LastProbe(target, scope))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(context.timer.run)
        with scope:
            await monitor_url(a_target(interval_seconds=0.001), context, send)
        nursery.cancel_scope.cancel()
    assert receive.receive_nowait().outcome.fault == Fault(Reason.STATUS, "500")


async def test_a_conclusion_is_not_lost_to_a_cancellation_while_the_channel_is_full(
    autojump_clock: trio.testing.MockClock,
) -> None:
    scope = trio.CancelScope()
    send, receive = trio.open_memory_channel[Conclusion](1)
    send.send_nowait(Conclusion(an_outcome("before")))
    context = a_checker(lambda target: LastProbe(target, scope))
    received = list[str]()

    async def receive_late() -> None:
        await trio.sleep(HAND_OVER_SECONDS / 2)
        received.extend([conclusion.outcome.target async for conclusion in receive])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive_late)
        async with send, trio.open_nursery() as checks:
            checks.start_soon(context.timer.run)
            with scope:
                await monitor_url(a_target(interval_seconds=0.001), context, send)
            checks.cancel_scope.cancel()
    assert received == ["before", "Checkout"]


async def test_a_full_channel_does_not_delay_a_stop_for_long(
    autojump_clock: trio.testing.MockClock,
) -> None:
    scope = trio.CancelScope()
    send, _receive = trio.open_memory_channel[Conclusion](0)
    context = a_checker(lambda target: LastProbe(target, scope))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(context.timer.run)
        with scope:
            await monitor_url(a_target(interval_seconds=0.001), context, send)
        nursery.cancel_scope.cancel()
    assert HAND_OVER_SECONDS <= trio.current_time() <= HAND_OVER_SECONDS + 0.1


def starts_of(conclusions: list[Conclusion]) -> list[float]:
    """Return when checks started, in seconds since the first."""
    starts = [conclusion.outcome.started_at for conclusion in conclusions]
    return [round((start - starts[0]).total_seconds(), 3) for start in starts]


async def test_rechecks_come_sooner_until_the_change_is_confirmed(autojump_clock: trio.testing.MockClock) -> None:
    site = Site(status=lambda count: 500 if count > 3 else 200)
    target = a_target(interval_seconds=60, recheck_interval_seconds=5, thresholds=Thresholds(3, 2))
    conclusions = await conclude(site, target, for_seconds=500)
    waits = [later - earlier for earlier, later in pairwise(starts_of(conclusions))]
    # The third success, the first failure, two rechecks, and then the slots as before.
    assert [round(wait) for wait in waits[1:]] == [60, 60, 5, 5, 50, 60, 60, 60, 60, 60][: len(waits) - 1]
    assert [(flip.state, index) for index, one in enumerate(conclusions) for flip in one.flips] == [
        (State.UP, 0),
        (State.DOWN, 5),
    ]
    assert sum(one.outcome.skipped_slots for one in conclusions) == 0


async def test_rechecks_stop_when_it_was_nothing(autojump_clock: trio.testing.MockClock) -> None:
    site = Site(status=lambda count: 500 if count == 3 else 200)
    target = a_target(interval_seconds=60, recheck_interval_seconds=5)
    waits = [later - earlier for earlier, later in pairwise(starts_of(await conclude(site, target, for_seconds=400)))]
    assert [round(wait) for wait in waits[1:]] == [60, 5, 55, 60, 60, 60][: len(waits) - 1]


async def test_rechecks_confirm_a_recovery_as_well(autojump_clock: trio.testing.MockClock) -> None:
    down = Standing(State.DOWN, MOMENT, State.DOWN)
    target = a_target(interval_seconds=60, recheck_interval_seconds=5)
    conclusions = await conclude(Site(), target, for_seconds=200, standing=down)
    assert [flip.state for flip in conclusions[1].flips] == [State.UP]
    assert starts_of(conclusions)[1] == pytest.approx(5, abs=0.1)


async def test_without_an_interval_for_them_there_are_no_rechecks(autojump_clock: trio.testing.MockClock) -> None:
    site = Site(status=lambda _count: 500)
    conclusions = await conclude(site, a_target(interval_seconds=60), for_seconds=400)
    waits = [later - earlier for earlier, later in pairwise(starts_of(conclusions))]
    assert waits[1:] == [pytest.approx(60, abs=0.1)] * (len(waits) - 1)


async def test_the_loop_goes_on_from_where_the_target_stood(autojump_clock: trio.testing.MockClock) -> None:
    unknown = Standing(State.UNKNOWN, MOMENT, State.UP)
    first, *others = await conclude(Site(), a_target(), for_seconds=60, standing=unknown)
    [flip] = first.flips
    assert (flip.before, flip.state) == (State.UNKNOWN, State.UP)
    assert not any(conclusion.is_news for conclusion in others)


async def test_a_gap_without_checks_becomes_unknown(autojump_clock: trio.testing.MockClock) -> None:
    """Other targets hold all workers, for much longer than an interval."""
    site = Site(lambda name, count: 100.0 if name == "hog" and count == 2 else 0.0)
    targets = [
        a_target("hog", interval_seconds=200, timeout_seconds=200),
        a_target("Checkout", interval_seconds=10),
    ]
    conclusions = await conclude(site, *targets, for_seconds=400, workers=1)
    flips = [flip for conclusion in conclusions for flip in conclusion.flips if flip.target == "Checkout"]
    assert [flip.state for flip in flips] == [State.UP, State.UNKNOWN, State.UP]
    assert 80 < (flips[2].at - flips[1].at).total_seconds() < 100


@pytest.mark.parametrize("seconds", [0.2, 25.0], ids=["between two checks", "during a check"])
async def test_slots_come_back_with_a_clock_that_was_ahead(
    autojump_clock: trio.testing.MockClock, seconds: float
) -> None:
    began = trio.current_time()
    site = Site(lambda _name, _count: seconds)
    target = a_target(interval_seconds=30, timeout_seconds=30)

    def ahead() -> float:  # for ten minutes, after which those hours repeat
        return 7200.0 if 300 < trio.current_time() - began < 900 else 0.0

    conclusions = await conclude(site, target, for_seconds=4 * 3600, ahead=ahead)
    starts = site.started["Checkout"]
    assert max(later - earlier for earlier, later in pairwise(starts)) < 1.5 * 30 + 1
    assert len(starts) >= 4 * 3600 / 30 - 2
    outcomes = [one.outcome for one in conclusions]
    late = [(one.started_at - one.scheduled_at).total_seconds() for one in outcomes]
    assert min(late) > -0.001
    assert len([seconds for seconds in late if seconds > 1]) <= 1  # in the slot that the leap was over
    assert len({one.check_id for one in outcomes}) == len(outcomes)
    assert sum(one.part != 0 for one in outcomes) == pytest.approx(7200 / 30, abs=2)


async def test_a_broken_off_check_is_repeated_at_once_even_if_the_clock_was_set_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    site = Site(lambda _name, _count: 8.0)
    await conclude(
        site,
        *(a_target(name=name, interval_seconds=60, timeout_seconds=9) for name in ("a", "b")),
        for_seconds=30,
        workers=1,
        patrol=True,
        ahead=lambda: -600.0 if any(trio.current_time() > at[0] + 0.1 for at in site.started.values()) else 0.0,
    )
    assert max(map(len, site.started.values())) > 1


async def test_the_worker_is_given_back_before_the_outcome_is_taken(autojump_clock: trio.testing.MockClock) -> None:
    send, _receive = trio.open_memory_channel[Conclusion](0)  # the conclusions are dropped
    context = a_checker(Site().probe)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(context.timer.run)
        nursery.start_soon(monitor_url, a_target(), context, send)
        await trio.sleep(5)
        assert send.statistics().tasks_waiting_send == 1
        assert context.lanes.workers.borrowed_tokens == 0
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
    outcomes = await watch(site, *targets, for_seconds=120, patrol=True)
    lateness = sorted(outcome.lateness_seconds for outcome in outcomes if not is_dead(outcome.target))
    assert len(lateness) == pytest.approx(80 * 24, rel=0.05)
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
