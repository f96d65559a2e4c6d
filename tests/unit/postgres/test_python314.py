"""trio-asyncio on every Python: its requirements are met, and asyncio is unchanged for other code."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from _asyncio import _get_running_loop
from typing import TYPE_CHECKING

import pytest
import trio_asyncio

from watcher.postgres.bridge import open_bridge

if TYPE_CHECKING:
    from collections.abc import Callable

IMPORTED_IN_A_FRESH_PROCESS = """
import asyncio, sys
names = set(dir(asyncio)), set(dir(asyncio.events))
run = asyncio.Handle._run, asyncio.TimerHandle._run
import watcher.postgres.bridge
assert "trio_asyncio" in sys.modules
added = set(dir(asyncio)) - names[0], set(dir(asyncio.events)) - names[1]
assert added == (set(), set()), added
assert (asyncio.Handle._run, asyncio.TimerHandle._run) == run
"""


async def _use_of_asyncio() -> asyncio.AbstractEventLoop:
    """Use tasks, timers, timeouts and threads, as an asyncio-flavoured function."""
    loop = asyncio.get_running_loop()
    slept, in_a_thread = await asyncio.gather(asyncio.sleep(0, "slept"), asyncio.to_thread(str, 7))
    assert (slept, in_a_thread) == ("slept", "7")
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        task = group.create_task(asyncio.sleep(0.001, "grouped"))
    assert task.result() == "grouped"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(loop.create_future(), 0.001)
    assert asyncio.current_task() in asyncio.all_tasks()
    return loop


def test_the_import_adds_no_name_to_asyncio_and_lets_no_warning_escape() -> None:
    # 3.12 and 3.13 deprecate the child watcher that trio-asyncio derives from; see setup.cfg.
    warnings = ("-W", "error", "-W", "ignore:'AbstractChildWatcher' is deprecated:DeprecationWarning")
    subprocess.run([sys.executable, *warnings, "-c", IMPORTED_IN_A_FRESH_PROCESS], check=True, timeout=60)


def test_asyncio_runs_beside_the_bridge_as_without_it() -> None:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        loop = runner.run(_use_of_asyncio())
        assert type(loop) is asyncio.SelectorEventLoop
    assert _get_running_loop() is None


def test_the_loops_that_trio_asyncio_makes_for_asyncio_run_work() -> None:
    loop = asyncio.run(_use_of_asyncio())
    assert isinstance(loop, trio_asyncio.BaseTrioEventLoop)
    assert _get_running_loop() is None


async def test_each_of_two_bridges_is_the_running_loop_of_its_own_callbacks_only() -> None:
    seen: list[asyncio.AbstractEventLoop] = []

    def note(loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        return lambda: seen.append(_running_or(loop))

    async with open_bridge():
        outer = trio_asyncio.current_loop.get()
        async with open_bridge():
            inner = trio_asyncio.current_loop.get()
            assert await trio_asyncio.aio_as_trio(_use_of_asyncio)() is inner
            assert await trio_asyncio.aio_as_trio(_use_of_asyncio, loop=outer)() is outer
            for loop in (outer, inner, outer):
                loop.call_soon(note(loop))
                await loop.synchronize()
            assert _get_running_loop() is None
    assert seen == [outer, inner, outer]


def _running_or(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    """Return the loop that the thread's state names; before 3.14 it is never asked, and names none."""
    return _get_running_loop() or loop
