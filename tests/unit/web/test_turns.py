"""Turns: how many of them others have, counted."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import trio

from tests.unit.web.viewers import get, rest_of, serving
from watcher.web.serving.turns import PORTION_SECONDS, READS_A_TURN, Doorway, in_turns

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.types import Receive, Scope, Send

    from watcher.web.serving.server import Server

VIEWERS = 60


async def test_however_many_come_at_once_few_are_let_in_each_turn() -> None:
    doorway, now, turns = Doorway(), 0, list[int]()

    async def count() -> None:
        nonlocal now
        while True:
            now += 1
            await trio.lowlevel.checkpoint()

    async def come(number: int) -> None:
        await doorway.pass_through()
        turns.append(now)
        if number % 2:
            await doorway.pass_through()
            turns.append(now)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(doorway.run)
        nursery.start_soon(count)
        async with trio.open_nursery() as viewers:
            for number in range(VIEWERS):
                viewers.start_soon(come, number)
            gone = trio.CancelScope()
            viewers.start_soon(_come_and_go, doorway, gone)
            gone.cancel()
        nursery.cancel_scope.cancel()
    assert len(turns) == VIEWERS * 3 // 2
    # What is let in and comes again may do so within the turn in which others are let in.
    assert max(turns.count(turn) for turn in turns) <= 2 * READS_A_TURN


async def _come_and_go(doorway: Doorway, scope: trio.CancelScope) -> None:
    with scope:
        await doorway.pass_through()


async def test_many_requests_at_once_are_answered_over_many_turns() -> None:
    """The order of the magnitude: a turn of the loop has few of them, whatever a viewer does."""
    now, turns = 0, list[int]()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        turns.append(now)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def count() -> None:
        nonlocal now
        while True:
            now += 1
            await trio.lowlevel.checkpoint()

    async with serving(app) as (server, port), trio.open_nursery() as nursery:
        viewers = [socket.create_connection(("127.0.0.1", port)) for _ in range(VIEWERS)]
        await until_served(server, VIEWERS)
        for viewer in viewers:  # no turn of the loop between them
            viewer.sendall(get("/").encode())
        nursery.start_soon(count)
        for viewer in viewers:
            async with trio.SocketStream(trio.socket.from_stdlib_socket(viewer)) as stream:
                await rest_of(stream)
        nursery.cancel_scope.cancel()
    assert len(turns) == VIEWERS
    assert max(turns.count(turn) for turn in turns) <= 2 * READS_A_TURN


async def until_served(server: Server, connections: int) -> None:
    while server.open_connections.total() < connections:  # noqa: ASYNC110
        await trio.sleep(0.01)


async def test_of_all_that_takes_long_a_turn_has_one_portion(autojump_clock: trio.testing.MockClock) -> None:
    turn, now, turns, done = trio.Lock(), 0, list[int](), 0

    def steps(number: int) -> Generator[None, None, str]:
        for _ in range(number):
            turns.append(now)
            autojump_clock.jump(PORTION_SECONDS)
            yield
        return "done"

    async def work() -> None:
        nonlocal done
        assert await in_turns(steps(50), turn) == "done"
        done += 1

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(work)
        while done < 3:
            now += 1
            await trio.lowlevel.checkpoint()
    assert len(turns) == 150
    # This counter may come first in one turn and last in the next: two portions between are in two turns.
    assert max(turns.count(turn) for turn in turns) <= 2
