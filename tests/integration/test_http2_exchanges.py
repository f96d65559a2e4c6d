"""HTTP/2 with a server that follows its rules: who chooses it, what it carries, and several checks at once."""

from __future__ import annotations

import struct
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.hostile.h2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    GET_OK,
    STREAM,
    Kind,
    data,
    frame,
    goaway,
    h2_saying,
    headers,
    rst_stream,
    settings,
)
from tests.hostile.servers import Encryption, Peer, hang, response, saying, serving, until_gone
from tests.integration.good_sites import GOOD, Answer, Asked, open_site, probing, redirect
from watcher.checking.check import check_now
from watcher.checking.check_context import open_check_context
from watcher.model.outcome import Reason
from watcher.model.target import Connecting, Expectations, Sending, TlsOptions

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tests.hostile.certificates import Certificates
    from watcher.checking.http.fetch import Probe
    from watcher.model.target import HttpVersion

# RFC 9113, section 6.9.2.
FIRST_WINDOW_BYTES = 65_535
LAST = data(b"hello", flags=END_STREAM)
LARGE = bytes(range(256)) * 4 * 300  # 300 KB, several windows


def agreeing(certificates: Certificates, *protocols: str) -> Encryption:
    """Let a server negotiate these protocols, with the first preferred."""
    return Encryption(certificates.good_context(*protocols))


def h2_probe(address: str, certificates: Certificates, **changes: Any) -> AbstractAsyncContextManager[Probe]:
    """Return a probe that trusts the authority of the tests; `connecting` may be among the changes."""
    connecting = changes.pop("connecting", Connecting())
    connecting = replace(connecting, tls=TlsOptions(ca_file=certificates.ca_file))
    return probing(address, connecting=connecting, **changes)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("wanted", "offered", "spoken"),
    [
        ("auto", ["h2", "http/1.1"], "2"),
        ("auto", ["http/1.1", "h2"], "1.1"),
        ("auto", ["h2"], "2"),
        ("auto", ["http/1.1"], "1.1"),
        ("auto", [], "1.1"),
        ("1.1", ["h2", "http/1.1"], "1.1"),
        ("1.1", ["h2"], "1.1"),
        ("2", ["http/1.1", "h2"], "2"),
    ],
)
async def test_both_sides_choose(
    wanted: HttpVersion, offered: list[str], spoken: str, certificates: Certificates
) -> None:
    async with (
        open_site(encryption=agreeing(certificates, *offered)) as site,
        h2_probe(site.https_url, certificates, connecting=Connecting(http_version=wanted)) as probe,
    ):
        exchange = await probe.fetch()
    assert (exchange.fault, exchange.body) == (None, b"hello")
    assert exchange.http_version == spoken == site.asked[0].http_version


@pytest.mark.parametrize("offered", [[], ["http/1.1"]])
async def test_http2_that_the_server_does_not_speak(offered: list[str], certificates: Certificates) -> None:
    async with (
        open_site(encryption=agreeing(certificates, *offered)) as site,
        h2_probe(site.https_url, certificates, connecting=Connecting(http_version="2")) as probe,
    ):
        fault = (await probe.fetch()).fault
        await site.until_left()
    assert fault is not None
    assert (fault.reason, fault.detail) == (Reason.PROTOCOL, "the server does not speak HTTP/2")
    assert not site.asked, "it was asked all the same"


async def test_http2_without_tls_is_for_who_asks_for_it() -> None:
    async with open_site() as site:
        for wanted, spoken in [("2", "2"), ("auto", "1.1")]:
            async with probing(site.url, connecting=Connecting(http_version=wanted)) as probe:  # type: ignore[arg-type]
                assert (await probe.fetch()).http_version == spoken


@pytest.mark.parametrize("size", [1, FIRST_WINDOW_BYTES, FIRST_WINDOW_BYTES + 1, len(LARGE)])
async def test_a_body_is_sent_window_by_window(size: int, certificates: Certificates) -> None:
    async with (
        open_site(encryption=agreeing(certificates, "h2")) as site,
        h2_probe(site.https_url, certificates, sending=Sending("POST", body=LARGE[:size])) as probe,
    ):
        assert (await probe.fetch()).fault is None
    assert site.asked[0].body == LARGE[:size]
    assert site.asked[0].header("content-length") == str(size)


@pytest.mark.parametrize("size", [0, FIRST_WINDOW_BYTES, FIRST_WINDOW_BYTES + 1, len(LARGE)])
async def test_a_body_is_received_window_by_window(size: int, certificates: Certificates) -> None:
    async with (
        open_site(lambda _: Answer(LARGE[:size]), agreeing(certificates, "h2")) as site,
        h2_probe(site.https_url, certificates) as probe,
    ):
        exchange = await probe.fetch()
    assert (exchange.fault, exchange.body) == (None, LARGE[:size])


@pytest.mark.parametrize("size", [300, 10_000, 40_000, len(LARGE)])
async def test_many_checks_on_one_connection_never_empty_its_window(size: int, certificates: Certificates) -> None:
    checks = 4 * FIRST_WINDOW_BYTES // size + 4
    async with (
        open_site(lambda _: Answer(LARGE[:size]), agreeing(certificates, "h2")) as site,
        h2_probe(site.https_url, certificates, connecting=Connecting(keep_alive=True)) as probe,
    ):
        for number in range(checks):
            exchange = await probe.fetch()
            assert exchange.fault is None, f"check {number} of {checks}"
            assert exchange.body == LARGE[:size]
    assert {asked.connection for asked in site.asked} == {0}


async def test_many_checks_with_a_body_on_one_connection(certificates: Certificates) -> None:
    connecting, sending = Connecting(keep_alive=True), Sending("POST", body=LARGE)
    async with (
        open_site(encryption=agreeing(certificates, "h2")) as site,
        h2_probe(site.https_url, certificates, connecting=connecting, sending=sending) as probe,
    ):
        for _ in range(3):
            assert (await probe.fetch()).fault is None
    assert [(asked.connection, asked.body == LARGE) for asked in site.asked] == [(0, True)] * 3


async def test_settings_are_acknowledged_whenever_they_come(certificates: Certificates) -> None:
    # RFC 9113, section 6.5.3: at once. Here settings and the whole response arrive in one piece, as they often do.
    acknowledged = trio.Event()

    async def behave(peer: Peer) -> None:
        await peer.stream.receive_some()
        end = END_HEADERS | END_STREAM
        await peer.send(settings() + frame(Kind.SETTINGS, flags=ACK, stream=0) + headers(*GET_OK, flags=end))
        received = b""
        while frame(Kind.SETTINGS, flags=ACK, stream=0) not in received:
            more = await peer.stream.receive_some()
            if not more:
                return
            received += more
        acknowledged.set()
        await peer.send(headers(*GET_OK, stream=STREAM + 2) + data(b"hello", stream=STREAM + 2, flags=END_STREAM))
        await peer.until_gone()

    async with (
        serving(behave, agreeing(certificates, "h2")) as port,
        h2_probe(f"https://127.0.0.1:{port}/", certificates, connecting=Connecting(keep_alive=True)) as probe,
    ):
        assert (await probe.fetch()).fault is None
        assert (await probe.fetch()).fault is None
    assert acknowledged.is_set()


async def test_the_server_may_send_a_large_body_without_a_wait_and_push_nothing(certificates: Certificates) -> None:
    # RFC 9113, section 6.9.2: with the first windows, a body waits for a round trip after each 64 KiB.
    received = b""

    async def behave(peer: Peer) -> None:
        nonlocal received
        while headers_of_the_request not in received:
            received += await peer.stream.receive_some()
        await peer.send(settings() + headers(*GET_OK))
        for size in [16_384] * 60:  # before it reads any more
            await peer.send(data(bytes(size)))
        await peer.send(data(b"", flags=END_STREAM))
        await peer.until_gone()

    headers_of_the_request = bytes([Kind.HEADERS, END_HEADERS | END_STREAM, 0, 0, 0, STREAM])
    async with (
        serving(behave, agreeing(certificates, "h2")) as port,
        h2_probe(f"https://127.0.0.1:{port}/", certificates) as probe,
    ):
        exchange = await probe.fetch()
    assert (exchange.fault, len(exchange.body)) == (None, 60 * 16_384)
    assert struct.pack(">HI", 2, 0) in received, "ENABLE_PUSH"


async def test_processing_lasts_until_the_head_of_the_response(certificates: Certificates) -> None:
    began = answered = 0.0

    async def think(_: Peer) -> None:
        nonlocal began, answered
        began = time.perf_counter()
        await trio.sleep(0.1)
        answered = time.perf_counter()

    hints = headers((":status", "103"))
    async with (
        serving(h2_saying(think, hints, headers(*GET_OK), LAST, hang), agreeing(certificates, "h2")) as port,
        h2_probe(f"https://127.0.0.1:{port}/", certificates) as probe,
    ):
        exchange = await probe.fetch()
    assert exchange.phases.processing is not None
    assert exchange.phases.processing >= answered - began
    async with (
        serving(h2_saying(hang), agreeing(certificates, "h2")) as port,
        h2_probe(f"https://127.0.0.1:{port}/", certificates, timeout_seconds=0.2) as probe,
    ):
        fault = (await probe.fetch()).fault
    assert fault is not None
    assert fault.detail.endswith("cut off while waiting for the response")


@pytest.mark.parametrize(
    ("refusal", "spoken"),
    [(rst_stream(13), "1.1"), (goaway(0, 13), "1.1"), (rst_stream(7), "2"), (goaway(0, 0), "2"), (goaway(0, 11), "2")],
    ids=["HTTP/1.1 required", "HTTP/1.1 required by all", "refused stream", "going away", "going away in haste"],
)
async def test_a_request_that_the_server_did_not_start_is_repeated_once(
    refusal: bytes, spoken: str, certificates: Certificates
) -> None:
    # RFC 9113, section 8.7.
    tries = 0

    async def behave(peer: Peer) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            await h2_saying(refusal, until_gone)(peer)
        elif spoken == "2":
            await h2_saying(headers(*GET_OK), LAST, until_gone)(peer)
        else:
            await saying(response())(peer)

    async with (
        serving(behave, agreeing(certificates, "h2", "http/1.1")) as port,
        h2_probe(f"https://127.0.0.1:{port}/", certificates) as probe,
    ):
        exchange = await probe.fetch()
    assert (exchange.fault, exchange.body, exchange.http_version) == (None, b"hello", spoken)
    assert tries == 2
    assert exchange.notes[0].startswith("asked once more, since the server ")


async def test_a_server_that_refuses_for_ever_is_asked_twice(certificates: Certificates) -> None:
    tries = 0

    async def behave(peer: Peer) -> None:
        nonlocal tries
        tries += 1
        await h2_saying(rst_stream(7), until_gone)(peer)

    async with (
        serving(behave, agreeing(certificates, "h2")) as port,
        h2_probe(f"https://127.0.0.1:{port}/", certificates) as probe,
    ):
        fault = (await probe.fetch()).fault
    assert fault is not None
    assert (fault.reason, fault.detail, tries) == (Reason.PROTOCOL, "the server reset the stream: refused stream", 2)


async def test_requests_follow_the_rules(certificates: Certificates) -> None:
    # RFC 9113, sections 8.2.1, 8.2.2 and 8.3.1.
    sending = Sending(
        headers=(("X-Shouted", "Yes"), ("Host", "site.test"), ("TE", "trailers")), authorization="Bearer t"
    )
    async with (
        open_site(encryption=agreeing(certificates, "h2")) as site,
        h2_probe(f"{site.https_url}a/b?c=d#e", certificates, sending=sending) as probe,
    ):
        assert (await probe.fetch()).fault is None
    sent = site.asked[0].headers
    names = [name for name, _ in sent]
    assert names == [name.lower() for name in names]
    assert not {"host", "connection", "te", "transfer-encoding"} & set(names)
    assert dict(sent[:4]) == {":method": "GET", ":authority": "site.test", ":scheme": "https", ":path": "/a/b?c=d"}
    assert (site.asked[0].header("x-shouted"), site.asked[0].header("authorization")) == ("Yes", "Bearer t")


async def test_headers_and_trailers_of_the_response(certificates: Certificates) -> None:
    answer = Answer(LARGE, headers=(("x-served-by", "One"), ("x-served-by", "Two")), trailers=(("x-sum", "1"),))
    async with (
        open_site(lambda _: answer, agreeing(certificates, "h2")) as site,
        h2_probe(site.https_url, certificates, connecting=Connecting(keep_alive=True)) as probe,
    ):
        for _ in range(2):
            exchange = await probe.fetch()
            assert exchange.headers == ((b"x-served-by", b"One"), (b"x-served-by", b"Two"))
            assert exchange.body == LARGE
    assert [asked.connection for asked in site.asked] == [0, 0]


async def test_spaces_around_the_value_of_a_header_are_noted(certificates: Certificates) -> None:
    answer = h2_saying(headers(*GET_OK, ("vary", " a\t")), LAST, until_gone)
    async with (
        serving(answer, agreeing(certificates, "h2")) as port,
        h2_probe(f"https://127.0.0.1:{port}/", certificates) as probe,
    ):
        exchange = await probe.fetch()
    assert (exchange.fault, exchange.headers[-1]) == (None, (b"vary", b"a"))
    assert exchange.notes == ("a header has spaces around its value, which HTTP/2 does not allow",)


@pytest.mark.smoke
async def test_a_redirect_over_http2_is_followed(certificates: Certificates) -> None:
    def answer(asked: Asked) -> Answer:
        return redirect("/final") if asked.target == "/" else GOOD

    async with (
        open_site(answer, agreeing(certificates, "h2")) as site,
        h2_probe(site.https_url, certificates) as probe,
    ):
        exchange = await probe.fetch()
    assert (exchange.fault, exchange.body, len(exchange.hops)) == (None, b"hello", 1)
    assert exchange.hops[0].http_version == "2"


async def test_head_over_http2_has_no_body(certificates: Certificates) -> None:
    answer = Answer(b"", headers=(("content-length", "5"),))
    async with (
        open_site(lambda _: answer, agreeing(certificates, "h2")) as site,
        h2_probe(site.https_url, certificates, sending=Sending("HEAD")) as probe,
    ):
        exchange = await probe.fetch()
    assert (exchange.fault, exchange.status_code, exchange.body) == (None, 200, b"")


async def test_a_body_above_the_limit_does_not_spoil_the_next_check(certificates: Certificates) -> None:
    connecting, expected = Connecting(keep_alive=True), Expectations(body_limit_bytes=1000)
    async with (
        open_site(lambda _: Answer(LARGE), agreeing(certificates, "h2")) as site,
        h2_probe(site.https_url, certificates, connecting=connecting, expected=expected) as probe,
    ):
        fault = (await probe.fetch()).fault
        assert fault is not None
        assert fault.reason == Reason.TOO_LARGE
        site.answer = lambda _: GOOD
        assert (await probe.fetch()).body == b"hello"


async def test_an_outcome_has_the_version(certificates: Certificates) -> None:
    async with (
        open_site(encryption=agreeing(certificates, "h2")) as site,
        open_check_context(1) as context,
        h2_probe(site.https_url, certificates) as probe,
    ):
        report = await check_now(probe.target, context)
    assert (report.outcome.ok, report.outcome.http_version) == (True, "2")
