"""The work of every program in a comparison: how many targets, of which kind, how often."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import yaml

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
    """How a check reaches its site; `https` is over HTTP/1.1, and kept connections are plain ones."""

    HTTP = "http"
    HTTPS = "https"
    HTTP2 = "http2"
    KEEP_ALIVE = "keep-alive"


@dataclass(frozen=True, slots=True)
class Workload:
    """Targets and the total rate at which they are checked."""

    kind: Kind
    targets: int
    rate: float  # checks a second, all targets together
    workers: int = 100  # checks in flight at once, at most

    @property
    def interval_seconds(self) -> float:
        """Time between two checks of one target."""
        return self.targets / self.rate

    @property
    def timeout_seconds(self) -> float:
        """Deadline of one check."""
        return min(LONGEST_TIMEOUT_SECONDS, self.interval_seconds)

    def origin(self, ports: Mapping[Kind, int]) -> str:
        """Return the start of all addresses, on a site with these ports."""
        scheme = "https" if self.kind in {Kind.HTTPS, Kind.HTTP2} else "http"
        return f"{scheme}://127.0.0.1:{ports[self.kind]}"

    def options(self, ports: Mapping[Kind, int]) -> dict[str, object]:
        """Return the options of a program without a configuration."""
        return {"origin": self.origin(ports), **asdict(self)}

    def addresses(self, ports: Mapping[Kind, int]) -> list[str]:
        """Return the address of each target, which is also its name."""
        return [f"{self.origin(ports)}/t/{number}" for number in range(self.targets)]

    def write(self, file: Path, ports: Mapping[Kind, int], head: str = "") -> None:
        """Write a config file for watcher, after other settings; the aiohttp monitor reads the same."""
        kept = {"keep_alive": True} if self.kind is Kind.KEEP_ALIVE else {}
        times = {"interval": self.interval_seconds, "timeout": self.timeout_seconds}
        urls = [{"address": address, **times, "regex": PATTERN, **kept} for address in self.addresses(ports)]
        with file.open("w", encoding="utf-8") as stream:
            stream.write(head)
            yaml.dump({"urls": urls}, stream, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
