"""Checks wait after a freeze, until the database has answered."""

from __future__ import annotations

import trio
import trio.testing

from watcher.cluster.gate import LeaseGate


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_it_is_open_until_a_deadline_and_asks_once_for_another(nursery: trio.Nursery) -> None:
    clock, asked, passed = Clock(), [], []
    gate = LeaseGate(lambda: asked.append(clock.now), clock)

    async def check(name: str) -> None:
        await gate.passed()
        passed.append(name)

    gate.set_end(6.0)
    await check("before")
    clock.now = 6.0  # without a question meanwhile
    for name in ("a", "b"):
        nursery.start_soon(check, name)
    await trio.testing.wait_all_tasks_blocked()
    assert (passed, asked) == (["before"], [6.0])
    gate.set_end(6.0)  # the answer is from before the freeze
    await trio.testing.wait_all_tasks_blocked()
    assert (passed, asked) == (["before"], [6.0])
    gate.set_end(12.0)
    await trio.testing.wait_all_tasks_blocked()
    assert sorted(passed) == ["a", "b", "before"]
    clock.now = 12.0
    nursery.start_soon(check, "after")
    await trio.testing.wait_all_tasks_blocked()
    assert asked == [6.0, 12.0]
    assert not gate.is_open
