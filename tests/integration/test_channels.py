"""Webhooks, programs and Alertmanager: what happens to a message, whatever its receiver does."""

from __future__ import annotations

import json
import os
import ssl
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
import standardwebhooks
import trio

from tests.integration.receivers import a_channel, a_message, receiving
from tests.integration.sites import response, silent
from watcher.alerting.channels.deliver import deliver, open_tools
from watcher.model.alerts.channel import ExecReceiver, WebhookReceiver
from watcher.model.alerts.notification import Delivered, Refused, TryAgain

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.receivers import Behaviour, Post
    from watcher.model.alerts.notification import Delivery

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = datetime.now(UTC).replace(microsecond=0)
# So far away that the time since this file was read does not matter.
IN_TEN_HOURS = format_datetime(NOW + timedelta(hours=10), usegmt=True)

HEAD_OF_100 = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


def _dripping(slowly: bytes, at_once: bytes = b"") -> Behaviour:
    async def behave(stream: trio.abc.Stream) -> None:
        await stream.send_all(at_once)
        for byte in slowly:
            await stream.send_all(bytes([byte]))
            await trio.sleep(0.05)

    return behave


async def _resetting(stream: trio.abc.Stream) -> None:
    assert isinstance(stream, trio.SocketStream)
    stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


ANSWERS: dict[str, tuple[bytes | Behaviour, type[Delivery], str]] = {
    "200": (response(b"took it: token=s3cr3t-path-token\nand more"), Delivered, "200 OK: took it: token=***"),
    "204": (response(b"", "204 No Content"), Delivered, "204 No Content"),
    "200-large": (response(b"x" * 100_000), Delivered, f"200 OK: {'x' * 199}…"),
    "200-drip": (_dripping(b"x" * 100, HEAD_OF_100), Delivered, "200 OK: x"),
    "301": (
        response(b"", "301 Moved Permanently", "Location: https://elsewhere.example/s3cr3t-path-token\r\n"),
        Refused,
        "301 Moved Permanently: redirects are not followed; it leads to https://elsewhere.example/***",
    ),
    "400": (response(b'{"error": "no text"}', "400 Bad Request"), Refused, '400 Bad Request: {"error": "no text"}'),
    "401": (response(b"", "401 Unauthorized"), Refused, "401 Unauthorized"),
    "408": (response(b"", "408 Request Timeout"), TryAgain, "408 Request Timeout"),
    "425": (response(b"", "425 Too Early"), TryAgain, "425 Too Early"),
    "429": (response(b"", "429 Too Many Requests", "Retry-After: 17\r\n"), TryAgain, "429 Too Many Requests"),
    "429-date": (
        response(b"", "429 Too Many Requests", f"Retry-After: {IN_TEN_HOURS}\r\n"),
        TryAgain,
        "429 Too Many Requests",
    ),
    "500": (response(b"oh\x1b[31m no", "500 Oops"), TryAgain, "500 Oops: oh\\x1b[31m no"),
    "503": (response(b"", "503 Unavailable", "Retry-After: 9999999999\r\n"), TryAgain, "503 Unavailable"),
    "silent": (silent, TryAgain, "no answer within 2 s: cut off while waiting for the response"),
    "drip": (
        _dripping(b"HTTP/1.1 200 OK\r\n" * 10),
        TryAgain,
        "no answer within 2 s: cut off while reading the headers",
    ),
    "reset": (_resetting, TryAgain, "the connection was reset before the response was whole"),
    "no-http": (b"220 mail.example ESMTP\r\n", TryAgain, ""),
}
RETRY_AFTER = {"429": 17.0, "429-date": 36000.0, "503": 86400.0}


async def test_every_answer_of_a_webhook_is_understood() -> None:
    """All at once: the rows must not delay each other."""
    got: dict[str, Delivery] = {}

    def then(post: Post) -> bytes | Behaviour:
        return list(ANSWERS.values())[int(post.path.rpartition("/")[2])][0]

    async with receiving(then) as receiver, open_tools() as tools:

        async def send(name: str) -> None:
            url = f"http://127.0.0.1:{receiver.port}/s3cr3t-path-token/{list(ANSWERS).index(name)}"
            seconds = 2.0 if name in {"silent", "drip"} else 30.0
            got[name] = await deliver(a_message(NOW), a_channel(WebhookReceiver(url), timeout_seconds=seconds), tools)

        async with trio.open_nursery() as nursery:
            for name in ANSWERS:
                nursery.start_soon(send, name)
    for name, (_, kind, words) in ANSWERS.items():
        delivery = got[name]
        said = delivery.answer if isinstance(delivery, Delivered) else delivery.error
        assert isinstance(delivery, kind), (name, delivery)
        assert said.startswith(words) if name in {"drip", "no-http", "200-drip"} else said == words, (name, said)
        wanted = RETRY_AFTER.get(name)
        after = delivery.after_seconds if isinstance(delivery, TryAgain) else None
        assert after == wanted or (wanted == 36000 and after is not None and 32400 < after <= 36000), (name, after)


async def test_a_webhook_is_signed_and_keeps_its_id() -> None:
    """The library of Standard Webhooks verifies the signature."""
    async with receiving() as receiver, open_tools() as tools:
        url = f"http://us%40er:pass@127.0.0.1:{receiver.port}/in?x=1"
        channel = a_channel(WebhookReceiver(url, SECRET, (("X-Team", "web"), ("Content-Type", "application/x-own"))))
        message = a_message(NOW)
        for _ in range(2):
            assert await deliver(message, channel, tools) == Delivered("200 OK: thank you")
        raw = a_channel(WebhookReceiver(url, "no base64 at all"))
        assert isinstance(await deliver(message, raw, tools), Delivered)
        bad = a_channel(WebhookReceiver(url, "whsec_no base64"))
        assert await deliver(message, bad, tools) == Refused("the part of `secret` behind `whsec_` is not base64")
    first, second, third = receiver.posts
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == str(message.id)
    assert standardwebhooks.Webhook(SECRET).verify(first.body, first.headers) == message.payload
    assert standardwebhooks.Webhook(b"no base64 at all").verify(third.body, third.headers) == message.payload
    assert (first.method, first.path, first.headers["x-team"]) == ("POST", "/in?x=1", "web")
    assert first.headers["content-type"] == "application/x-own"
    assert first.headers["authorization"] == "Basic dXNAZXI6cGFzcw=="


async def test_a_receiver_must_be_who_it_says_and_where_it_may_be(trusted_by_nobody: ssl.SSLContext) -> None:
    """TLS errors and a closed port are retried; a private address is refused where none is allowed."""
    async with receiving(tls=trusted_by_nobody) as receiver, open_tools() as tools:
        url = f"https://127.0.0.1:{receiver.port}/"
        untrusted = await deliver(a_message(NOW), a_channel(WebhookReceiver(url)), tools)
        private = await deliver(a_message(NOW), a_channel(WebhookReceiver(url), allow_private=False), tools)
    async with open_tools() as tools:
        closed = await deliver(a_message(NOW), a_channel(WebhookReceiver(url)), tools)
    assert isinstance(untrusted, TryAgain)
    assert "not trusted" in untrusted.error
    assert private == Refused("127.0.0.1 is not a public address, and `allow_private` is false")
    assert closed == TryAgain("cannot connect: Connection refused")


PROGRAMS: dict[str, tuple[str, type[Delivery], str]] = {
    "reads": (
        "import json, sys; print(json.load(sys.stdin)['title'], end='')",
        Delivered,
        "exit status 0: Test of watcher",
    ),
    "reads nothing": ("", Delivered, "exit status 0"),
    "fails": ("import sys; sys.exit('no pager')", TryAgain, "exit status 1: no pager"),
    "tempfail": ("import sys; sys.exit(75)", TryAgain, "exit status 75"),
    "config": ("import sys; sys.exit(78)", Refused, "exit status 78 (EX_CONFIG)"),
    "signal": ("import os; os.kill(os.getpid(), 9)", TryAgain, "ended by signal 9"),
    "talks": ("print('x' * 1_000_000)", Delivered, "exit status 0: xxxx"),
    "leaves a child": (
        "import os, time; print('done', flush=True); os.fork() or time.sleep(30)",
        Delivered,
        "exit status 0: done",
    ),
}


async def test_the_exit_status_of_a_program_decides_about_a_message() -> None:
    """One table, all at once."""
    got: dict[str, Delivery] = {}
    async with open_tools() as tools:

        async def run(name: str) -> None:
            channel = a_channel(ExecReceiver((sys.executable, "-c", PROGRAMS[name][0])), timeout_seconds=30.0)
            got[name] = await deliver(a_message(NOW), channel, tools)

        async with trio.open_nursery() as nursery:
            for name in PROGRAMS:
                nursery.start_soon(run, name)
        missing = await deliver(a_message(NOW), a_channel(ExecReceiver(("/no/such/program",))), tools)
    for name, (_, kind, words) in PROGRAMS.items():
        delivery = got[name]
        said = delivery.answer if isinstance(delivery, Delivered) else delivery.error
        assert isinstance(delivery, kind), (name, delivery)
        assert said == words or (name == "talks" and said.startswith(words) and len(said) <= 4096), (name, said)
    assert missing == Refused("cannot start /no/such/program: No such file or directory")


async def test_a_program_that_hangs_is_killed_with_its_child(tmp_path: Path) -> None:
    """Both ignore SIGTERM and hold a FIFO open, which ends when no process holds it any more."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    script = (
        f"import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); held = open({str(fifo)!r}, 'w')\n"
        "os.fork(); print('up', flush=True); time.sleep(600)"
    )
    async with open_tools() as tools:
        channel = a_channel(ExecReceiver((sys.executable, "-c", script)), timeout_seconds=2.0)
        delivery = await deliver(a_message(NOW), channel, tools)
    assert isinstance(delivery, TryAgain)
    assert delivery.error.startswith("killed after 2 s")
    async with trio.lowlevel.FdStream(reading) as pipe:
        with trio.fail_after(10):
            assert await pipe.receive_some() == b""


@pytest.fixture
def trusted_by_nobody() -> ssl.SSLContext:
    """Return a server's context with a certificate of an unknown authority."""
    import trustme

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_the_message_of_a_test_is_json() -> None:
    """All keys of a message are present."""
    payload = a_message(NOW).payload
    assert json.loads(json.dumps(payload)) == payload
