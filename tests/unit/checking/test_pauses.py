"""Detects that the loop stood still."""

import trio
import trio.testing

from watcher.checking.scheduling.pauses import BEAT_SECONDS, PAUSE_SECONDS, Pauses


class Steps(trio.abc.Instrument):
    """Counts the steps of all tasks."""

    def __init__(self) -> None:
        self.count = 0

    def before_task_step(self, _task: trio.lowlevel.Task) -> None:
        self.count += 1


class Suspends:
    """How long the machine was suspended."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


async def test_no_pause_is_seen_where_there_is_none(autojump_clock: trio.testing.MockClock) -> None:
    pauses = Pauses(Suspends())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pauses.run)
        began = trio.current_time()
        with pauses:
            await trio.sleep(60)
            assert not pauses.any_since(began)
        nursery.cancel_scope.cancel()


async def test_a_pause_is_seen_at_once_and_counts_for_everything_that_ran_across_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    pauses = Pauses(Suspends())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pauses.run)
        await trio.sleep(1)
        with pauses:
            began = trio.current_time()
            autojump_clock.jump(BEAT_SECONDS + PAUSE_SECONDS + 0.001)
            assert pauses.any_since(began), "before the beat itself came round"
            await trio.sleep(1)
            assert pauses.any_since(began)
            assert not pauses.any_since(trio.current_time())
        nursery.cancel_scope.cancel()


async def test_a_short_stall_is_not_a_pause(autojump_clock: trio.testing.MockClock) -> None:
    pauses = Pauses(Suspends())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pauses.run)
        await trio.sleep(1)
        with pauses:
            began = trio.current_time()
            autojump_clock.jump(PAUSE_SECONDS - 0.01)
            await trio.sleep(1)
            assert not pauses.any_since(began)
        nursery.cancel_scope.cancel()


async def test_a_suspend_is_a_pause_that_the_monotonic_clock_does_not_see(
    autojump_clock: trio.testing.MockClock,
) -> None:
    suspends = Suspends()
    pauses = Pauses(suspends)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pauses.run)
        await trio.sleep(1)
        with pauses:
            began = trio.current_time()
            await trio.sleep(0.01)
            suspends.seconds += 3600
            assert pauses.any_since(began)
            await trio.sleep(1)
            assert not pauses.any_since(trio.current_time() - 0.5)
        nursery.cancel_scope.cancel()


async def test_pauses_before_the_block_do_not_count_and_nothing_beats_between_blocks(
    autojump_clock: trio.testing.MockClock,
) -> None:
    suspends, steps = Suspends(), Steps()
    pauses = Pauses(suspends)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pauses.run)
        await trio.sleep(1)
        with pauses, pauses:
            await trio.sleep(1)
        trio.lowlevel.add_instrument(steps)
        await trio.sleep(3600)
        assert steps.count < 5
        suspends.seconds += 3600
        autojump_clock.jump(3600)
        began = trio.current_time() - 1
        with pauses:
            assert not pauses.any_since(began)
            autojump_clock.jump(BEAT_SECONDS + PAUSE_SECONDS + 0.001)
            assert pauses.any_since(began)
        nursery.cancel_scope.cancel()


async def test_who_does_not_look_sees_nothing(autojump_clock: trio.testing.MockClock) -> None:
    pauses = Pauses(Suspends())
    with pauses:
        began = trio.current_time()
        await trio.sleep(60)
        assert not pauses.any_since(began)
