"""What a supervisor is told: systemd's own protocol (sd_notify), a datagram to the socket that it names.

Nothing here raises or waits: a daemon that works must not end because nobody listens. Without the variable there is
nothing to tell anybody.
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
    """The one who started the daemon, or nobody.

    Attributes:
        watchdog_seconds: within how long it wants to hear again that the loop runs; None when it does not.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        """Find out who listens.

        Args:
            variables: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read; the process's own by default.
        """
        variables = os.environ if variables is None else variables
        self._address = _address(variables.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _watchdog_seconds(variables) if self._address else None
        # What is to be told, the last word of each key: it stays when the socket is full, and goes with the next.
        self._untold: dict[str, str] = {}

    def ready(self, status: str) -> None:
        """Tell that the checks have begun, and, for `systemctl status`, what they are: "watching 5 targets"."""
        self._tell(READY="1", STATUS=status)

    def status(self, text: str) -> None:
        """Tell what `systemctl status` shows from now on."""
        self._tell(STATUS=text)

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Tell that the configuration is read again, and, whatever comes of it, that this is over."""
        self._tell(RELOADING="1", MONOTONIC_USEC=str(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000))
        try:
            yield
        finally:
            self._tell(READY="1")

    def stopping(self) -> None:
        """Tell that the daemon is about to end."""
        self._tell(STOPPING="1", STATUS="stopping")

    async def feed_watchdog(self) -> None:
        """Tell, as often as it is asked for, that the loop runs: that this runs is the proof.

        Returns at once where nobody listens; never otherwise, unless cancelled.
        """
        while self._address:
            if self.watchdog_seconds is not None:
                self._tell(WATCHDOG="1")
            elif self._untold:
                self._tell()
            seconds = RETRY_SECONDS if self.watchdog_seconds is None else self.watchdog_seconds / 2
            await trio.sleep_until(next_beat(trio.current_time(), seconds))

    def _tell(self, **words: str) -> None:
        if not self._address:
            return
        if "RELOADING" in words:
            self._untold.pop("READY", None)  # it was, and is no more
        elif "READY" in words:
            self._untold.pop("RELOADING", None)
        self._untold.update(words)
        text = "\n".join(f"{key}={' '.join(value.split())}" for key, value in self._untold.items())
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto(text.encode("utf-8", "replace"), self._address)
            self._untold.clear()


def _address(name: str) -> str:
    """Return what to send to: a path, or a name that is in no file system; nothing for what is neither."""
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
