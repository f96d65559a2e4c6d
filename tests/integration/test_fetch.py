"""One exchange against real sockets and real TLS: the right reason, by the deadline, with nothing left open."""

from __future__ import annotations

import gc
import gzip
import os
import random
import resource
import socket
import ssl
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psutil
import pytest
import re2
import trio
import trustme

from tests.doubles import a_target
from tests.integration.sites import (
    answering,
    dripping,
    endless,
    read_request,
    resetting,
    response,
    serving,
    silent,
)
from watcher.checking.fetch import BODY_LIMIT_BYTES, Exchange, fetch, make_tls_context
from watcher.checking.monitor import Checker, check
from watcher.checking.resolver import TimedResolver
from watcher.checking.schedule import Slot, SlotClock
from watcher.model.outcome import Fault, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.sites import Behaviour

TIMEOUT_SECONDS = 0.5
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


async def fetch_from(
    behaviour: Behaviour,
    *,
    path: str = "/",
    timeout_seconds: float = TIMEOUT_SECONDS,
    tls: ssl.SSLContext | None = None,
) -> Exchange:
    async with serving(behaviour) as port:
        address = f"http://127.0.0.1:{port}{path}"
        return await fetch(a_target(address=address, timeout_seconds=timeout_seconds), tls or make_tls_context())


async def test_a_good_response() -> None:
    exchange = await fetch_from(answering(response(b"hello", headers="Content-Type: text/plain; charset=latin-1\r\n")))
    assert (exchange.fault, exchange.status_code, exchange.body) == (None, 200, b"hello")
    assert (exchange.http_version, exchange.charset, exchange.ip) == ("1.1", "latin-1", "127.0.0.1")
    assert exchange.redirects == 0
    phases = exchange.phases
    assert phases.tls is None
    for phase in (phases.connect, phases.processing, phases.transfer):
        assert phase is not None
        assert 0 <= phase < TIMEOUT_SECONDS


async def test_the_time_of_the_lookup_is_told_apart() -> None:
    trio.socket.set_custom_hostname_resolver(TimedResolver(10))
    async with serving(answering(response())) as port:
        target = a_target(address=f"http://localhost:{port}/", timeout_seconds=5)
        exchange = await fetch(target, make_tls_context())
    assert exchange.fault is None
    assert exchange.phases.resolve is not None


@pytest.mark.parametrize(
    ("behaviour", "reason", "detail"),
    [
        (silent, Reason.TIMEOUT, "waiting for the response"),
        (dripping(response()), Reason.TIMEOUT, "waiting for the response"),
        (dripping(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100, 0.02), Reason.TIMEOUT, "reading the body"),
        (endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), Reason.TIMEOUT, "waiting for the response"),
        (endless(CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"), Reason.TOO_LARGE, "1048576"),
        (endless(b"HTTP/1.1 200 OK\r\n", b"X-Flood: yes\r\n" * 500), Reason.PROTOCOL, ""),
        (resetting, Reason.PROTOCOL, "reset"),
        (answering(b""), Reason.PROTOCOL, "disconnected"),
        (answering(b"garbage\r\n\r\n"), Reason.PROTOCOL, ""),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"), Reason.PROTOCOL, ""),
        (answering(CHUNKED + b"zz\r\nbroken"), Reason.PROTOCOL, ""),
        (answering(response(b"plain", headers="Content-Encoding: gzip\r\n")), Reason.PROTOCOL, "compressed"),
        (answering(response(status="302 Found", headers="Location: /again\r\n")), Reason.REDIRECT, "too many"),
        (
            answering(response(status="302 Found", headers="Location: file:///etc/passwd\r\n")),
            Reason.REDIRECT,
            "no http",
        ),
        (answering(response(status="302 Found", headers="Location: http://[::bad/\r\n")), Reason.REDIRECT, "not valid"),
        (answering(response(status="302 Found", headers="Location: http://a..b/\r\n")), Reason.REDIRECT, "not valid"),
    ],
)
async def test_a_bad_server_has_its_reason_by_the_deadline(behaviour: Behaviour, reason: Reason, detail: str) -> None:
    # Time enough for a busy machine where it is not the deadline that decides.
    timeout_seconds = TIMEOUT_SECONDS if reason == Reason.TIMEOUT else 10
    started = trio.current_time()
    exchange = await fetch_from(behaviour, timeout_seconds=timeout_seconds)
    assert trio.current_time() - started < 5
    assert exchange.fault is not None
    assert exchange.fault.reason == reason, exchange.fault
    assert detail in exchange.fault.detail


async def test_a_gzip_bomb_costs_little_memory() -> None:
    bomb = gzip.compress(bytes(300 * MEGABYTE), compresslevel=1)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    exchange = await fetch_from(answering(response(bomb, headers="Content-Encoding: gzip\r\n")), timeout_seconds=5)
    assert exchange.fault == Fault(Reason.TOO_LARGE, f"the body has more than {BODY_LIMIT_BYTES} bytes")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 50 * 1024


async def test_a_redirect_is_followed_and_its_body_is_not_read() -> None:
    bomb = gzip.compress(bytes(300 * MEGABYTE), compresslevel=1)
    seen: list[bytes] = []

    async def redirect_once(stream: trio.abc.Stream) -> None:
        seen.append(await read_request(stream))
        headers = "Location: /final\r\nSet-Cookie: a=b\r\nContent-Encoding: gzip\r\n"
        first = response(bomb, status="302 Found", headers=headers)
        await stream.send_all(first if len(seen) == 1 else response(b"here"))

    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    exchange = await fetch_from(redirect_once, path="/start", timeout_seconds=5)
    assert (exchange.fault, exchange.body, exchange.redirects) == (None, b"here", 1)
    assert [request.split()[1] for request in seen] == [b"/start", b"/final"]
    assert b"Cookie: a=b" in seen[1]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 50 * 1024


async def test_credentials_stay_with_their_origin() -> None:
    seen: list[bytes] = []

    async def other(stream: trio.abc.Stream) -> None:
        seen.append(await read_request(stream))
        await stream.send_all(response())

    async with serving(other) as other_port:
        location = f"Location: http://127.0.0.1:{other_port}/\r\n"

        async def first(stream: trio.abc.Stream) -> None:
            seen.append(await read_request(stream))
            await stream.send_all(response(status="302 Found", headers=location))

        async with serving(first) as port:
            target = a_target(address=f"http://user:s3cret@127.0.0.1:{port}/", timeout_seconds=5)
            exchange = await fetch(target, make_tls_context())
    assert exchange.fault is None
    assert b"\r\nAuthorization: Basic " in seen[0]
    assert b"uthorization" not in seen[1]


async def test_refused_and_unresolvable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    refused = await fetch(a_target(address=f"http://127.0.0.1:{port}/"), make_tls_context())
    assert refused.fault == Fault(Reason.CONNECT, "cannot connect: Connection refused")
    unknown = await fetch(a_target(address="http://no-such-name.invalid/"), make_tls_context())
    assert unknown.fault is not None
    assert unknown.fault.reason == Reason.DNS


async def test_tls(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    good = server_context(authority.issue_cert("localhost", "127.0.0.1"))
    async with serving(answering(response()), good) as port:
        exchange = await fetch(a_target(address=f"https://localhost:{port}/", timeout_seconds=5), trusting)
    assert exchange.fault is None
    assert exchange.phases.tls is not None


LONG_AGO, YESTERDAY, TOMORROW = (datetime.now(UTC) + timedelta(days=days) for days in (-100, -1, 1))


@pytest.mark.parametrize(
    ("host", "begin", "end", "detail"),
    [
        ("localhost", LONG_AGO, YESTERDAY, "has expired"),
        ("localhost", TOMORROW, None, "not yet valid"),
        ("other.example", None, None, "for another host"),
    ],
)
async def test_a_bad_certificate_is_named(
    authority: trustme.CA,
    trusting: ssl.SSLContext,
    host: str,
    begin: datetime | None,
    end: datetime | None,
    detail: str,
) -> None:
    bad = server_context(authority.issue_cert(host, not_before=begin, not_after=end))
    async with serving(answering(response()), bad) as port:
        exchange = await fetch(a_target(address=f"https://localhost:{port}/", timeout_seconds=5), trusting)
    assert exchange.fault is not None
    assert exchange.fault.reason == Reason.TLS
    assert detail in exchange.fault.detail


async def test_an_authority_that_is_not_trusted(trusting: ssl.SSLContext) -> None:
    stranger = server_context(trustme.CA().issue_cert("localhost"))
    async with serving(answering(response()), stranger) as port:
        exchange = await fetch(a_target(address=f"https://localhost:{port}/", timeout_seconds=5), trusting)
    assert exchange.fault is not None
    assert (exchange.fault.reason, "not trusted" in exchange.fault.detail) == (Reason.TLS, True)


async def test_plain_http_on_the_tls_port(trusting: ssl.SSLContext) -> None:
    async def answer_at_once(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(answer_at_once) as port:
        exchange = await fetch(a_target(address=f"https://localhost:{port}/", timeout_seconds=5), trusting)
    assert exchange.fault == Fault(Reason.TLS, "the server does not speak TLS on this port")


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_checks_that_are_cut_off_leave_no_descriptor_open(scheme: str, trusting: ssl.SSLContext) -> None:
    async with serving(silent) as port:
        target = a_target(address=f"{scheme}://127.0.0.1:{port}/", timeout_seconds=0.02)
        for _ in range(50):
            exchange = await fetch(target, trusting)
            assert exchange.fault is not None
            assert exchange.fault.reason == Reason.TIMEOUT
        own = [c for c in psutil.Process().net_connections("tcp") if c.raddr and c.raddr.port == port]
        assert own == []


async def test_no_descriptors_left_is_this_machines_fault() -> None:
    context = make_tls_context()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        with suppress(OSError):  # "Too many open files", in the end
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        exchange = await fetch(a_target(address="http://127.0.0.1:1/"), context)
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert exchange.fault is not None
    assert exchange.fault.reason == Reason.LOCAL


@pytest.fixture
async def checker() -> Checker:
    return Checker(
        clock=SlotClock(trio.current_time, trio.current_time),
        workers=trio.CapacityLimiter(10),
        tls_context=make_tls_context(),
        location="default",
        matching_threads=trio.CapacityLimiter(1),
    )


async def test_a_pattern_that_is_slow_on_a_large_body_stalls_nothing(checker: Checker) -> None:
    slow = a_target(regex=re2.compile(b"(a|b)*a(a|b){300}c"), timeout_seconds=0.7)
    body = bytes(random.Random(1).choices(b"ab", k=MEGABYTE - 1))
    longest_stall = 0.0

    async def watch_for_stalls() -> None:
        nonlocal longest_stall
        while True:
            before = trio.current_time()
            await trio.sleep(0.005)
            longest_stall = max(longest_stall, trio.current_time() - before - 0.005)

    async with serving(answering(response(body))) as port, trio.open_nursery() as nursery:
        nursery.start_soon(watch_for_stalls)
        outcome = await check(replace(slow, address=f"http://127.0.0.1:{port}/"), Slot(0.0), checker)
        nursery.cancel_scope.cancel()
    assert outcome.fault == Fault(Reason.TIMEOUT, "no answer within 0.7 s: cut off while matching the body")
    assert outcome.duration_seconds < 1
    assert longest_stall < 1, "it took seconds, and all of them in the loop"
