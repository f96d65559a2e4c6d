"""Exchanges with real sockets that the hostile servers have no case for."""

from __future__ import annotations

import os
import random
import resource
from contextlib import suppress
from dataclasses import replace

import re2
import trio

from tests.doubles import a_target
from tests.integration.sites import answering, read_request, response, serving
from watcher.checking.check import Report, check_now
from watcher.checking.checker import open_checker
from watcher.model.outcome import Fault, Reason
from watcher.model.target import Expectations, Target

MEGABYTE = 1024 * 1024


async def report_of(target: Target) -> Report:
    """Check a target once, with all that the daemon has."""
    async with open_checker(max_workers=10) as checker:
        return await check_now(target, checker)


async def test_a_good_response() -> None:
    raw = response(b"hello", headers="Content-Type: text/plain; charset=latin-1\r\n")
    async with serving(answering(raw)) as port:
        report = await report_of(a_target(address=f"http://127.0.0.1:{port}/"))
    exchange = report.exchange
    assert (exchange.fault, exchange.status_code, exchange.body) == (None, 200, b"hello")
    assert (exchange.http_version, exchange.charset, exchange.ip) == ("1.1", "latin-1", "127.0.0.1")
    assert (exchange.hops, exchange.chain) == ((), None)
    phases = exchange.phases
    assert (phases.resolve, phases.tls) == (None, None)
    for phase in (phases.connect, phases.processing, phases.transfer):
        assert phase is not None
        assert 0 <= phase < 5


async def test_a_redirect_is_followed_with_its_cookies() -> None:
    seen: list[bytes] = []

    async def redirect_once(stream: trio.abc.Stream) -> None:
        seen.append(await read_request(stream))
        first = response(status="302 Found", headers="Location: /final\r\nSet-Cookie: a=b\r\n")
        await stream.send_all(first if len(seen) == 1 else response(b"here"))

    async with serving(redirect_once) as port:
        report = await report_of(a_target(address=f"http://127.0.0.1:{port}/start"))
    assert (report.outcome.fault, report.exchange.body, report.outcome.redirects) == (None, b"here", 1)
    assert [request.split()[1] for request in seen] == [b"/start", b"/final"]
    assert b"cookie: a=b" in seen[1].lower()


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
            report = await report_of(a_target(address=f"http://user:s3cret@127.0.0.1:{port}/"))
    assert report.outcome.ok
    assert b"\r\nAuthorization: Basic " in seen[0]
    assert b"uthorization" not in seen[1]


async def test_no_descriptors_left_is_this_machines_fault() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    async with open_checker(max_workers=10) as checker:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        try:
            with suppress(OSError):  # "Too many open files", in the end
                while True:
                    taken.append(os.open(os.devnull, os.O_RDONLY))
            report = await check_now(a_target(address="http://127.0.0.1:1/"), checker)
        finally:
            for descriptor in taken:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert report.outcome.fault == Fault(Reason.LOCAL, "this machine cannot connect: Too many open files")
    assert report.outcome.attempts == 2, "it was not tried again"


async def test_a_pattern_that_is_slow_on_a_large_body_stalls_nothing() -> None:
    slow = Expectations(body_matches=(re2.compile(b"(a|b)*a(a|b){300}c"),))
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
        target = a_target(timeout_seconds=0.7, expected=slow)
        report = await report_of(replace(target, address=f"http://127.0.0.1:{port}/"))
        nursery.cancel_scope.cancel()
    assert report.outcome.fault == Fault(Reason.TIMEOUT, "no answer within 0.7 s: cut off while matching the body")
    assert report.outcome.duration_seconds < 1
    assert longest_stall < 0.5, "it took seconds, and all of them in the loop"
