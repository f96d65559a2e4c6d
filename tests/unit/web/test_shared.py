"""Shared answers: how often they are computed, whatever happens to the clients."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
import trio
from starlette.requests import Request
from starlette.responses import Response

from watcher.web.serving.few import BusyError, Few
from watcher.web.serving.shared import MAX_ANSWER_BYTES, MAX_KEPT, SEND_BYTES, SHARED_SECONDS, Answer, Shared

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

VIEWERS = 500


class Work:
    """An expensive answer: it counts its starts, and ends when the test allows it."""

    def __init__(self, body: bytes = b"done", fails_with: Exception | None = None) -> None:
        self.begun = 0
        self.may_end = trio.Event()
        self.answer = Answer(200, (), body)
        self.fails_with = fails_with

    async def __call__(self) -> Answer:
        self.begun += 1
        await self.may_end.wait()
        if self.fails_with is not None:
            raise self.fails_with
        return self.answer


async def ask(shared: Shared, work: Callable[[], Awaitable[Answer]], got: list[object], key: object = "same") -> None:
    try:
        got.append((await shared.answer(key, work)).body)
    except (LookupError, BusyError) as error:
        got.append(type(error))


@pytest.mark.parametrize(("fails_with", "told"), [(None, b"done"), (LookupError(), LookupError)])
async def test_many_who_ask_at_once_have_it_computed_once(fails_with: Exception | None, told: object) -> None:
    shared, work, got = Shared(), Work(fails_with=fails_with), list[object]()
    async with trio.open_nursery() as nursery:
        for _ in range(VIEWERS):
            nursery.start_soon(ask, shared, work, got)
        await trio.testing.wait_all_tasks_blocked()
        work.may_end.set()
    assert got == [told] * VIEWERS
    assert work.begun == 1


async def test_a_cancelled_computation_is_taken_over_by_the_next_client() -> None:
    shared, work, got = Shared(), Work(), list[object]()
    async with trio.open_nursery() as nursery:
        scopes = [trio.CancelScope() for _ in range(3)]

        async def ask_in(scope: trio.CancelScope) -> None:
            with scope:
                await ask(shared, work, got)

        for scope in scopes:
            nursery.start_soon(ask_in, scope)
            await trio.testing.wait_all_tasks_blocked()
        for number, scope in enumerate(scopes[:2], 2):
            scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert work.begun == number
        work.may_end.set()
    assert got == [b"done"]


async def test_an_answer_is_good_for_its_time_and_no_longer() -> None:
    now, got, work = 100.0, list[object](), Work()
    work.may_end.set()
    shared = Shared(clock=lambda: now)
    for seconds, begun in ((0, 1), (SHARED_SECONDS / 2, 1), (SHARED_SECONDS, 2)):
        now = 100.0 + seconds
        await ask(shared, work, got)
        assert work.begun == begun
    await ask(shared, work, got, "another")
    assert work.begun == 3


async def test_cached_answers_are_bounded_in_number_and_bytes() -> None:
    shared, got = Shared(clock=lambda: 0.0), list[object]()
    small, large, too_large = Work(), Work(b"x" * MAX_ANSWER_BYTES), Work(b"x" * (MAX_ANSWER_BYTES + 1))
    for work in (small, large, too_large):
        work.may_end.set()
    for key in range(MAX_KEPT + 1):
        await ask(shared, small, got, key)
    await ask(shared, small, got, MAX_KEPT)  # is kept
    await ask(shared, small, got, 0)  # has made room
    assert small.begun == MAX_KEPT + 2
    for key in (*range(5), 4, 0):
        await ask(shared, large, got, ("large", key))
    assert large.begun == 6
    for _ in range(2):
        await ask(shared, too_large, got, "too large")
    assert too_large.begun == 2


async def test_only_a_few_are_computed_at_once_and_others_are_refused() -> None:
    shared, work, got = Shared(Few(2, in_wait=1, wait_seconds=60)), Work(), list[object]()
    async with trio.open_nursery() as nursery:
        for key in range(5):
            nursery.start_soon(ask, shared, work, got, key)
        await trio.testing.wait_all_tasks_blocked()
        assert (work.begun, got) == (2, [BusyError, BusyError])
        work.may_end.set()
    assert got[2:] == [b"done"] * 3


async def test_turns_do_not_come_too_late(autojump_clock: trio.testing.MockClock) -> None:
    few = Few(1, in_wait=1, wait_seconds=2)
    async with few.turn():
        with pytest.raises(BusyError):
            async with few.turn():
                pass
        assert autojump_clock.current_time() == 2
    async with few.turn():
        pass


async def sent_by(shared: Shared, compute: Callable[[], Awaitable[Response]], **scope: Any) -> list[Any]:
    sent = list[Any]()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], **scope}
    response = await shared.response(Request(scope), compute)
    await response(scope, trio.sleep_forever, send)
    return sent


async def test_private_answers_are_never_shared_with_the_public_and_gzip_only_if_accepted() -> None:
    shared, calls = Shared(), 0
    text = "ä".encode() * SEND_BYTES

    async def compute() -> Response:
        nonlocal calls
        calls += 1
        return Response(text, headers={"etag": '"1"'})

    for number, scope in enumerate(({"state": {"sees_all": True}}, {"state": {"sees_all": False}}), 1):
        for accepted in (b"br, gzip", b"identity"):
            start, *pieces = await sent_by(shared, compute, headers=[(b"accept-encoding", accepted)], **scope)
            is_gzip = accepted != b"identity"
            assert calls == number
            headers, body = dict(start["headers"]), b"".join(piece["body"] for piece in pieces)
            assert int(headers[b"content-length"]) == len(body)
            assert [piece["more_body"] for piece in pieces] == [True] * (len(pieces) - 1) + [False]
            assert (gzip.decompress(body) if is_gzip else body) == text
            assert headers[b"etag"] == (b'W/"1"' if is_gzip else b'"1"')
            assert len(pieces) == (1 if is_gzip else 2)
