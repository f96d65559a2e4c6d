"""Several daemons of one location, each with its own connection to the database, and the sites they check."""

from __future__ import annotations

import math
import sys
import time
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio

from tests.integration.daemon import Daemon, Folder, settings_for
from tests.integration.proxy import Proxy, open_proxy
from tests.integration.sites import read_request, response, serving
from watcher.postgres.errors import StorageError

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator, Iterable, Sequence
    from pathlib import Path

    from tests.integration.replicas.namespaces import Namespace
    from watcher.postgres.db import Database

BEAT_SECONDS = 0.8
TTL_SECONDS = 3 * BEAT_SECONDS
SHORT_LEASES = (sys.executable, "-m", "tests.integration.replicas.short_leases", str(BEAT_SECONDS))
INTERVAL_SECONDS = 0.5
# A lease, the beats until the others agree and have claimed, by force if need be, and a busy machine's delay.
PATIENCE_SECONDS = 60.0

# Events that are not agreed by all.
_UNSETTLED = """
SELECT 'target ' || target AS what FROM states WHERE watched AND (owner IS NULL OR NOT EXISTS (
    SELECT FROM members WHERE replica = owner AND expires_at > clock_timestamp() AND fingerprint <> ''
))
UNION ALL
SELECT 'member ' || name FROM members JOIN agreements USING (location)
WHERE expires_at > clock_timestamp() AND fingerprint <> '' AND members.epoch <> agreements.epoch
UNION ALL
SELECT 'seats ' || coalesce(max(jsonb_array_length(seats)), 0) FROM agreements
HAVING coalesce(max(jsonb_array_length(seats)), 0) <> $1
"""


@dataclass
class Toggle:
    """The state that a site was given, and between which moments the daemons must have seen it."""

    state: str
    since: float
    seen_at: float = math.inf


class Sites:
    """All sites: each answers, and records its requests."""

    def __init__(self) -> None:
        self.asked_at: defaultdict[str, list[float]] = defaultdict(list)
        self.broken: set[str] = set()
        self.toggles: defaultdict[str, list[Toggle]] = defaultdict(list)

    async def behave(self, stream: trio.abc.Stream) -> None:
        """Answer a request."""
        request = await read_request(stream)
        name = request.split(b" ", 2)[1][1:].decode() if request else ""
        self.asked_at[name].append(time.time())
        await stream.send_all(response(status="500 Broken" if name in self.broken else "200 OK"))

    def toggle(self, name: str) -> Toggle:
        """Break a working site, or mend a broken one."""
        self.broken ^= {name}
        toggle = Toggle("down" if name in self.broken else "up", time.time())
        self.toggles[name].append(toggle)
        return toggle


@dataclass
class Replica:
    """One daemon, or its place.

    Attributes:
        proxies: its connections to the database, one per server.
        prefix: the command that its own is appended to.
    """

    folder: Folder
    proxies: tuple[Proxy, ...]
    prefix: tuple[str, ...] = ()
    daemon: Daemon | None = None
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self, command: Sequence[str] = SHORT_LEASES, clock_seconds: int = 0) -> Daemon:
        """Start it, on a machine whose clock is ahead by that many seconds."""
        command = (*self.prefix, *command, *([str(clock_seconds)] if clock_seconds else []))
        self.daemon = await self.stack.enter_async_context(self.folder.daemon(command))
        return self.daemon

    async def kill(self) -> None:
        """Kill it with signal 9."""
        daemon, self.daemon = self.daemon, None
        assert daemon is not None
        daemon.process.kill()
        await daemon.process.wait()

    async def stop(self) -> None:
        """Stop it as a supervisor does."""
        daemon, self.daemon = self.daemon, None
        assert daemon is not None
        assert (await daemon.stop())[0] == 0, daemon.lines()

    async def cut(self) -> None:
        """Disconnect it from the database."""
        for proxy in self.proxies:
            await proxy.shut()

    async def mend(self) -> None:
        """Reconnect it to the database."""
        for proxy in self.proxies:
            await proxy.open()

    def freeze_network(self) -> None:
        """Drop all packets between it and the database."""
        for proxy in self.proxies:
            proxy.freeze()

    def thaw_network(self) -> None:
        """Forward packets again."""
        for proxy in self.proxies:
            proxy.thaw()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.daemon is not None
        self.daemon.process.send_signal(number)


@dataclass
class Fleet:
    """All replicas, and their sites.

    Attributes:
        root: the common part of the sites' addresses.
        names: the targets of the newest file.
    """

    replicas: list[Replica]
    sites: Sites
    database: Database
    root: str
    names: list[str] = field(default_factory=list)

    def write(self, replica: Replica, names: Iterable[str], **keys: Any) -> None:
        """Write the file of a replica."""
        common = {"interval": INTERVAL_SECONDS, "failure_threshold": 1, "success_threshold": 1, **keys}
        urls = [{"name": name, "address": f"{self.root}/{name}", **common} for name in names]
        also = {"connectivity": {"targets": [f"{self.root}/alive"]}}
        replica.folder.configure(urls, also, **settings_for(*replica.proxies))

    async def until_settled(self, count: int) -> float:
        """Wait until that many replicas share all targets, and each was checked since; return how long that took."""
        begun = trio.current_time()
        unsettled: list[str] = []
        with trio.move_on_after(PATIENCE_SECONDS):
            while unsettled := [row["what"] for row in await self._ask(_UNSETTLED, count)]:  # noqa: ASYNC110
                await trio.sleep(0.05)
            settled_at = time.time()
            while unsettled := self._not_asked_since(settled_at):  # noqa: ASYNC110
                await trio.sleep(0.05)
            return trio.current_time() - begun
        said = "\n".join(self.said())
        raise AssertionError(f"not settled: {unsettled}\n{said}")

    async def _ask(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        try:
            return await self.database.fetch(query, *arguments)
        except StorageError as error:
            return [{"what": f"the database: {error}"}]

    def _not_asked_since(self, moment: float) -> list[str]:
        return [name for name in self.names if not any(at > moment for at in self.sites.asked_at[name][-1:])]

    def said(self) -> list[str]:
        """Return the newest lines that are not about sites."""
        lines = []
        for number, replica in enumerate(self.replicas):
            of_one = (replica.folder.path / "stderr.log").read_text().splitlines()
            lines += [f"{number}: {line}" for line in [one for one in of_one if " target=" not in one][-12:]]
        return lines

    async def until_seen(self, name: str, toggle: Toggle) -> None:
        """Wait until the table has a target in the state of its site."""
        found: list[dict[str, Any]] = []
        with trio.move_on_after(PATIENCE_SECONDS):
            while [row.get("state") for row in found] != [toggle.state]:
                await trio.sleep(0.05)
                found = await self._ask("SELECT target AS what, * FROM states WHERE target = $1", name)
            toggle.seen_at = time.time()
            return
        raise AssertionError(f"{name} did not become {toggle.state}: {found}")


@asynccontextmanager
async def open_fleet(
    folder: Path,
    database: Database,
    urls: Sequence[str],
    count: int,
    names: list[str],
    space: Namespace | None = None,
) -> AsyncIterator[Fleet]:
    """Prepare that many replicas, without starting one.

    Args:
        folder: an empty folder.
        database: their database.
        urls: its servers.
        count: the number of replicas.
        names: the targets.
        space: the network namespace of the first one, if not this one.
    """
    sites = Sites()
    async with AsyncExitStack() as stack:
        host = "127.0.0.1" if space is None else space.sites
        port = await stack.enter_async_context(serving(sites.behave, host=host))
        fleet = Fleet([], sites, database, f"http://{host}:{port}", names)
        for number in range(count):
            place = folder / f"replica{number}"
            place.mkdir()
            away = space if number == 0 else None
            host = "127.0.0.1" if away is None else away.database
            proxies = [await stack.enter_async_context(open_proxy(url, host=host)) for url in urls]
            replica = Replica(Folder(place), tuple(proxies), () if away is None else away.prefix)
            await stack.enter_async_context(replica.stack)
            fleet.replicas.append(replica)
            fleet.write(replica, names)
        yield fleet
