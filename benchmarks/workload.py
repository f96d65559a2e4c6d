"""The work of every program in a comparison: how many targets, of which kind, how often."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A monitor's usual default; a target that is checked more often must answer before its next slot.
LONGEST_TIMEOUT_SECONDS = 10.0

# nginx sends this as every body, and every monitor searches it for the pattern.
BODY = (
    "<!doctype html>\n<title>Shop</title>\n<h1>Shop</h1>\n"
    + "<p>We sell what others do not.</p>\n" * 12
    + ("<p>Today all is well.</p>\n")
)
PATTERN = "all (is )?well"


class Kind(StrEnum):
    """How a check reaches its site."""

    HTTP = "http"
    HTTPS = "https"
    HTTP2 = "http2"
    KEEP_ALIVE = "keep-alive"

    @property
    def scheme(self) -> str:
        """The scheme of the addresses; `https` is over HTTP/1.1, and kept connections are plain ones."""
        return "https" if self in {Kind.HTTPS, Kind.HTTP2} else "http"


@dataclass(frozen=True, slots=True)
class Workload:
    """Targets and the total rate at which they are checked.

    Attributes:
        kind: how a check reaches its site.
        targets: their number.
        rate: checks a second, all targets together.
        workers: checks in flight at once, at most.
    """

    kind: Kind
    targets: int
    rate: float
    workers: int

    @property
    def interval_seconds(self) -> float:
        """Time between two checks of one target."""
        return self.targets / self.rate

    @property
    def timeout_seconds(self) -> float:
        """Deadline of one check."""
        return min(LONGEST_TIMEOUT_SECONDS, self.interval_seconds)

    def addresses(self, origin: str) -> Iterator[str]:
        """Yield the address of each target; `origin` is such as `http://127.0.0.1:8080`."""
        return (f"{origin}/t/{number}" for number in range(self.targets))


def write_targets(file: Path, workload: Workload, origin: str) -> None:
    """Write a config file for watcher; the aiohttp monitor reads the same."""
    kept = {"keep_alive": True} if workload.kind is Kind.KEEP_ALIVE else {}
    times = {"interval": workload.interval_seconds, "timeout": workload.timeout_seconds}
    urls = [{"address": address, **times, "regex": PATTERN, **kept} for address in workload.addresses(origin)]
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump({"urls": urls}, stream, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
