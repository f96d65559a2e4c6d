"""Events for viewers, without a server."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.doubles import MOMENT, a_target
from watcher.model.page_options import PageOptions
from watcher.model.state import Standing, State
from watcher.recording.board import MAX_CHANGED, Board
from watcher.web.access.rules import AccessRules
from watcher.web.app import app_of
from watcher.web.pages.events import BEAT_SECONDS, MAX_VIEWERS, Events
from watcher.web.present import Present
from watcher.web.standings import Standings

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from trio.testing import MockClock

GET = {"type": "http", "method": "GET"}


async def test_a_viewer_hears_of_each_change_and_a_beat_between(autojump_clock: MockClock) -> None:
    board, sent, gone = Board(), list[bytes](), trio.Event()

    async def receive() -> MutableMapping[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message.get("body", b""))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Events(Standings(board)), GET, receive, send)
        await trio.sleep(1)
        assert sent == [b"", b"event: change\ndata: 1\n\n"]
        board.place({"Checkout": Standing(State.DOWN, MOMENT)})
        await trio.sleep(1)
        assert sent[2:] == [b"event: change\ndata: 1\n\n"]
        await trio.sleep(BEAT_SECONDS + 1)
        assert sent[3:] == [b"event: beat\ndata: 1\n\n"]
        gone.set()


async def test_all_viewers_hear_of_a_change_and_of_the_next_when_the_one_who_looks_has_gone(
    autojump_clock: MockClock,
) -> None:
    board, heard = Board(), Counter[int]()
    events, gone = Events(Standings(board)), [trio.Event() for _ in range(5)]

    async def view(number: int) -> None:
        async def receive() -> MutableMapping[str, Any]:
            await gone[number].wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            heard[number] += b"change" in message.get("body", b"")

        await events(GET, receive, send)

    async with trio.open_nursery() as nursery:
        for number in range(len(gone)):
            nursery.start_soon(view, number)
        for number, who in enumerate(gone):
            await trio.sleep(2)
            heard.clear()
            board.place({"Checkout": Standing(State.DOWN, MOMENT)})
            await trio.sleep(2)
            assert heard == dict.fromkeys(range(number, len(gone)), 1)
            who.set()


@pytest.mark.parametrize("sees_all", [True, False])
async def test_the_public_gets_no_events_about_private_sites(sees_all: bool, autojump_clock: MockClock) -> None:
    names = ["Checkout", "hidden", *(f"hidden {number}" for number in range(MAX_CHANGED + 1))]
    targets = {name: a_target(name, group="shop" if name == "Checkout" else "office") for name in names}
    present = Present(targets=targets, page=PageOptions(public_groups=frozenset({"shop"})))
    app, sent = app_of(present, AccessRules(is_public=not sees_all)), list[bytes]()
    up, down = Standing(State.UP, MOMENT), Standing(State.DOWN, MOMENT)
    present.board.place(dict.fromkeys(names, up))

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message.get("body", b""))

    async def heard_after(**standings: Standing) -> int:
        sent.clear()
        present.board.place(standings)
        await trio.sleep(2)
        return len(sent)

    async with trio.open_nursery() as nursery:
        head = {"path": "/events", "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "scheme": "http"}
        nursery.start_soon(app, {**GET, **head, "query_string": b""}, trio.sleep_forever, send)
        await trio.sleep(1)
        assert await heard_after(hidden=down) == sees_all
        assert await heard_after(Checkout=down) == 1
        assert await heard_after(Checkout=up, hidden=up) == 1
        assert await heard_after(hidden=down) == sees_all
        assert await heard_after(**dict.fromkeys(names[1:], up)) == 1, "of too many, nobody knows whose they are"
        nursery.cancel_scope.cancel()


async def test_one_viewer_too_many_is_asked_to_come_later(autojump_clock: MockClock) -> None:
    events, statuses = Events(Standings(Board())), list[int]()

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    async def receive() -> MutableMapping[str, Any]:
        await trio.Event().wait()
        return {"type": "http.disconnect"}

    async with trio.open_nursery() as nursery:
        for _ in range(MAX_VIEWERS):
            nursery.start_soon(events, GET, receive, send)
        await trio.testing.wait_all_tasks_blocked()
        statuses.clear()
        await events(GET, receive, send)
        assert statuses == [503, 0]
        nursery.cancel_scope.cancel()
