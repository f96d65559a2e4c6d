"""The bounds of connections and requests, over real sockets: slow, large or numerous clients are dropped."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import trio
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from tests.unit.web.viewers import asked, get, rest_of, serving, status_of
from watcher.config.env.http_values import HttpAddress
from watcher.web.serving import bounds, connection
from watcher.web.serving.bounds import MAX_BODY_BYTES, MAX_HEAD_BYTES
from watcher.web.serving.listen import CannotListenError, open_listeners, remove_socket_file
from watcher.web.serving.server import ConnectionLimits

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

    from watcher.web.serving.server import Server


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the path and the body; one path raises, one never ends."""
    if scope["path"] == "/fault":
        raise LookupError("a fault of the program")
    if scope["path"] == "/endless":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"{scope['path']} {len(body)}")(scope, receive, send)


async def until_empty(server: Server) -> None:
    """Wait until no connection is left."""
    while server.open_connections:  # noqa: ASYNC110
        await trio.sleep(0.01)


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (get("/a"), 200),
        (get("/a", method="HEAD"), 200),
        (get("/%00"), 400),
        (get("/a%0Ab"), 400),
        (get("*"), 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (get("/a", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"), 200),
        (get("/a?" + "x" * MAX_HEAD_BYTES), 414),
        (get("/a", *(f"X-{number}: {'y' * 100}" for number in range(400))), 431),
        (get("/a", f"Content-Length: {MAX_BODY_BYTES}", method="POST") + "z" * MAX_BODY_BYTES, 200),
        (get("/a", f"Content-Length: {MAX_BODY_BYTES + 1}", method="POST"), 413),
        (get("/a", "Content-Length: x", method="POST"), 400),
        (get("/a", "Transfer-Encoding: chunked", method="POST") + "1\r\nz\r\n" * 5 + "0\r\n\r\n", 200),
        (get("/a", "Transfer-Encoding: chunked", method="POST") + "10000\r\n" + "z" * 65536 + "\r\n1\r\nz\r\n", 413),
        ("nonsense\r\n\r\n", 400),
        (get("/fault"), 500),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else str(value),
)
async def test_a_request_is_answered_whatever_it_is(request_text: str, status: int) -> None:
    async with serving(echo) as (server, port):
        assert status_of(await asked(port, request_text)) == status
        assert status_of(await asked(port, get("/a"))) == 200
        await until_empty(server)


async def test_a_websocket_is_refused() -> None:
    upgrade = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    text = get("/", *upgrade).replace("Connection: close", "Connection: Upgrade")
    async with serving(echo) as (_server, port):
        assert status_of(await asked(port, text)) == 403


async def test_chunks_of_one_byte_end_at_the_bound_of_received_data() -> None:
    """Within the bound of the body, they take six times as much on the wire."""
    head = get("/a", "Transfer-Encoding: chunked", method="POST").encode()
    async with serving(echo) as (server, port):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            with pytest.raises(trio.BrokenResourceError):
                await stream.send_all(head + b"1\r\nz\r\n" * 1_000_000)
        await until_empty(server)


async def test_requests_follow_each_other_over_one_connection() -> None:
    text = get("/a").replace("Connection: close\r\n", "")
    async with serving(echo) as (_server, port), await trio.open_tcp_stream("127.0.0.1", port) as stream:
        for _ in range(3):
            await stream.send_all(text.encode())
            received = b""
            while not received.endswith(b"/a 0"):
                received += await stream.receive_some()
        await stream.send_all((text + get("/b")).encode())  # both at once
        assert (await rest_of(stream)).count(b"200") == 2


async def test_no_request_follows_one_whose_end_is_ambiguous() -> None:
    """A proxy that trusts the other length would read the second request as the body of the first."""
    first = get("/a", "Content-Length: 5", "Transfer-Encoding: chunked", method="POST")
    text = first.replace("Connection: close\r\n", "") + "0\r\n\r\n" + get("/b")
    async with serving(echo) as (_server, port):
        assert (await asked(port, text)).count(b"HTTP/1.1 ") == 1


async def test_connections_are_counted_in_all_and_by_address() -> None:
    for limits, is_exempt, most in (
        (ConnectionLimits(10, 3), False, 3),
        (ConnectionLimits(10, 3), True, 10),
    ):
        async with serving(echo, limits, lambda _address, said=is_exempt: said) as (server, port):  # type: ignore[misc]
            streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(12)]
            for stream in streams[most:]:
                assert await rest_of(stream) == b""
            assert server.open_connections == {"127.0.0.1": most}
            for stream in streams:
                await stream.aclose()
            await until_empty(server)
            assert status_of(await asked(port, get("/a"))) == 200


async def test_viewers_do_not_delay_a_stop(capfd: pytest.CaptureFixture[str]) -> None:
    """Stalled readers, heads and bodies that drip, endless streams: the scope alone ends them."""
    beginnings = [
        get("/a").replace("Connection: close", "Connection: keep-alive"),
        get("/endless"),
        get("/endless").replace("Connection: close", "Connection: keep-alive"),
        "GET /a HTTP/1.1\r\nX-Slow",
        get("/a", "Content-Length: 100", method="POST") + "z",
        get("/a", "Transfer-Encoding: chunked", method="POST") + "5\r\nz",
    ]
    streams = []
    async with serving(echo) as (server, port):
        for text in beginnings * 15:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(text.encode())
            streams.append(stream)
        while server.open_connections.total() < len(streams):  # noqa: ASYNC110
            await trio.sleep(0.01)
        for stream in streams[:: len(beginnings)]:  # the answers to these are being sent when the stop comes
            await stream.send_all(get("/b").encode())
        begun = trio.current_time()
    # Not how fast this machine is, but that no connection's deadline was waited for.
    assert trio.current_time() - begun < min(connection.IDLE_SECONDS, connection.SEND_SECONDS, bounds.BODY_SECONDS) / 2
    assert not server.open_connections
    for stream in streams:
        await stream.aclose()
    assert "fault" not in capfd.readouterr().err


class SocketOfMemory:
    """The parts of a socket that a connection uses, beside a stream without one."""

    family = socket.AF_INET

    def getpeername(self) -> tuple[str, int]:
        return "127.0.0.1", 2

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 1


async def test_who_is_slow_is_cut_after_its_time(autojump_clock: trio.testing.MockClock) -> None:
    """On a mock clock, over a stream in memory that only the bounds end."""
    for text, seconds, status in (
        ("GET /a HTTP/1.1\r\nX-Slow", connection.IDLE_SECONDS, 0),
        ("", connection.IDLE_SECONDS, 0),
        (get("/a", "Content-Length: 100", method="POST") + "z", bounds.BODY_SECONDS, 408),
    ):
        ours, theirs = trio.testing.memory_stream_pair()
        ours.socket = SocketOfMemory()  # type: ignore[attr-defined]
        await theirs.send_all(text.encode())
        begun = autojump_clock.current_time()
        await connection.Connection(bounds.Bounded(echo), connection.connection_config(), ours).run()  # type: ignore[arg-type]
        assert autojump_clock.current_time() - begun == pytest.approx(seconds)
        await ours.aclose()
        assert status_of(await rest_of(theirs)) == status  # type: ignore[arg-type]


async def test_a_socket_with_a_path_takes_the_place_of_one_that_is_left_over(tmp_path: Path) -> None:
    address = HttpAddress(path=str(tmp_path / "page.sock"))
    (first,) = await open_listeners(address)
    with pytest.raises(CannotListenError, match="in use"):
        await open_listeners(address)
    first.socket.close()  # as a killed daemon leaves it
    (second,) = await open_listeners(address)
    second.socket.close()
    remove_socket_file(address)
    await trio.Path(address.path).touch(exist_ok=False)
    with pytest.raises(CannotListenError, match="not a socket"):
        await open_listeners(address)
