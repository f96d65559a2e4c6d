"""Exchanges over real sockets for which the hostile servers have no case."""

from __future__ import annotations

import os
import random
import resource
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import re2
import trio

from tests.doubles import a_target
from tests.hostile.harness import watching_for_stalls
from tests.hostile.servers import hang, saying
from tests.hostile.servers import response as hostile_response
from tests.hostile.servers import serving as hostile_serving
from tests.integration.sites import answering, read_request, response, serving
from watcher.checking.check import CheckReport, check_now
from watcher.checking.check_context import open_check_context
from watcher.model.outcome import Fault, Reason
from watcher.model.target import Expectations, Sending, Target

if TYPE_CHECKING:
    from tests.hostile.servers import Behaviour

MEGABYTE = 1024 * 1024
TIMEOUT_SECONDS = 1.5
HANG_SECONDS = 120


async def report_of(target: Target) -> CheckReport:
    """Check a target once, with all parts of the daemon."""
    async with open_check_context(max_workers=10) as context:
        return await check_now(target, context)


@pytest.mark.smoke
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


@pytest.mark.smoke
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


ODD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=Shift_JIS\r\nContent-Type: text/html\r\n"
ODD += b"Server : x\r\nContent-Length: 6, 6\r\n\r\n" + "日本語".encode("shift_jis")


async def test_oddities_that_browsers_accept_are_notes_and_not_failures() -> None:
    seen: list[bytes] = []

    async def behave(stream: trio.abc.Stream) -> None:
        seen.append((await read_request(stream)).split()[1])
        twice = "Location: /final\r\n" * 2
        await stream.send_all(response(status="302 Found", headers=twice) if len(seen) == 1 else ODD)

    expected = Expectations(body_matches=(re2.compile("^日本語$".encode()),))
    async with serving(behave) as port:
        report = await report_of(a_target(address=f"http://127.0.0.1:{port}/", expected=expected))
    assert (report.outcome.fault, report.exchange.charset, seen) == (None, "shift_jis", [b"/", b"/final"])
    assert report.outcome.notes == (
        "the response has its Location twice",
        "the response has a space before a colon, which proxies may refuse",
        "the response has its Content-Length twice",
        "the response has its Content-Type twice",
    )


CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
IDENTITY = "the response has the transfer coding identity, which HTTP/1.1 no longer has"


@pytest.mark.parametrize(
    ("head", "body", "note"),
    [
        (
            b"Content-Length: +5\r\n",
            b"hello",
            "the response has a plus before its Content-Length, which proxies may refuse",
        ),
        (b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", b"hello", IDENTITY),
        (b"Transfer-Encoding: chunked, identity\r\n", CHUNKS, IDENTITY),
        (CHUNKED * 2, CHUNKS, "the response says twice that it is in chunks, which proxies may refuse"),
        (
            b"Content-Length: 7\r\n" + CHUNKED,
            CHUNKS,
            "the response has both a Content-Length and a Transfer-Encoding, which proxies may refuse",
        ),
        (b"@: x\r\n" + CHUNKED, CHUNKS, "the response has a header without a proper name, which proxies may refuse"),
    ],
    ids=["plus", "identity", "identity behind chunked", "chunked twice", "length and chunks", "name"],
)
async def test_each_oddity_has_its_note(head: bytes, body: bytes, note: str) -> None:
    async with serving(answering(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body)) as port:
        report = await report_of(a_target(address=f"http://127.0.0.1:{port}/"))
    assert (report.outcome.fault, report.outcome.notes, report.exchange.body) == (None, (note,), b"hello")


async def test_an_empty_line_before_the_response_is_noted() -> None:
    async with serving(answering(b"\r\n" + response())) as port:
        outcome = (await report_of(a_target(address=f"http://127.0.0.1:{port}/"))).outcome
    assert (outcome.fault, outcome.notes) == (None, ("an empty line stands before the response",))


@pytest.mark.parametrize(
    ("behaviour", "note"),
    [
        (saying(hostile_response(b"x" * 2000, "503 Busy")), "the body has more than 1000 bytes"),
        (saying(hostile_response(b"x", "503 Busy")[:-1]), "the connection was closed before the response was whole"),
        (
            saying(hostile_response(b"x", "503 Busy")[:-1], hang),
            "no answer within 0.3 s: cut off while reading the body",
        ),
        (saying(hostile_response(b"x", "503 Busy", "Content-Encoding: gzip\r\n")), "the compressed body ends too soon"),
    ],
    ids=["too large", "cut short", "hanging", "not gzip"],
)
async def test_a_status_counts_whatever_becomes_of_the_body(behaviour: Behaviour, note: str) -> None:
    target = a_target(timeout_seconds=0.3, expected=Expectations(body_limit_bytes=1000))
    async with hostile_serving(behaviour) as port:
        outcome = (await report_of(replace(target, address=f"http://127.0.0.1:{port}/"))).outcome
    assert outcome.fault == Fault(Reason.STATUS, "503 Busy")
    assert (outcome.status_code, outcome.body_bytes, outcome.notes) == (503, None, (note,))


async def test_a_requested_encoding_is_not_noted() -> None:
    raw = response(b"\x0b\x02\x80hello\x03", headers="Content-Encoding: br\r\n")
    target = a_target(sending=Sending(headers=(("Accept-Encoding", "br"),)))
    async with serving(answering(raw)) as port:
        report = await report_of(replace(target, address=f"http://127.0.0.1:{port}/"))
        unasked = await report_of(a_target(address=f"http://127.0.0.1:{port}/"))
    assert (report.exchange.body, report.outcome.notes) == (b"hello", ())
    assert unasked.outcome.notes == ('the body has the encoding "br", which was not asked for',)


async def test_no_descriptors_left_is_this_machines_fault() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    async with open_check_context(max_workers=10) as context:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        try:
            with suppress(OSError):  # "Too many open files", in the end
                while True:
                    taken.append(os.open(os.devnull, os.O_RDONLY))
            report = await check_now(a_target(address="http://127.0.0.1:1/"), context)
        finally:
            for descriptor in taken:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    fault = report.outcome.fault
    assert fault is not None
    assert fault.reason is Reason.LOCAL
    # Behind other words if the machine paused as well.
    assert fault.detail.endswith("this machine cannot connect: Too many open files")
    assert report.outcome.attempts == 2, "it was not tried again"


async def test_a_pattern_that_is_slow_on_a_large_body_stalls_nothing() -> None:
    slow = Expectations(body_matches=(re2.compile(b"(a|b)*a(a|b){300}c"),))
    body = bytes(random.Random(1).choices(b"ab", k=MEGABYTE - 1))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.sleep(0.005)
            turns += 1

    async with (
        serving(answering(response(body))) as port,
        watching_for_stalls() as stalls,
        open_check_context(max_workers=10) as context,
        trio.open_nursery() as nursery,
    ):
        target = a_target(address=f"http://127.0.0.1:{port}/", timeout_seconds=TIMEOUT_SECONDS, expected=slow)
        nursery.start_soon(count_turns)
        report = await check_now(target, context)
        nursery.cancel_scope.cancel()
        # A thread that returns from RE2 during the interpreter's shutdown would abort it.
        with trio.CancelScope(shield=True), trio.fail_after(HANG_SECONDS):
            while context.matching_threads.borrowed_tokens:  # noqa: ASYNC110
                await trio.sleep(0.01)
    fault = report.outcome.fault
    assert fault is not None
    # Behind other words, and a fault of this machine, if that paused meanwhile.
    assert fault.reason in {Reason.TIMEOUT, Reason.LOCAL}
    assert fault.detail.endswith(f"no answer within {TIMEOUT_SECONDS:g} s: cut off while matching the body")
    assert report.outcome.duration_seconds < TIMEOUT_SECONDS + 0.3 + stalls.longest_seconds
    assert turns > 40, "it took seconds, and all of them in the loop"
