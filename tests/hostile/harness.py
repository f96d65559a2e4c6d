"""How a case is served and checked, and the measurements."""

from __future__ import annotations

import os
import re
import socket
import time
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import re2
import trio

from tests.hostile.case import SUCCESS, Case
from tests.hostile.servers import Encryption, never_accepting, refusing, serving
from watcher.checking.check import check_now
from watcher.checking.check_context import CheckContext, open_check_context
from watcher.checking.http.resolver import Resolver
from watcher.model.target import Expectations, Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.hostile.certificates import Certificates
    from watcher.model.outcome import Outcome

# Beyond the deadline of a check; the tests' own server works in the same loop.
GRACE_SECONDS = 0.1
TICK_SECONDS = 0.005
# The effect of the checks on a measurement is there each time; the machine's, now and then.
TRIES = 4
# A check during a pause of the machine may have any result.
DISTURBANCE_SECONDS = 0.1
MAX_WORKERS = 100


def local_lookup(host: str, port: int, **_: Any) -> list[Any]:
    """Look up a name on this machine only; no test asks the network."""
    if host != "localhost":
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]


def opened_checker() -> AbstractAsyncContextManager[CheckContext]:
    """Open the resources of checks."""
    return open_check_context(MAX_WORKERS, resolver=Resolver(lookup=local_lookup))


async def checked(target: Target, context: CheckContext) -> Outcome:
    """Check once."""
    return (await check_now(target, context)).outcome


async def complaint_about_check(case: Case, target: Target, context: CheckContext) -> str | None:
    """Check, and return the difference from what a case expects, if the machine did not cause it; else None."""
    complaint: str | None = None
    for _ in range(TRIES):
        started, waited_before = time.perf_counter(), waited_for_cpu_seconds()
        async with watching_for_stalls() as stalls:
            outcome = await checked(target, context)
            waited_seconds = waited_for_cpu_seconds() - waited_before
            took_seconds = time.perf_counter() - started
        complaint = complaint_about(case, outcome, waited_seconds)
        if complaint is None and took_seconds > case.timeout_seconds + GRACE_SECONDS + waited_seconds:
            complaint = f"took {took_seconds:.3f} s of {case.timeout_seconds:g} in all"
        if complaint is None or max(waited_seconds, stalls.longest_seconds) < DISTURBANCE_SECONDS:
            break
    return complaint


def serving_case(case: Case, certificates: Certificates | None) -> AbstractAsyncContextManager[int]:
    """Serve a case; yields the port.

    Args:
        case: the case to serve.
        certificates: None if the case needs none.
    """
    if case.listening == "refusing":
        return refusing()
    if case.listening == "never accepting":
        return never_accepting()
    encryption = None
    if case.tls is not None:
        assert certificates is not None
        encryption = Encryption(case.tls(certificates), case.tls_byte_seconds, case.plain_too)
    return serving(case.behaviour, encryption)


def target_of(case: Case, port: int, ca_file: str | None) -> Target:
    """Return the target of a case whose server listens on a port; `ca_file` is trusted."""
    address = case.address_on(port)
    return Target(
        name=case.name,
        address=address,
        shown_address=address,
        interval_seconds=60,
        timeout_seconds=case.timeout_seconds,
        sending=case.sending,
        connecting=replace(case.connecting, tls=replace(case.connecting.tls, ca_file=ca_file)),
        expected=Expectations(body_matches=() if case.body_matches is None else (re2.compile(case.body_matches),)),
    )


def complaint_about(case: Case, outcome: Outcome, waited_seconds: float = 0.0) -> str | None:
    """Return the difference between an outcome and what a case expects, or None.

    Args:
        case: the case that was served.
        outcome: the outcome of its check.
        waited_seconds: how long the check had to wait for a processor, which is not its fault.
    """
    fault = outcome.fault
    reason = SUCCESS if fault is None else fault.reason.value
    detail = "" if fault is None else fault.detail
    if reason not in case.reasons:
        return f"expected {case.expected}, and it was {reason}: {detail} (status {outcome.status_code})"
    if fault is not None and not detail:
        return "nobody is told why"
    if fault is not None and not re.search(case.detail, detail):
        return f"{detail!r} does not say {case.detail!r}"
    if outcome.status_code not in case.final_status_codes:
        return f"status {outcome.status_code} instead of {case.final_status_codes}"
    if fault is None and case.http_version is not None and outcome.http_version != case.http_version:
        return f"HTTP/{outcome.http_version}"
    # The check must find out by itself, before the deadline.
    limit = case.timeout_seconds + (GRACE_SECONDS if case.waits else 0)
    if outcome.duration_seconds > limit + waited_seconds:
        return f"took {outcome.duration_seconds:.3f} s of {case.timeout_seconds:g}"
    return None


def open_descriptors() -> dict[str, str]:
    """List the open files of this process, by descriptor."""
    held = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # Path.iterdir's own descriptor may stay open
        with suppress(FileNotFoundError):  # the descriptor of the listing itself
            held[name] = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
    return held


def open_connections() -> set[tuple[int, int]]:
    """List the connections of this process, by descriptor and port of the other side."""
    connections = psutil.Process().net_connections("tcp4")
    return {(connection.fd, connection.raddr.port) for connection in connections if connection.raddr}


def begin_of_peak() -> int:
    """Reset the peak memory of this process, and return its present memory, in bytes (proc(5))."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory_bytes("VmRSS")


def peak_since(begin: int) -> int:
    """Return by how many bytes this process's peak memory has exceeded the start since."""
    return _memory_bytes("VmHWM") - begin


def _memory_bytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def waited_for_cpu_seconds(thread: int | str = "thread-self") -> float:
    """Return how long a ready thread had to wait for a processor (proc(5)); 0 if the system does not count it.

    Args:
        thread: its id; the first thread's is that of its process; the current one by default.
    """
    with suppress(OSError):
        return int(Path(f"/proc/{thread}/schedstat").read_text().split()[1]) / 1e9
    return 0.0


class Stalls:
    """The longest time without a turn of the loop.

    Attributes:
        longest_seconds: by the clock, without the time that it waited for a processor.
        longest_busy_seconds: the processor time of the loop meanwhile.
    """

    def __init__(self) -> None:
        """Start with none."""
        self.longest_seconds = self.longest_busy_seconds = 0.0
        self._begin = self._now()

    async def watch(self) -> None:
        """Tick until cancelled."""
        while True:
            self._begin = self._now()
            await trio.sleep(TICK_SECONDS)
            self.note()

    def note(self) -> None:
        """Record the time since the last tick."""
        seconds, busy_seconds = (now - begin for now, begin in zip(self._now(), self._begin, strict=True))
        self.longest_seconds = max(self.longest_seconds, seconds - TICK_SECONDS)
        self.longest_busy_seconds = max(self.longest_busy_seconds, busy_seconds)

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter() - waited_for_cpu_seconds(), time.thread_time()


@asynccontextmanager
async def watching_for_stalls() -> AsyncIterator[Stalls]:
    """Measure how long the loop of this run stands still inside the block."""
    stalls = Stalls()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stalls.watch)
        yield stalls
        stalls.note()  # one that has just ended is counted as well
        nursery.cancel_scope.cancel()
