"""Each phase has the time of what happens in it, and no time if nothing does."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.doubles import a_target
from tests.hostile.harness import TRIES, waited_for_cpu_seconds
from tests.hostile.servers import Encryption, Peer, hang, never_accepting, refusing, response, saying, serving
from tests.hostile.streams import TlsStream
from tests.integration.good_sites import GOOD, Answer, Asked, fetched, looking_up, open_site, probing, redirect
from watcher.checking.check import check_now
from watcher.checking.check_context import open_check_context
from watcher.checking.http.resolver import Resolver
from watcher.model.outcome import Phases, Reason
from watcher.model.target import Connecting, Sending, TlsOptions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.hostile.certificates import Certificates
    from tests.hostile.servers import Behaviour
    from watcher.checking.http.exchange import Exchange

# The delay of one phase. The others take next to nothing, unless the machine is busy, for which there are retries.
DELAY_SECONDS = 0.2
CLOCKS_SECONDS = 0.01
ELSEWHERE_SECONDS = 0.1
# The shortest time that Linux delays an acknowledgement, so that it can go with data.
DELAYED_ACK_SECONDS = 0.04


def held_up(phases: Phases) -> set[str]:
    """Name the phases that took as long as the delay; complain about those that took neither that nor far less."""
    slow = {name: seconds for name, seconds in phases._asdict().items() if (seconds or 0) >= ELSEWHERE_SECONDS}
    enough_seconds = DELAY_SECONDS - CLOCKS_SECONDS
    return {name if seconds >= enough_seconds else f"{name} for {seconds:.3f} s" for name, seconds in slow.items()}


async def asked_until(ask: Callable[[], Awaitable[Exchange]], is_as_expected: Callable[[Exchange], bool]) -> Exchange:
    """Check until the result is as expected, or a few times; the caller asserts it."""
    for _ in range(TRIES):
        exchange = await ask()
        if is_as_expected(exchange):
            break
    return exchange


async def assert_held_up(expected: str, address: str, resolver: Resolver | None = None, **changes: Any) -> Exchange:
    """Check, assert that just this phase was delayed, and return the exchange."""
    exchange = await asked_until(
        lambda: fetched(address, resolver, **changes), lambda exchange: held_up(exchange.phases) == {expected}
    )
    assert held_up(exchange.phases) == {expected}
    return exchange


def happened(phases: Phases) -> set[str]:
    """Name the phases that have a time."""
    return {name for name, seconds in phases._asdict().items() if seconds is not None}


async def pause(_: Peer) -> None:
    """Delay something."""
    await trio.sleep(DELAY_SECONDS)


def slow_lookup(host: str, port: int, **_: Any) -> list[Any]:
    """Look a name up in a thread, with a delay."""
    time.sleep(DELAY_SECONDS)
    return looking_up({"site.test": "127.0.0.1"})(host, port)


def trusting(certificates: Certificates) -> Connecting:
    """Trust the authority of the tests."""
    return Connecting(tls=TlsOptions(ca_file=certificates.ca_file))


async def test_a_slow_resolver_shows_in_resolve() -> None:
    async with open_site() as site:
        exchange = await assert_held_up("resolve", f"http://site.test:{site.port}/", Resolver(slow_lookup))
    assert happened(exchange.phases) == {"resolve", "connect", "processing", "transfer"}


async def test_a_slow_connection_shows_in_connect() -> None:
    # The first address never answers, so the second one is tried after a moment (RFC 8305, section 5).
    async with open_site() as site, never_accepting() as deaf_port:

        def lookup(host: str, port: int, **_: Any) -> list[Any]:
            return [(2, 1, 6, "", ("127.0.0.1", other)) for other in (deaf_port, port)]

        await assert_held_up("connect", f"http://site.test:{site.port}/", Resolver(lookup))


async def test_a_slow_handshake_shows_in_tls(certificates: Certificates) -> None:
    async def behave(peer: Peer) -> None:
        await pause(peer)
        stream = await TlsStream.accept(peer.connection, certificates.good_context())
        await saying(response())(Peer(stream, peer.connection))

    async with serving(behave) as port:
        exchange = await assert_held_up("tls", f"https://127.0.0.1:{port}/", connecting=trusting(certificates))
    assert happened(exchange.phases) == {"connect", "tls", "processing", "transfer"}


HEAD, REST = b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize(
    ("behaviour", "phase"),
    [
        (saying(pause, HEAD + REST), "processing"),
        (saying(HEAD, pause, REST), "transfer"),
        (saying(HEAD + REST[:-2], pause, REST[-2:]), "transfer"),
        (saying(HEAD + b"\r\nhello", pause), "transfer"),
    ],
    ids=["before the first byte", "in the head", "in the body", "before the end that ends the body"],
)
async def test_a_slow_response_shows_where_it_is_slow(
    behaviour: Behaviour, phase: str, certificates: Certificates, *, encrypted: bool
) -> None:
    scheme, encryption = ("https", Encryption(certificates.good_context())) if encrypted else ("http", None)
    async with serving(behaviour, encryption) as port:
        exchange = await assert_held_up(phase, f"{scheme}://127.0.0.1:{port}/", connecting=trusting(certificates))
    assert (exchange.fault, exchange.body) == (None, b"hello")


async def test_phases_are_summed_over_redirects() -> None:
    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        return slow_lookup(host, port) if port == first.port else looking_up({"site.test": "127.0.0.1"})(host, port)

    async with (
        serving(saying(pause, HEAD, pause, REST)) as last_port,
        open_site(lambda _: redirect(f"http://site.test:{last_port}/last")) as first,
    ):
        exchange = await asked_until(
            lambda: fetched(f"http://site.test:{first.port}/first", Resolver(lookup)),
            lambda exchange: (
                held_up(exchange.hops[0].phases) == {"resolve"} and "connect" not in held_up(exchange.phases)
            ),
        )
    assert held_up(exchange.phases) == {"resolve", "processing", "transfer"}
    [hop] = exchange.hops
    assert held_up(hop.phases) == {"resolve"}
    assert happened(hop.phases) == {"resolve", "connect", "processing", "transfer"}


async def test_a_phase_of_one_hop_alone_is_in_the_sum(certificates: Certificates) -> None:
    async with (
        open_site() as last,
        open_site(lambda _: redirect(last.url), Encryption(certificates.good_context())) as first,
    ):
        exchange = await fetched(first.https_url, connecting=trusting(certificates))
    assert happened(exchange.phases) == {"connect", "tls", "processing", "transfer"}
    assert exchange.phases.tls == exchange.hops[0].phases.tls
    assert exchange.chain is None, "the last connection had none"


async def test_skipped_phases_have_no_time(certificates: Certificates) -> None:
    connecting = trusting(certificates)
    async with refusing() as port:
        nowhere = await fetched("http://no-such-name.test/")
        nobody = await fetched(f"http://127.0.0.1:{port}/")
    async with open_site(encryption=Encryption(certificates.good_context())) as site:
        untrusted = await fetched(site.https_url)
        private = await fetched(site.https_url, connecting=Connecting(allow_private=False))
    async with serving(saying()) as port:
        silent = await fetched(f"http://127.0.0.1:{port}/", connecting=connecting)
    assert happened(nowhere.phases) == {"resolve"}
    assert happened(nobody.phases) == {"connect"}
    assert happened(untrusted.phases) == {"connect", "tls"}
    assert happened(private.phases) <= {"connect"}
    assert happened(silent.phases) == {"connect", "processing"}
    assert (nowhere.ip, private.ip) == (None, None)
    assert (nobody.ip, untrusted.ip, silent.ip) == ("127.0.0.1", "127.0.0.1", "127.0.0.1")
    assert {exchange.status_code for exchange in (nowhere, nobody, untrusted, private, silent)} == {None}


async def test_a_phase_that_the_deadline_cuts_off_has_the_time_until_then() -> None:
    async with serving(saying(HEAD, hang)) as port:
        exchange = await assert_held_up("transfer", f"http://127.0.0.1:{port}/", timeout_seconds=2 * DELAY_SECONDS)
    assert exchange.fault is not None
    assert (exchange.fault.reason, exchange.phases.tls) == (Reason.TIMEOUT, None)


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
@pytest.mark.parametrize("body", [b"", b"x" * 100_000])
async def test_a_request_waits_for_no_acknowledgement(protocol: str, body: bytes, certificates: Certificates) -> None:
    # A TLS 1.3 server need not answer the end of the handshake. If the request waits until that is acknowledged, as it
    # does with Nagle's algorithm (RFC 9293, section 3.7.4), the site is blamed for our own delay.
    context = certificates.good_context(protocol)
    context.num_tickets = 0
    sending = Sending("POST" if body else "GET", body=body)
    idle_seconds = []
    async with open_site(encryption=Encryption(context)) as site:
        for _ in range(9):
            began, worked = time.perf_counter(), time.thread_time() + waited_for_cpu_seconds()
            exchange = await fetched(site.https_url, connecting=trusting(certificates), sending=sending)
            # The site runs in this thread as well: when the thread is idle, both wait for the system.
            worked_seconds = time.thread_time() + waited_for_cpu_seconds() - worked
            idle_seconds.append(time.perf_counter() - began - worked_seconds)
            assert exchange.fault is None
    assert median(idle_seconds) < DELAYED_ACK_SECONDS / 2


async def test_hops_are_listed_one_by_one(certificates: Certificates) -> None:
    def answer(asked: Asked) -> Answer:
        left = int(asked.target.partition("?")[0].rpartition("/")[2])
        return redirect(f"/secret/{left - 1}?token=s3cret", 301 + left) if left == 2 else GOOD

    async with (
        open_site(answer) as plain,
        open_site(lambda _: redirect(f"{plain.url}2", 308), Encryption(certificates.good_context("h2"))) as first,
    ):
        exchange = await fetched(first.https_url, connecting=trusting(certificates))
    assert [(hop.status_code, hop.http_version, hop.ip) for hop in exchange.hops] == [
        (308, "2", "127.0.0.1"),
        (303, "1.1", "127.0.0.1"),
    ]
    assert [hop.shown_address for hop in exchange.hops] == [first.https_url, f"{plain.url}2"]
    assert exchange.hops[0].location == f"{plain.url}2"
    assert exchange.hops[1].location.startswith(f"{plain.url}secret/1")
    assert "s3cret" not in repr(exchange.hops)
    assert (exchange.http_version, exchange.ip, exchange.status_code) == ("1.1", "127.0.0.1", 200)


async def test_hops_up_to_a_failure_are_listed() -> None:
    async with refusing() as port, open_site(lambda _: redirect(f"http://127.0.0.1:{port}/")) as site:
        async with probing(site.url) as probe:
            exchange = await probe.fetch()
        async with open_check_context(1) as context:
            outcome = (await check_now(a_target(address=site.url), context)).outcome
    assert exchange.fault is not None
    assert exchange.fault.reason == Reason.CONNECT
    assert [hop.status_code for hop in exchange.hops] == [302]
    assert happened(exchange.phases) == {"connect", "processing", "transfer"}
    assert (outcome.redirects, outcome.status_code, outcome.body_bytes) == (1, None, None)
