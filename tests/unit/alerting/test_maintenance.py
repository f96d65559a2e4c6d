"""Maintenance in the check loops: it starts and ends on time, and keeps what checks found meanwhile."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import trio
import trio.testing

from tests.doubles import EPOCH, a_checker, a_target
from watcher.alerting.conditions.maintenance import MaintenanceKeeper
from watcher.alerting.policy.incidents import follow
from watcher.alerting.policy.maintenance import MaintenancePlan
from watcher.checking.http.exchange import Exchange
from watcher.checking.monitor import Watch, monitor_url
from watcher.model.alerts.of_target import TargetAlerts
from watcher.model.alerts.windows import Maintenance, OnceWindow
from watcher.model.conclusion import Conclusion
from watcher.model.outcome import Phases
from watcher.model.state import NEVER_CHECKED, Flip, Standing, State
from watcher.model.target import Target
from watcher.outbox.encoding import decode_standing, encode_standing

START = datetime.fromtimestamp(EPOCH, UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def window(first: float, last: float, **narrow: object) -> Maintenance:
    return Maintenance(OnceWindow(at(first), last - first), "new rack", **narrow)  # type: ignore[arg-type]


class Site:
    """A probe that fails in some spans of seconds."""

    def __init__(self, target: Target, down: tuple[tuple[float, float], ...]) -> None:
        self.target = target
        self.down = down

    async def fetch(self, timeout_seconds: float | None = None) -> Exchange:
        await trio.lowlevel.checkpoint()
        now = trio.current_time()
        is_down = any(first <= now < last for first, last in self.down)
        return Exchange(phases=Phases(), status_code=503 if is_down else 200)

    def close(self) -> None:
        pass


async def flips_of(
    down: tuple[tuple[float, float], ...], *windows: Maintenance, standing: Standing = NEVER_CHECKED, until: float = 300
) -> tuple[list[Flip], Standing]:
    """Check a target every ten seconds, and return its flips and its state at the end."""
    target = a_target(interval_seconds=10, group="shop")
    context = a_checker(lambda target: Site(target, down))
    keeper = MaintenanceKeeper(context.holds, context.clock.wall)
    await keeper.take({target.name: target}, windows)
    send, receive = trio.open_memory_channel[Conclusion](math.inf)
    watch = Watch(standing)
    with trio.move_on_at(until):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(context.timer.run)
            nursery.start_soon(keeper.run)
            nursery.start_soon(monitor_url, target, context, send, watch)
    send.close()
    flips = [flip async for conclusion in receive for flip in conclusion.flips]
    for one, other in pairwise(flips):
        assert (one.state, one.number) == (other.before, (other.number or 0) - 1)
        assert one.at < other.at
    return flips, watch.standing


@pytest.mark.parametrize(
    ("down", "after", "told"),
    [
        ([], [("up", 200)], []),
        ([(120, 180)], [("up", 200)], []),
        ([(120, 400)], [("down", 200)], ["opened"]),  # at once, without three more checks
        ([(20, 400)], [("down", 200)], ["opened"]),  # before it
        ([(20, 150)], [("up", 200)], ["opened", "closed"]),
        ([(195, 400)], [("up", 200), ("down", 200)], ["opened"]),  # the first failure of three is within
    ],
)
async def test_a_maintenance_ends_with_what_checks_found_meanwhile(
    autojump_clock: trio.testing.MockClock,
    down: list[tuple[float, float]],
    after: list[tuple[str, float]],
    told: list[str],
) -> None:
    flips, _ = await flips_of(tuple(down), window(100, 200))
    moments = [(str(flip.state), (flip.at - START).total_seconds()) for flip in flips]
    began = moments.index(("maintenance", 100))
    assert moments[began - 1][0] == ("down" if (20, 400) in down or (20, 150) in down else "up")
    assert [flip.cause.detail for flip in flips[began : began + 1] if flip.cause] == ["in maintenance: new rack"]
    assert [state for state, _ in moments[began + 1 :]] == [state for state, _ in after]
    assert moments[began + 1] == after[0]
    incident, changes = None, []
    for flip in flips:
        incident, change = follow(incident, flip)
        changes += [str(change)] if change else []
    assert changes == told
    if after == [("down", 200)]:
        assert flips[-1].check_id is not None


async def test_overlapping_or_adjacent_windows_are_one_and_others_have_no_effect(
    autojump_clock: trio.testing.MockClock,
) -> None:
    windows = (window(100, 150), window(140, 180, group="shop"), window(180, 200, targets=frozenset({"Checkout"})))
    others = (window(30, 60, group="core"), window(210, 250, targets=frozenset({"Other"})))
    flips, _ = await flips_of((), *windows, *others)
    assert [(str(flip.state), flip.at) for flip in flips[1:]] == [("maintenance", at(100)), ("up", at(200))]


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ((window(-100, 50),), [("down", 50)]),  # a start in the middle of it
        ((window(-100, -20),), [("unknown", -20), ("down", 0)]),  # it ended while no daemon ran
        ((), [("unknown", 0), ("down", 0)]),  # it was removed from the configuration
    ],
)
async def test_a_restart_in_a_maintenance_takes_it_up_again(
    autojump_clock: trio.testing.MockClock, present: tuple[Maintenance, ...], expected: list[tuple[str, float]]
) -> None:
    down = Standing(State.DOWN, at(-200), State.DOWN, flips=3)
    past = decode_standing(encode_standing(down.held(State.MAINTENANCE, at(-100)))).interrupted(at(-50))
    flips, _ = await flips_of(((0, 400),), *present, standing=past, until=100)
    moments = [(str(flip.state), round((flip.at - START).total_seconds() / 10) * 10) for flip in flips]
    assert moments == expected


async def test_other_windows_hold_from_the_moment_on_at_which_they_are_taken(
    autojump_clock: trio.testing.MockClock,
) -> None:
    context = a_checker(lambda target: Site(target, ()))
    keeper = MaintenanceKeeper(context.holds, context.clock.wall)
    own = a_target("Own", alerts=TargetAlerts(maintenance=(window(10, 60),)))
    async with trio.open_nursery() as nursery:
        both = {"Own": own, "Other": a_target("Other")}
        await keeper.take(both, ())
        nursery.start_soon(keeper.run)
        await trio.sleep(20)
        assert {name: hold.since for name, hold in context.holds.by_name.items()} == {"Own": at(10)}
        await keeper.take(both, [window(0, 30)])
        assert {name: hold.since for name, hold in context.holds.by_name.items()} == {"Own": at(10), "Other": at(20)}
        await trio.sleep(20)
        assert set(context.holds.by_name) == {"Own"}
        await keeper.take({"Other": both["Other"]}, ())
        assert not context.holds.by_name
        nursery.cancel_scope.cancel()


def test_the_windows_of_a_hundred_thousand_targets_are_one_where_they_are_equal() -> None:
    alerts = TargetAlerts(maintenance=(window(10, 60),))
    plan = MaintenancePlan([window(10, 60)])
    for number in range(1000):
        plan.add(a_target(str(number), alerts=alerts))
    assert list(plan.windows) == [window(10, 60)]
    assert set(plan.names_of(window(10, 60))) == set(plan.targets)
