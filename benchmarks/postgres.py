"""Runs the PostgreSQL for the monitors' failures, on the other core; its CPU time is not counted."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import trio

from watcher.embedded_postgres.server import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_CONNECTIONS = 100  # PostgreSQL's own default, which is enough for several replicas


@dataclass(frozen=True, slots=True)
class Postgres:
    """The location of a server: `host` is the folder of its unix socket."""

    host: str
    port: int
    user: str
    password: str
    database: str

    @classmethod
    def at(cls, url: str) -> Postgres:
        """Parse a URL that has its host and port in the query."""
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        return cls(
            host=query["host"][0],
            port=int(query["port"][0]),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=parts.path.removeprefix("/"),
        )

    def settings(self) -> dict[str, object]:
        """Return the settings of `.env` that make watcher use it."""
        return {
            "POSTGRES_HOST": self.host,
            "POSTGRES_PORT": self.port,
            "POSTGRES_USER": self.user,
            "POSTGRES_PASSWORD": self.password,
            "POSTGRES_DB": self.database,
            "POSTGRES_SSLMODE": "disable",
        }

    def url(self) -> str:
        """Return the URL for asyncpg."""
        return f"postgresql://{self.user}:{self.password}@/{self.database}?host={self.host}&port={self.port}"


@contextmanager
def database(folder: Path) -> Iterator[Postgres]:
    """Run watcher's embedded server as a separate one that any program may use.

    It inherits the core of this process.
    """
    server = EmbeddedPostgres(folder, max_connections=MAX_CONNECTIONS)
    url = server.url()
    held = server.try_hold()
    assert held
    try:
        trio.run(server.start)
        yield Postgres.at(url)
    finally:
        trio.run(server.stop)
