"""Notifies a supervisor by systemd's protocol (sd_notify): a datagram to the socket in NOTIFY_SOCKET.

Nothing here raises or waits: a working daemon must not end because nothing listens. Without the variable, it is silent.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import trio

from watcher.model.clock_trust import next_beat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RETRY_SECONDS = 5.0


class Supervisor:
    """The program that started the daemon, if it listens.

    Attributes:
        watchdog_seconds: the longest time between two messages that it expects; None if it expects none.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        """Read the socket and the watchdog time.

        Args:
            variables: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read; the process's own by default.
        """
        variables = os.environ if variables is None else variables
        self._address = _address(variables.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _watchdog_seconds(variables) if self._address else None
        # The messages to send, the newest value of each key: they stay while the socket is full, and go with the next.
        self._unsent: dict[str, str] = {}

    def ready(self, status: str) -> None:
        """Report that the checks have started, with a text for `systemctl status`: "watching 5 targets"."""
        self._send(READY="1", STATUS=status)

    def status(self, text: str) -> None:
        """Set the text of `systemctl status`."""
        self._send(STATUS=text)

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Report a reload at the start of the block, and its end however the block ends."""
        self._send(RELOADING="1", MONOTONIC_USEC=str(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000))
        try:
            yield
        finally:
            self._send(READY="1")

    def stopping(self) -> None:
        """Report that the daemon is stopping."""
        self._send(STOPPING="1", STATUS="stopping")

    async def feed_watchdog(self) -> None:
        """Report regularly that the loop runs, as often as the supervisor expects.

        Returns at once if it expects nothing; never otherwise, unless cancelled.
        """
        while self._address:
            if self.watchdog_seconds is not None:
                self._send(WATCHDOG="1")
            elif self._unsent:
                self._send()
            seconds = RETRY_SECONDS if self.watchdog_seconds is None else self.watchdog_seconds / 2
            await trio.sleep_until(next_beat(trio.current_time(), seconds))

    def _send(self, **words: str) -> None:
        if not self._address:
            return
        if "RELOADING" in words:
            self._unsent.pop("READY", None)  # no longer true
        elif "READY" in words:
            self._unsent.pop("RELOADING", None)
        self._unsent.update(words)
        text = "\n".join(f"{key}={' '.join(value.split())}" for key, value in self._unsent.items())
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto(text.encode("utf-8", "replace"), self._address)
            self._unsent.clear()


def _address(name: str) -> str:
    """Return the address of the socket: a path, or an abstract name; empty if it is neither."""
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else ""


def _watchdog_seconds(variables: Mapping[str, str]) -> float | None:
    pid = variables.get("WATCHDOG_PID", "")
    if pid not in ("", str(os.getpid())):
        return None
    try:
        microseconds = int(variables.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None
