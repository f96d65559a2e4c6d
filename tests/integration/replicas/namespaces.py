"""A network namespace: a process in it has its own network, which can lose its routes. Needs root."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CAN_MAKE = os.geteuid() == 0 and shutil.which("ip") is not None
# Addresses for documentation; the third number is the process's, so that parallel tests have one each.
_NETWORK = "10.213"


@dataclass(frozen=True)
class Namespace:
    """A namespace that a cable connects to this one.

    Attributes:
        sites, database: addresses of this namespace, with the same meaning in that one.
        inside: its own address.
    """

    name: str
    sites: str
    database: str
    inside: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """The command to which a command is appended to run in it."""
        return ("nsenter", f"--net=/run/netns/{self.name}")

    def lose_sites(self) -> None:
        """Remove the route from there to the sites."""
        _ip("-n", self.name, "route", "add", "unreachable", self.sites)

    def find_sites(self) -> None:
        """Restore it."""
        _ip("-n", self.name, "route", "del", "unreachable", self.sites)


@contextmanager
def open_namespace() -> Iterator[Namespace]:
    """Create one while the block runs."""
    pid = os.getpid()
    network = f"{_NETWORK}.{pid % 256}"
    space = Namespace(f"watcher{pid}", f"{network}.1", f"{network}.2", f"{network}.3")
    cable, end = f"w{pid}", f"v{pid}"
    _ip("netns", "add", space.name)
    try:
        _ip("link", "add", cable, "type", "veth", "peer", "name", end, "netns", space.name)
        for address in (space.sites, space.database):
            _ip("address", "add", f"{address}/29", "dev", cable)
        _ip("link", "set", cable, "up")
        inside = ("-n", space.name)
        _ip(*inside, "address", "add", f"{space.inside}/29", "dev", end)
        _ip(*inside, "link", "set", end, "up")
        _ip(*inside, "link", "set", "lo", "up")
        yield space
    finally:
        _ip("netns", "del", space.name)  # and the cable with it


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
