"""How many turns of the loop other tasks get, counted."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import trio

from tests.unit.web.turns import Turns
from tests.unit.web.viewers import get, rest_of, serving
from watcher.web.serving.turns import PORTION_SECONDS, READS_A_TURN, Doorway, in_turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

    from starlette.types import Receive, Scope, Send

    from watcher.web.serving.server import Server

VIEWERS = 60


@pytest.fixture
async def turns() -> AsyncIterator[Turns]:
    counting = Turns()
    trio.lowlevel.add_instrument(counting)
    yield counting
    trio.lowlevel.remove_instrument(counting)


async def test_however_many_come_at_once_few_are_let_in_each_turn(turns: Turns) -> None:
    doorway, let_in = Doorway(), list[int]()

    async def come(number: int) -> None:
        await doorway.pass_through()
        let_in.append(turns.now)
        if number % 2:
            await doorway.pass_through()
            let_in.append(turns.now)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(doorway.run)
        async with trio.open_nursery() as viewers:
            for number in range(VIEWERS):
                viewers.start_soon(come, number)
            gone = trio.CancelScope()
            viewers.start_soon(_come_and_go, doorway, gone)
            gone.cancel()
        nursery.cancel_scope.cancel()
    assert len(let_in) == VIEWERS * 3 // 2
    assert max(map(let_in.count, let_in)) <= READS_A_TURN


async def _come_and_go(doorway: Doorway, scope: trio.CancelScope) -> None:
    with scope:
        await doorway.pass_through()


async def test_many_requests_at_once_are_answered_over_many_turns(turns: Turns) -> None:
    """The order of magnitude: a step of the loop has few of them, whatever a viewer does."""
    answered = list[int]()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        answered.append(turns.now)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with serving(app) as (server, port):
        viewers = [socket.create_connection(("127.0.0.1", port)) for _ in range(VIEWERS)]
        await until_served(server, VIEWERS)
        for viewer in viewers:  # no turn of the loop between them
            viewer.sendall(get("/").encode())
        for viewer in viewers:
            async with trio.SocketStream(trio.socket.from_stdlib_socket(viewer)) as stream:
                await rest_of(stream)
    assert len(answered) == VIEWERS
    assert max(map(answered.count, answered)) <= 2 * READS_A_TURN


async def until_served(server: Server, connections: int) -> None:
    while server.open_connections.total() < connections:  # noqa: ASYNC110
        await trio.sleep(0.01)


async def test_a_long_task_takes_one_portion_per_turn(autojump_clock: trio.testing.MockClock, turns: Turns) -> None:
    turn, portions, checks = trio.Lock(), list[int](), list[int]()

    def steps(number: int) -> Generator[None, None, str]:
        for _ in range(number):
            portions.append(turns.now)
            autojump_clock.jump(PORTION_SECONDS)
            yield
        return "done"

    async def work() -> None:
        assert await in_turns(steps(50), turn) == "done"

    async def check() -> None:
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        checks.append(len(portions))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(work)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(check)
    assert (len(portions), len(set(portions))) == (150, 150)
    assert checks[0] < 5, "what has much to do goes first"
