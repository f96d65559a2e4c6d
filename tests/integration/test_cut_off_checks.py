"""A check may be cancelled wherever it waits, and a server may answer before it has read everything."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.hostile.h2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    Kind,
    frame,
    goaway,
    headers,
    read_h2_request,
    rst_stream,
    settings,
    window_update,
)
from tests.hostile.harness import open_descriptors
from tests.hostile.servers import Encryption, Peer, response, serving
from tests.integration import sites
from tests.integration.good_sites import PATIENCE_SECONDS, Answer, Asked, fetched, open_site, probing, redirect
from tests.integration.transport_servers import HttpProxy, SocksProxy
from watcher.model.target import Connecting, Sending, TlsOptions

if TYPE_CHECKING:
    from tests.hostile.certificates import Certificates
    from watcher.checking.http.exchange import Exchange
    from watcher.checking.http.fetch import Probe

MEGABYTE = 1024 * 1024
# More than the system's buffers of both ends hold.
LARGE = Sending("POST", body=bytes(12 * MEGABYTE))


class CancelAtStep(trio.abc.Instrument):
    """Cancels a scope once the task that created this has yielded a number of times."""

    def __init__(self, scope: trio.CancelScope, steps: int) -> None:
        self._task = trio.lowlevel.current_task()
        self._scope = scope
        self._left = steps

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count."""
        if task is self._task:
            self._left -= 1
            if not self._left:
                self._scope.cancel()


async def fetched_up_to(probe: Probe, steps: int) -> Exchange | None:
    """Run a check, and cancel it at this step; None if that happened."""
    with trio.CancelScope() as scope:
        instrument = CancelAtStep(scope, steps)
        trio.lowlevel.add_instrument(instrument)
        try:
            return await probe.fetch()
        finally:
            trio.lowlevel.remove_instrument(instrument)
    assert scope.cancelled_caught
    return None


async def steps_until_it_is_through(probe: Probe) -> int:
    """Cancel a check at its first step, the next one at its second, and so on; return the number of steps."""
    for steps in range(1, 1000):
        exchange = await fetched_up_to(probe, steps)
        if exchange is not None:
            assert (exchange.fault, exchange.status_code) == (None, 200)
            return steps
    raise AssertionError("a check has no end")


def twice_as_far(asked: Asked) -> Answer:
    """Redirect once, and answer with a body of several reads."""
    return redirect("/next") if asked.target == "/" else Answer(bytes(300_000))


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("protocol", ["plain", "http/1.1", "h2"])
async def test_a_check_can_be_cancelled_at_every_step(protocol: str, host: str, certificates: Certificates) -> None:
    gc.collect()
    before = open_descriptors()
    plain = protocol == "plain"
    encryption = None if plain else Encryption(certificates.good_context(protocol))
    connecting = Connecting(tls=TlsOptions(ca_file=certificates.ca_file))
    async with open_site(twice_as_far, encryption) as site:
        address = f"{'http' if plain else 'https'}://{host}:{site.port}/"
        sending = Sending("POST", body=bytes(200_000))
        async with probing(address, connecting=connecting, sending=sending) as probe:
            assert await steps_until_it_is_through(probe) > 5
        await site.until_left()
    assert open_descriptors() == before


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("protocol", ["plain", "http/1.1", "h2"])
async def test_a_check_on_a_kept_connection_can_be_cancelled_at_every_step(
    protocol: str, certificates: Certificates
) -> None:
    gc.collect()
    before = open_descriptors()
    plain = protocol == "plain"
    encryption = None if plain else Encryption(certificates.good_context(protocol))
    connecting = Connecting(keep_alive=True, tls=TlsOptions(ca_file=certificates.ca_file))
    bodies = iter(range(1, 10**6))
    async with open_site(lambda _: Answer(bytes(100_000 + next(bodies))), encryption) as site:
        async with probing(site.url if plain else site.https_url, connecting=connecting) as probe:
            for steps in range(1, 1000):
                first = await probe.fetch()
                assert (first.fault, len(first.body)) == (None, 100_000 + len(site.asked))
                second = await fetched_up_to(probe, steps)
                if second is not None:
                    assert len(second.body) == 100_000 + len(site.asked)
                    break
                await trio.testing.wait_all_tasks_blocked(0.01)  # the site has counted its requests
        await site.until_left()
    assert steps > 1
    assert open_descriptors() == before


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
async def test_a_check_through_a_proxy_can_be_cancelled_at_every_step(scheme: str, certificates: Certificates) -> None:
    gc.collect()
    before = open_descriptors()
    proxy = HttpProxy() if scheme == "http" else SocksProxy(("user", "password"))
    userinfo = "" if scheme == "http" else "user:password@"

    async def behave(stream: trio.abc.Stream) -> None:
        try:
            await proxy.behave(stream)
        except* (OSError, ValueError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client has disconnected, even within a word

    async with (
        open_site(twice_as_far, Encryption(certificates.good_context())) as site,
        sites.serving(behave) as port,
    ):
        tls = TlsOptions(ca_file=certificates.ca_file)
        connecting = Connecting(proxy_url=f"{scheme}://{userinfo}127.0.0.1:{port}", tls=tls)
        async with probing(f"https://localhost:{site.port}/", connecting=connecting) as probe:
            assert await steps_until_it_is_through(probe) > 5
    assert open_descriptors() == before


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("protocol", ["plain", "http/1.1", "h2"])
async def test_the_deadline_strikes_while_a_large_body_is_sent(protocol: str, certificates: Certificates) -> None:
    gc.collect()
    before = open_descriptors()

    async def take_nothing(peer: Peer) -> None:
        if protocol == "h2":
            await peer.send(settings((4, 2**31 - 1)) + window_update(2**31 - 1 - 65_535, stream=0))
        await trio.sleep_forever()

    plain = protocol == "plain"
    encryption = None if plain else Encryption(certificates.good_context(protocol))
    connecting = Connecting(tls=TlsOptions(ca_file=certificates.ca_file))
    async with serving(take_nothing, encryption) as port:
        address = f"{'http' if plain else 'https'}://127.0.0.1:{port}/"
        exchange = await fetched(address, connecting=connecting, sending=LARGE, timeout_seconds=0.4)
    assert exchange.fault is not None
    assert exchange.fault.reason == "timeout"
    assert open_descriptors() == before


TOO_LARGE = "413 Content Too Large"


@pytest.mark.parametrize("said", ["with the rest unread", "after some of it"])
@pytest.mark.parametrize("encrypted", [False, True])
async def test_an_early_answer_over_http1_counts(said: str, certificates: Certificates, *, encrypted: bool) -> None:
    # RFC 9112, section 9.5: a client that sends a body watches for an answer that makes the rest of it unnecessary.
    async def behave(peer: Peer) -> None:
        await peer.request()
        if said == "after some of it":
            for _ in range(20):
                await peer.stream.receive_some(65_536)
        await peer.send(response(status=TOO_LARGE))

    encryption = Encryption(certificates.good_context()) if encrypted else None
    connecting = Connecting(tls=TlsOptions(ca_file=certificates.ca_file))
    for _ in range(2):
        async with serving(behave, encryption) as port:
            address = f"{'https' if encrypted else 'http'}://127.0.0.1:{port}/"
            exchange = await fetched(address, connecting=connecting, sending=LARGE, timeout_seconds=PATIENCE_SECONDS)
        assert (exchange.fault, exchange.status_code) == (None, 413)


END = headers((":status", "413"), flags=END_HEADERS | END_STREAM)


@pytest.mark.parametrize("wide", [False, True], ids=["with the first window", "with a wide window"])
@pytest.mark.parametrize(
    "parting", [b"", rst_stream(0), rst_stream(0) + goaway(1, 0)], ids=["closed", "reset", "gone away"]
)
async def test_an_early_answer_over_http2_counts(parting: bytes, certificates: Certificates, *, wide: bool) -> None:
    # RFC 9113, section 8.1: a server may answer before the request is whole, and say with NO_ERROR that the rest of
    # it is not needed.
    async def behave(peer: Peer) -> None:
        await peer.send(settings(*([(4, 2**31 - 1)] if wide else [])))
        await read_h2_request(peer)
        await peer.send(frame(Kind.SETTINGS, flags=ACK, stream=0))
        if wide:
            await peer.send(window_update(2**31 - 1 - 65_535, stream=0))
            for _ in range(20):
                await peer.stream.receive_some(65_536)
        await peer.send(END + parting)

    connecting = Connecting(tls=TlsOptions(ca_file=certificates.ca_file))
    for _ in range(2):
        async with serving(behave, Encryption(certificates.good_context("h2"))) as port:
            address = f"https://127.0.0.1:{port}/"
            exchange = await fetched(address, connecting=connecting, sending=LARGE, timeout_seconds=PATIENCE_SECONDS)
        assert (exchange.fault, exchange.status_code) == (None, 413)


async def test_an_early_answer_does_not_spoil_the_next_check() -> None:
    connections = 0

    async def behave(peer: Peer) -> None:
        nonlocal connections
        connections += 1
        await peer.request()
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        await peer.stream.receive_some(65_536)

    connecting = replace(Connecting(), keep_alive=True)
    async with (
        serving(behave) as port,
        probing(f"http://127.0.0.1:{port}/", connecting=connecting, sending=LARGE) as probe,
    ):
        for _ in range(3):
            exchange = await probe.fetch()
            assert (exchange.fault, exchange.status_code) == (None, 413)
    assert connections == 3
