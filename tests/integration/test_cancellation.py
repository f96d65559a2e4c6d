"""A check that is cut off at any step leaves no descriptor behind, though nobody collects garbage."""

from __future__ import annotations

import gc
import socket
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from tests.doubles import a_target
from tests.hostile.certificates import Certificates
from tests.hostile.harness import open_descriptors
from tests.integration.sites import read_request, response, serving
from tests.integration.transport_servers import asked, probing
from watcher.model.target import Connecting, Sending, Target, TlsOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def silent(stream: trio.abc.Stream) -> None:
    """Take what comes, and say nothing."""
    while await stream.receive_some():
        pass


async def deaf(_stream: trio.abc.Stream) -> None:
    """Take nothing, and say nothing."""
    await trio.sleep_forever()


async def in_the_head(stream: trio.abc.Stream) -> None:
    """Begin a head."""
    await read_request(stream)
    await stream.send_all(b"HTTP/1.1 200 OK\r\nX-A: ")
    await trio.sleep_forever()


async def in_the_body(stream: trio.abc.Stream) -> None:
    """Begin a body."""
    await read_request(stream)
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    await trio.sleep_forever()


@asynccontextmanager
async def stuck(step: str, certificates: Certificates) -> AsyncIterator[Target]:
    """Serve a site at which a check does not come past a step."""
    tls = TlsOptions(ca_file=certificates.ca_file)
    behaviour = {"head": in_the_head, "body": in_the_body, "sending": deaf, "handshake": deaf}.get(step, silent)
    context = certificates.good_context("h2") if step in {"http2", "tls response"} else None
    async with serving(behaviour, context) as port, serving(deaf) as deaf_port:
        scheme = "https" if step in {"http2", "handshake", "tls response", "tunnel"} else "http"
        proxies = {"tunnel": f"http://127.0.0.1:{port}", "socks": f"socks5://127.0.0.1:{deaf_port}"}
        version = "2" if step == "http2" else "auto"
        yield a_target(
            address=f"{scheme}://127.0.0.1:{port}/",
            timeout_seconds=60,
            sending=Sending(method="POST", body=bytes(30_000_000)) if step == "sending" else Sending(),
            connecting=Connecting(proxy_url=proxies.get(step), http_version=version, tls=tls),  # type: ignore[arg-type]
        )


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize(
    "step",
    ["handshake", "sending", "response", "head", "body", "http2", "tls response", "tunnel", "socks"],
)
async def test_nothing_is_left_open(step: str, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    before = open_descriptors()
    async with stuck(step, certificates) as target, probing(target) as probe:
        for _ in range(3):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(probe.fetch)
                    await trio.sleep(0.1)  # there is no event for a kernel that has taken what it takes
                    scope.cancel()
            assert scope.cancelled_caught
    await trio.testing.wait_all_tasks_blocked()
    left = {name: what for name, what in open_descriptors().items() if before.get(name) != what}
    assert not {what for what in left.values() if what.startswith("socket:")}


async def test_a_lookup_that_hangs_is_left_to_itself() -> None:
    let_go = threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        let_go.wait(10)
        raise socket.gaierror(socket.EAI_NONAME, "too late")

    try:
        async with probing(a_target(address="http://hung.example/"), hang) as probe:
            with trio.fail_after(1), trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(probe.fetch)
                    await trio.testing.wait_all_tasks_blocked()
                    scope.cancel()
            assert scope.cancelled_caught
    finally:
        let_go.set()


async def test_an_answer_that_comes_before_the_whole_request_counts() -> None:
    async def refuse_early(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(response(status="413 Content Too Large"))

    async with serving(refuse_early) as port:
        sending = Sending(method="POST", body=bytes(30_000_000))
        exchange = await asked(a_target(address=f"http://127.0.0.1:{port}/", sending=sending))
    assert exchange.status_code == 413, exchange.fault
