"""Two PostgreSQL servers for one test: one follows the other, and takes its place when that is killed."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote, urlsplit

import trio

from tests.integration.own_server import IMMEDIATE, OwnServer, copy_server
from watcher.postgres.db import open_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MAX_CONNECTIONS = 100
COPY_SECONDS, FOLLOW_SECONDS = 30.0, 30.0


class ServerPair:
    """Acts as a cluster manager of two servers. Commits are on both, while both run."""

    def __init__(self, servers: tuple[OwnServer, OwnServer]) -> None:
        self.servers = servers
        self._leader = 0
        self._is_followed = False

    @property
    def url(self) -> str:
        """The URL of the current leader."""
        user, password, _ = _parts_of(self.servers[0].url)
        hosts = ",".join(_parts_of(server.url)[2] for server in self.servers)
        query = f"host={hosts}&port=5432,5432&sslmode=disable&target_session_attrs=read-write"
        return f"postgresql://{user}:{quote(password)}@/postgres?{query}"

    async def follow(self) -> None:
        """Let the other server follow the leader, from a copy of it."""
        leader, follower = self.servers[self._leader], self.servers[1 - self._leader]
        shutil.rmtree(follower.data)
        user, password, sockets = _parts_of(leader.url)
        where = f"host={sockets} user={user} password={password} dbname=postgres"
        command = ("pg_basebackup", "-d", where, "-D", "pgdata", "-R", "-X", "stream", "-c", "fast", "--no-sync")
        await follower.server._programs.call(*command, limit_seconds=COPY_SECONDS)
        await follower.start()
        async with open_database(leader.url) as database:
            with trio.fail_after(FOLLOW_SECONDS):
                while not await database.fetch("SELECT FROM pg_stat_replication WHERE state = 'streaming'"):  # noqa: ASYNC110
                    await trio.sleep(0.02)
            await _set(leader, "*")
        self._is_followed = True

    async def fail_over(self) -> None:
        """Kill the leader, as a machine that loses power, and promote the other server."""
        if not self._is_followed:
            await self.follow()
        await self.servers[self._leader].halt(IMMEDIATE)
        self._leader, self._is_followed = 1 - self._leader, False
        leader = self.servers[self._leader]
        async with open_database(leader.url) as database:
            await database.fetch("SELECT pg_promote()")
        await _set(leader, "")


async def _set(server: OwnServer, standbys: str) -> None:
    """Set which servers a commit waits for."""
    async with open_database(server.url) as database:

        async def change(connection: object) -> None:
            await connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standbys}'")  # type: ignore[attr-defined]
            await connection.execute("SELECT pg_reload_conf()")  # type: ignore[attr-defined]

        await database.operate(change)


def _parts_of(url: str) -> tuple[str, str, str]:
    parts = urlsplit(url)
    return unquote(parts.username or ""), unquote(parts.password or ""), parse_qs(parts.query)["host"][0]


@asynccontextmanager
async def running_pair(made: Path, folder: Path) -> AsyncIterator[ServerPair]:
    """Run two copies of a server while the block runs; the second follows the first."""
    servers = []
    for name in ("one", "two"):
        copy_server(made, folder / name)
        servers.append(OwnServer(folder / name, max_connections=MAX_CONNECTIONS))
    pair = ServerPair((servers[0], servers[1]))
    try:
        for server in servers:
            assert server.server.try_hold()
        await servers[0].start()
        await pair.follow()
        yield pair
    finally:
        with trio.CancelScope(shield=True):
            for server in servers:
                await server.server.stop()
