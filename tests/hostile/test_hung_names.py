"""Names whose servers never answer hold up no name but their own."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import trio

from tests.doubles import a_target
from tests.hostile.harness import GRACE_SECONDS, MAX_WORKERS, TRIES, checked, waited_for_cpu_seconds
from tests.hostile.servers import response, saying, serving
from watcher.checking.check_context import open_check_context
from watcher.checking.http.resolver import Resolver
from watcher.model.outcome import Reason

if TYPE_CHECKING:
    from watcher.model.outcome import Outcome

HANGING = 60
TIMEOUT_SECONDS = 1.0
MAX_COST_SECONDS = 0.1


async def test_sixty_names_that_hang_cost_a_healthy_one_nothing() -> None:
    for _ in range(TRIES):
        alone, among_them, hanging, waited_seconds = await _outcomes()
        assert alone.ok
        assert among_them.ok
        cost_seconds = among_them.duration_seconds - alone.duration_seconds
        late_seconds = max(outcome.duration_seconds for outcome in hanging) - TIMEOUT_SECONDS
        reasons = [outcome.fault.reason for outcome in hanging if outcome.fault]
        if max(cost_seconds, late_seconds) < waited_seconds + MAX_COST_SECONDS and Reason.LOCAL not in reasons:
            break
    assert cost_seconds < waited_seconds + MAX_COST_SECONDS
    assert reasons == [Reason.TIMEOUT] * HANGING
    assert late_seconds < waited_seconds + GRACE_SECONDS


async def _outcomes() -> tuple[Outcome, Outcome, list[Outcome], float]:
    """Check a healthy name alone and among those that hang, and these; the number is of seconds without a processor."""
    released, asked = threading.Event(), threading.Semaphore(0)

    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        if host.startswith("hanging"):
            asked.release()
            released.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    outcomes = []
    try:
        async with (
            serving(saying(response())) as port,
            open_check_context(MAX_WORKERS, resolver=Resolver(lookup=lookup)) as context,
        ):
            healthy = a_target("healthy", address=f"http://healthy.test:{port}/", timeout_seconds=20.0)
            alone = await checked(healthy, context)

            async def check_hanging(n: int) -> None:
                address = f"http://hanging{n}.test/"
                target = a_target(f"hanging {n}", address=address, timeout_seconds=TIMEOUT_SECONDS)
                outcomes.append(await checked(target, context))

            waited_before = waited_for_cpu_seconds()
            async with trio.open_nursery() as nursery:
                for n in range(HANGING):
                    nursery.start_soon(check_hanging, n)
                for _ in range(HANGING):
                    await trio.to_thread.run_sync(asked.acquire)
                among_them = await checked(healthy, context)
            return alone, among_them, outcomes, waited_for_cpu_seconds() - waited_before
    finally:
        released.set()
