"""Names whose servers never answer delay no other name."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.doubles import a_target
from tests.hostile.harness import MAX_WORKERS, TRIES, checked
from tests.hostile.servers import response, saying, serving
from watcher.checking.check_context import open_check_context
from watcher.checking.http.resolver import Resolver
from watcher.model.outcome import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.checking.check_context import CheckContext
    from watcher.model.outcome import Outcome

HANGING = 60
# Beyond the duration of a check on any machine.
NEVER_SECONDS = 30.0
SHORT_SECONDS = 0.2


class Names:
    """Names; those that start with `hanging` get no answer before the end of the test."""

    def __init__(self) -> None:
        """Start without lookups."""
        self.asked = threading.Semaphore(0)
        self.released = threading.Event()

    def lookup(self, host: str, port: int, **_: Any) -> list[Any]:
        """Look up, as `socket.getaddrinfo` does."""
        if host.startswith("hanging"):
            self.asked.release()
            self.released.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]


@pytest.fixture
def names() -> Iterator[Names]:
    names = Names()
    yield names
    names.released.set()


async def test_sixty_names_that_hang_do_not_hold_up_a_healthy_one(names: Names) -> None:
    ended: list[Outcome] = []
    async with (
        serving(saying(response())) as port,
        open_check_context(MAX_WORKERS, resolver=Resolver(lookup=names.lookup)) as context,
        trio.open_nursery() as nursery,
    ):
        for number in range(HANGING):
            nursery.start_soon(_check_hanging, number, NEVER_SECONDS, context, ended)
        for _ in range(HANGING):
            await trio.to_thread.run_sync(names.asked.acquire)
        healthy = a_target(address=f"http://healthy.test:{port}/", timeout_seconds=NEVER_SECONDS / 2)
        assert (await checked(healthy, context)).ok
        assert ended == []
        nursery.cancel_scope.cancel()


async def test_a_check_does_not_wait_for_a_name_beyond_its_deadline(names: Names) -> None:
    for _ in range(TRIES):
        ended: list[Outcome] = []
        async with (
            open_check_context(MAX_WORKERS, resolver=Resolver(lookup=names.lookup)) as context,
            trio.open_nursery() as nursery,
        ):
            for number in range(HANGING):
                nursery.start_soon(_check_hanging, number, SHORT_SECONDS, context, ended)
        reasons = [outcome.fault.reason for outcome in ended if outcome.fault is not None]
        if Reason.LOCAL not in reasons:  # which is the fault of a paused machine
            break
    assert reasons == [Reason.TIMEOUT] * HANGING


async def _check_hanging(number: int, timeout_seconds: float, context: CheckContext, ended: list[Outcome]) -> None:
    target = a_target(f"hanging {number}", address=f"http://hanging{number}.test/", timeout_seconds=timeout_seconds)
    ended.append(await checked(target, context))
