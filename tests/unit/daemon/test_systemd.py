"""What a supervisor hears from the daemon over a socket like systemd's, and that a listener is not needed."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from watcher.daemon.systemd import Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["a path", "a name in no file system"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """Listen as systemd does; return the socket, and its name as the daemon gets it."""
    is_path = request.param == "a path"
    name = str(tmp_path / "notify") if is_path else f"@watcher-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name if is_path else "\0" + name[1:])
        listening.settimeout(10)
        yield listening, name


def heard(listening: socket.socket) -> list[str]:
    """Take one message."""
    return listening.recv(4096).decode().split("\n")


def test_ready_stopping_and_what_it_does(listener: tuple[socket.socket, str]) -> None:
    listening, name = listener
    supervisor = Supervisor({"NOTIFY_SOCKET": name})
    supervisor.ready("watching 5 targets")
    assert heard(listening) == ["READY=1", "STATUS=watching 5 targets"]
    supervisor.status("watching 6 targets")
    assert heard(listening) == ["STATUS=watching 6 targets"]
    supervisor.stopping()
    assert heard(listening) == ["STOPPING=1", "STATUS=stopping"]


def test_a_reload_ends_whatever_comes_of_it(listener: tuple[socket.socket, str]) -> None:
    listening, name = listener
    supervisor = Supervisor({"NOTIFY_SOCKET": name})
    before_us = time.monotonic_ns() // 1000
    with suppress(KeyError), supervisor.reloading():
        reloading, since = heard(listening)
        raise KeyError
    assert reloading == "RELOADING=1"
    key, _, number = since.partition("=")
    assert key == "MONOTONIC_USEC"
    assert before_us <= int(number) <= time.monotonic_ns() // 1000
    assert heard(listening) == ["READY=1"]


def test_a_text_cannot_say_more_than_a_text(listener: tuple[socket.socket, str]) -> None:
    listening, name = listener
    Supervisor({"NOTIFY_SOCKET": name}).status("a\nSTOPPING=1\r\x00")
    assert heard(listening) == ["STATUS=a STOPPING=1 \x00"]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "relative"},
        {"NOTIFY_SOCKET": "vsock:2:1234"},
    ],
)
async def test_a_missing_supervisor_is_ignored(variables: dict[str, str]) -> None:
    supervisor = Supervisor({**variables, "WATCHDOG_USEC": "1000"})
    supervisor.ready("watching 5 targets")
    with supervisor.reloading():
        pass
    supervisor.stopping()
    with trio.fail_after(60):
        await supervisor.feed_watchdog()
    assert supervisor.watchdog_seconds is None


@pytest.mark.parametrize("name", ["/there/is/no/such/socket", "/" + 200 * "x", "@" + 200 * "x", "/dev/null"])
def test_a_socket_that_cannot_be_written(name: str) -> None:
    Supervisor({"NOTIFY_SOCKET": name}).ready("watching 5 targets")


def fill(name: str) -> int:
    """Send until nothing more is accepted, from several sockets since each has its own limit; return the number."""
    waiting = 0
    with ExitStack() as stack:
        while True:
            sender = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            sender.setblocking(False)
            before = waiting
            with suppress(BlockingIOError):
                while True:
                    sender.sendto(b"x", "\0" + name[1:] if name.startswith("@") else name)
                    waiting += 1
            if waiting == before:
                return waiting


async def test_messages_that_a_full_socket_refuses_are_sent_later(
    listener: tuple[socket.socket, str], autojump_clock: trio.testing.MockClock
) -> None:
    listening, name = listener
    supervisor = Supervisor({"NOTIFY_SOCKET": name})
    listening.setblocking(False)
    waiting = fill(name)
    supervisor.status("starting")
    supervisor.ready("watching 5 targets")
    assert [listening.recv(100) for _ in range(waiting)] == [b"x"] * waiting
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.feed_watchdog)
        await trio.testing.wait_all_tasks_blocked()
        assert heard(listening) == ["STATUS=watching 5 targets", "READY=1"]
        await trio.sleep(60)
        with pytest.raises(BlockingIOError):
            listening.recv(100)
        nursery.cancel_scope.cancel()


async def test_the_watchdog_is_fed_twice_as_often_as_it_must_be(
    listener: tuple[socket.socket, str], autojump_clock: trio.testing.MockClock
) -> None:
    listening, name = listener
    variables = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    supervisor = Supervisor(variables)
    assert supervisor.watchdog_seconds == 30.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.feed_watchdog)
        await trio.sleep(31)
        nursery.cancel_scope.cancel()
    assert [heard(listening) for _ in range(3)] == [["WATCHDOG=1"]] * 3
    listening.setblocking(False)
    with pytest.raises(BlockingIOError):
        listening.recv(100)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "-1"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
    ],
)
def test_no_watchdog_waits_for_us(variables: dict[str, str]) -> None:
    assert Supervisor({"NOTIFY_SOCKET": "/run/notify", **variables}).watchdog_seconds is None
