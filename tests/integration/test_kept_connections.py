"""A kept connection is used again, and never delivers what belongs to another check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.hostile.servers import Encryption
from tests.integration.good_sites import (
    CLOSING,
    GOOD,
    PATIENCE_SECONDS,
    Answer,
    Asked,
    Site,
    open_site,
    probing,
)
from watcher.checking.http.transport import MAX_IDLE_SECONDS
from watcher.model.target import Connecting, Sending, TlsOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.hostile.certificates import Certificates
    from watcher.checking.http.exchange import Exchange
    from watcher.checking.http.fetch import Probe

WAYS = ["plain", "TLS", "HTTP/2"]


class Place:
    """A site and a probe of it, over one protocol."""

    def __init__(self, way: str, certificates: Certificates) -> None:
        self._way = way
        self._certificates = certificates

    def site(self, answer: Callable[[Asked], Answer] = lambda _: GOOD) -> AbstractAsyncContextManager[Site]:
        """Serve the site."""
        if self._way == "plain":
            return open_site(answer)
        protocols = ["h2"] if self._way == "HTTP/2" else ["http/1.1"]
        return open_site(answer, Encryption(self._certificates.good_context(*protocols)))

    def probe(self, site: Site, *, keep_alive: bool = True) -> AbstractAsyncContextManager[Probe]:
        """Open the probe."""
        connecting = Connecting(keep_alive=keep_alive, tls=TlsOptions(ca_file=self._certificates.ca_file))
        return probing(site.url if self._way == "plain" else site.https_url, connecting=connecting)


@pytest.fixture(params=WAYS)
def place(request: pytest.FixtureRequest, certificates: Certificates) -> Place:
    """Yield each protocol in turn."""
    return Place(request.param, certificates)


@pytest.mark.smoke
async def test_a_connection_is_used_again(place: Place) -> None:
    async with place.site(lambda asked: Answer(asked.target.encode())) as site, place.probe(site) as probe:
        exchanges = [await probe.fetch() for _ in range(4)]
        assert [exchange.body for exchange in exchanges] == [b"/"] * 4
        assert [asked.connection for asked in site.asked] == [0] * 4


async def test_phases_that_a_kept_connection_skips_have_no_time(place: Place) -> None:
    async with place.site() as site, place.probe(site) as probe:
        first, second = await probe.fetch(), await probe.fetch()
    assert first.phases.connect is not None
    assert (second.phases.resolve, second.phases.connect, second.phases.tls) == (None, None, None)
    assert second.phases.processing is not None
    assert second.phases.transfer is not None


async def test_the_phases_of_a_check_are_its_own(place: Place) -> None:
    async with place.site() as site, place.probe(site) as probe:
        await probe.fetch()
        began = trio.current_time()
        phases = (await probe.fetch()).phases
        took_seconds = trio.current_time() - began
    assert sum(seconds or 0 for seconds in phases) <= took_seconds


async def test_peer_and_certificates_are_known_of_a_kept_connection(place: Place) -> None:
    async with place.site() as site, place.probe(site) as probe:
        first, second = await probe.fetch(), await probe.fetch()
    assert (first.ip, first.http_version, first.chain) == (second.ip, second.http_version, second.chain)
    assert second.ip == "127.0.0.1"


@pytest.mark.parametrize("rudely", [False, True])
async def test_a_connection_that_the_server_ended_meanwhile_is_replaced(place: Place, *, rudely: bool) -> None:
    async with place.site() as site, place.probe(site) as probe:
        await probe.fetch()
        if rudely:
            site.reset()
        else:
            await site.leave()
        exchange = await probe.fetch()
        assert (exchange.fault, exchange.body) == (None, b"hello")
        assert [asked.connection for asked in site.asked] == [0, 1]
        assert exchange.phases.connect is not None


async def test_a_connection_that_ends_under_the_request_is_replaced(certificates: Certificates) -> None:
    # The server closes a kept connection without an answer, in the moment when the request is on its way.
    place = Place("plain", certificates)
    taken: list[Asked] = []
    async with place.site() as site, place.probe(site) as probe:

        def answer(asked: Asked) -> Answer:
            taken.append(asked)
            if len(taken) == 2:
                site.reset()
            return GOOD

        site.answer = answer
        await probe.fetch()
        exchange = await probe.fetch()
        assert (exchange.fault, exchange.body) == (None, b"hello")
        assert [asked.connection for asked in site.asked] == [0, 0, 1]


@dataclass
class Silence:
    """Answers on the first connection after `gate`, and on others at once, which `opens` the gate if set."""

    gate: trio.Event = field(default_factory=trio.Event)
    is_asked: trio.Event = field(default_factory=trio.Event)
    opens: bool = False

    def __call__(self, asked: Asked) -> Answer:
        """Answer."""
        if asked.connection == 0:
            self.is_asked.set()
            return Answer(b"late", after=self.gate)
        if self.opens:
            self.gate.set()
            return Answer(b"never", after=trio.Event())
        return Answer(b"anew")


async def half_later(probe: Probe, silence: Silence, clock: trio.testing.MockClock) -> Exchange:
    """Send a request, and let more than half of the time pass once the site has got it."""

    async def pass_time() -> None:
        await silence.is_asked.wait()
        clock.jump(0.6 * probe.target.timeout_seconds)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pass_time)
        return await probe.fetch()


@pytest.mark.parametrize(
    ("opens", "body", "connections"), [(False, b"anew", [0, 0, 1, 1]), (True, b"late", [0, 0, 1, 0])]
)
async def test_a_connection_that_went_silent_is_replaced_unless_it_answers_first(
    place: Place, mock_clock: trio.testing.MockClock, *, opens: bool, body: bytes, connections: list[int]
) -> None:
    async with place.site() as site, place.probe(site) as probe:
        await probe.fetch()
        site.answer = silence = Silence(opens=opens)
        exchange = await half_later(probe, silence, mock_clock)
        assert (exchange.fault, exchange.body) == (None, body)
        assert (exchange.phases.connect is None) is opens
        site.answer = lambda _: GOOD
        assert (await probe.fetch()).fault is None
        assert [asked.connection for asked in site.asked] == connections


async def test_unrepeatable_requests_wait_for_their_own_connection(
    mock_clock: trio.testing.MockClock,
) -> None:
    post = Sending("POST", body=b"x")
    async with open_site() as site, probing(site.url, connecting=Connecting(keep_alive=True), sending=post) as probe:
        await probe.fetch()
        site.answer = silence = Silence()
        async with trio.open_nursery() as nursery:

            async def answer_late() -> None:
                await silence.is_asked.wait()
                mock_clock.jump(0.6 * probe.target.timeout_seconds)
                silence.gate.set()

            nursery.start_soon(answer_late)
            assert (await probe.fetch()).body == b"late"
        assert [asked.connection for asked in site.asked] == [0, 0]


async def test_a_connection_that_was_idle_for_long_is_not_trusted(
    place: Place, mock_clock: trio.testing.MockClock
) -> None:
    async with place.site() as site, place.probe(site) as probe:
        for idle_seconds in (0.0, MAX_IDLE_SECONDS - 1, MAX_IDLE_SECONDS + 1):
            mock_clock.jump(idle_seconds)
            assert (await probe.fetch()).fault is None
        assert [asked.connection for asked in site.asked] == [0, 0, 1]


async def test_an_answer_is_reported_once(place: Place) -> None:
    async with place.site() as site, place.probe(site) as probe:
        await probe.fetch()
        await site.leave()
        site.answer = lambda _: Answer(b"busy", 503)
        exchange = await probe.fetch()
    assert (exchange.status_code, exchange.body) == (503, b"busy")


async def test_a_server_that_says_close_is_left(certificates: Certificates) -> None:
    for way in ["plain", "TLS"]:
        place = Place(way, certificates)
        async with place.site(lambda _: CLOSING) as site, place.probe(site) as probe:
            for _ in range(3):
                assert (await probe.fetch()).fault is None
            assert [asked.connection for asked in site.asked] == [0, 1, 2]


async def test_the_word_close_is_enough(certificates: Certificates) -> None:
    place = Place("plain", certificates)
    staying = Answer(headers=(("Connection", "close"),))  # and the server leaves the connection open
    async with place.site(lambda _: staying) as site, place.probe(site) as probe:
        await probe.fetch()
        await site.until_left()
        await probe.fetch()
        assert [asked.connection for asked in site.asked] == [0, 1]


async def test_without_keep_alive_each_check_connects(place: Place) -> None:
    async with place.site() as site, place.probe(site, keep_alive=False) as probe:
        for _ in range(3):
            assert (await probe.fetch()).phases.connect is not None
            await site.until_left()
        assert [asked.connection for asked in site.asked] == [0, 1, 2]
        if site.asked[0].http_version == "1.1":
            assert {asked.header("connection") for asked in site.asked} == {"close"}


async def test_a_kept_connection_is_closed_with_its_probe(place: Place) -> None:
    async with place.site() as site:
        async with place.probe(site) as probe:
            await probe.fetch()
        await site.until_left()
        exchange = await probe.fetch()  # and the probe can still be used
        assert exchange.fault is None
        probe.close()
        await site.until_left()


@pytest.mark.parametrize(
    "behind",
    [
        b"HTTP/1.1 503 Poisoned\r\nContent-Length: 8\r\n\r\npoisoned",
        b"HTTP/1.1 503 Poisoned\r\nContent-Length: 8\r\n",
        b"noise",
        b"\r\n",
    ],
)
@pytest.mark.parametrize("way", ["plain", "TLS"])
async def test_data_after_a_response_is_not_an_answer(way: str, behind: bytes, certificates: Certificates) -> None:
    place = Place(way, certificates)
    async with place.site(lambda _: Answer(behind=behind)) as site, place.probe(site) as probe:
        for _ in range(3):
            exchange = await probe.fetch()
            assert (exchange.fault, exchange.status_code, exchange.body) == (None, 200, b"hello")


async def test_a_connection_with_more_than_the_response_is_not_kept(certificates: Certificates) -> None:
    # RFC 9112, section 9.3: unrequested data must not be taken for a response, and the connection should be closed.
    place = Place("plain", certificates)
    poison = Answer(behind=b"HTTP/1.1 503 Poisoned\r\nContent-Length: 8\r\n\r\npoisoned")
    async with place.site(lambda _: poison) as site, place.probe(site) as probe:
        await probe.fetch()
        await probe.fetch()
        assert [asked.connection for asked in site.asked] == [0, 1]


async def test_the_forbidden_body_of_a_head_response_is_not_an_answer(certificates: Certificates) -> None:
    place = Place("plain", certificates)
    async with (
        place.site(lambda _: Answer(behind=b"hello")) as site,
        probing(site.url, connecting=Connecting(keep_alive=True), sending=Sending("HEAD")) as probe,
    ):
        for _ in range(3):
            exchange = await probe.fetch()
            assert (exchange.fault, exchange.status_code, exchange.body) == (None, 200, b"")
    assert {asked.method for asked in site.asked} == {"HEAD"}


async def test_a_cancelled_check_leaves_nothing_for_the_next(place: Place) -> None:
    cancelled = trio.CancelScope()

    def cancel(_: Asked) -> Answer:
        cancelled.cancel()
        return Answer(b"of the cancelled one" * 10_000)

    async with place.site() as site, place.probe(site) as probe:
        await probe.fetch()
        site.answer = cancel
        with cancelled:
            await probe.fetch()
        assert cancelled.cancelled_caught
        site.answer = lambda _: Answer(b"of the next one")
        with trio.fail_after(PATIENCE_SECONDS):
            exchange = await probe.fetch()
        assert (exchange.fault, exchange.body) == (None, b"of the next one")
        assert [asked.connection for asked in site.asked] == [0, 0, 1]


async def test_a_check_that_timed_out_leaves_nothing_for_the_next(place: Place) -> None:
    async with place.site() as site, place.probe(site) as probe:
        await probe.fetch()
        assert (await probe.fetch(0.0)).fault is not None
        exchange = await probe.fetch()
        assert (exchange.fault, exchange.body) == (None, b"hello")
