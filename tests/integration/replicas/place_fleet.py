"""Daemons at several places, and sites that know from which place they are checked.

All places read the same file. In each, the host name of the sites leads to another address of this machine.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio

from tests.integration.daemon import Folder, settings_for
from tests.integration.proxy import open_proxy
from tests.integration.replicas.fleet import INTERVAL_SECONDS, PATIENCE_SECONDS, SHORT_LEASES, Replica
from tests.integration.sites import read_request, response, serving
from tests.peers.mounts import unshared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from watcher.postgres.db import Database

PLACES = ("fra", "nyc", "sgp")
HOST = "sites.test"
COMMAND = unshared("mount --bind hosts /etc/hosts", SHORT_LEASES)


class PlacedSites:
    """All sites: each answers with success, except for the places that it is broken for."""

    def __init__(self) -> None:
        self.broken: set[tuple[str, str]] = set()  # a name and a place
        self.asked: set[tuple[str, str]] = set()

    async def behave(self, stream: trio.abc.Stream) -> None:
        """Answer a request."""
        assert isinstance(stream, trio.SocketStream)
        place = PLACES[int(stream.socket.getsockname()[0].rpartition(".")[2]) - 2]
        request = await read_request(stream)
        name = request.split(b" ", 2)[1][1:].decode() if request else ""
        self.asked.add((name, place))
        await stream.send_all(response(status="500 Broken" if (name, place) in self.broken else "200 OK"))


@dataclass
class PlaceFleet:
    """A daemon at each place, and their sites."""

    sites: PlacedSites
    database: Database
    port: int
    at: dict[str, Replica] = field(default_factory=dict)

    def write(self, urls: Sequence[Mapping[str, Any]], also: Mapping[str, object] | None = None, **keys: Any) -> None:
        """Write the file of all places, with targets that only have a name, and other settings."""
        common = {"interval": INTERVAL_SECONDS, "failure_threshold": 1, "success_threshold": 1, **keys}
        whole = [{"address": f"http://{HOST}:{self.port}/{url['name']}", **common, **url} for url in urls]
        for place, replica in self.at.items():
            replica.folder.configure(whole, also, **settings_for(*replica.proxies), WATCHER_LOCATION=place)

    async def until_state(self, name: str, state: str, location: str = "*") -> dict[str, Any]:
        """Wait until the table has a target in a state, and return its row."""
        found: list[dict[str, Any]] = []
        with trio.move_on_after(PATIENCE_SECONDS):
            while [row["state"] for row in found] != [state]:
                await trio.sleep(0.05)
                query = "SELECT * FROM states WHERE target = $1 AND location = $2"
                found = [dict(row) for row in await self.database.fetch(query, name, location)]
            return found[0]
        raise AssertionError("\n".join([f"{name} at {location} did not become {state}: {found}", *self.said()]))

    async def until_detail(self, name: str, begin: str) -> None:
        """Wait until the table says why a target is in its combined state."""
        query = "SELECT FROM states WHERE target = $1 AND location = '*' AND starts_with(detail, $2)"
        with trio.fail_after(PATIENCE_SECONDS):
            while not await self.database.fetch(query, name, begin):  # noqa: ASYNC110  # other processes
                await trio.sleep(0.05)

    async def flips(self, name: str, location: str = "*") -> list[str]:
        """Return the past states of a target, the oldest first; assert that they are one chain."""
        query = "SELECT before, state FROM flips WHERE target = $1 AND location = $2 ORDER BY at"
        rows = await self.database.fetch(query, name, location)
        assert [row["before"] for row in rows[1:]] == [row["state"] for row in rows[:-1]], rows
        return [row["state"] for row in rows]

    def said(self) -> list[str]:
        """Return the newest lines of all places that are not about sites."""
        lines = []
        for place, replica in self.at.items():
            of_one = (replica.folder.path / "stderr.log").read_text().splitlines()
            lines += [f"{place}: {line}" for line in [one for one in of_one if " target=" not in one][-12:]]
        return lines


@asynccontextmanager
async def open_places(folder: Path, database: Database, url: str) -> AsyncIterator[PlaceFleet]:
    """Prepare a daemon at each place, without starting one: `fleet.at[place].start(COMMAND)`."""
    sites = PlacedSites()
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(sites.behave, host="0.0.0.0"))
        fleet = PlaceFleet(sites, database, port)
        for number, place in enumerate(PLACES):
            home = folder / place
            home.mkdir()
            (home / "hosts").write_text(f"127.0.0.1 localhost\n127.0.0.{number + 2} {HOST}\n")
            proxy = await stack.enter_async_context(open_proxy(url))
            fleet.at[place] = Replica(Folder(home), (proxy,))
            await stack.enter_async_context(fleet.at[place].stack)
        yield fleet
