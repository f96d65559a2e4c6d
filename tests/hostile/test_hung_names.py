"""Names whose servers never answer hold up no name but their own."""

from __future__ import annotations

import socket
import threading
from typing import Any

import trio

from tests.doubles import a_target
from tests.hostile.harness import MAX_WORKERS, checked
from tests.hostile.servers import response, saying, serving
from watcher.checking.checker import open_checker
from watcher.checking.resolver import Resolver
from watcher.model.outcome import Reason

HANGING = 60
MAX_COST_SECONDS = 0.1


async def test_sixty_names_that_hang_cost_a_healthy_one_nothing() -> None:
    released, asked = threading.Event(), threading.Semaphore(0)

    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        if host.startswith("hanging"):
            asked.release()
            released.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    hanging = [
        a_target(f"hanging {n}", address=f"http://hanging{n}.test/", timeout_seconds=1.0) for n in range(HANGING)
    ]
    outcomes = []
    try:
        async with (
            serving(saying(response())) as port,
            open_checker(MAX_WORKERS, resolver=Resolver(lookup=lookup)) as checker,
            trio.open_nursery() as nursery,
        ):
            healthy = a_target("healthy", address=f"http://healthy.test:{port}/", timeout_seconds=5.0)
            alone = await checked(healthy, checker)

            async def check_hanging(n: int) -> None:
                outcomes.append(await checked(hanging[n], checker))

            for n in range(HANGING):
                nursery.start_soon(check_hanging, n)
            for _ in range(HANGING):
                await trio.to_thread.run_sync(asked.acquire)
            among_them = await checked(healthy, checker)
    finally:
        released.set()
    assert alone.ok
    assert among_them.ok
    assert among_them.duration_seconds - alone.duration_seconds < MAX_COST_SECONDS
    assert [outcome.fault.reason for outcome in outcomes if outcome.fault] == [Reason.TIMEOUT] * HANGING
    assert all(outcome.duration_seconds < 1.1 for outcome in outcomes)
